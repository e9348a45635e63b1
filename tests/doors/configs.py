"""The doors of a call's config."""

from collections.abc import Callable, Sequence
from typing import Any

from graphs.errors import UnknownNode
from scheduler.errors import (
    CheckpointNotFound,
    InvalidConfig,
    InvalidThreadId,
    NotSerializable,
)
from scheduler.excess import StateTooLarge, TooMany

from .stage import (
    DEEP,
    HUGE,
    LOOP,
    NEW,
    NOT_DICTS,
    NOT_SECONDS,
    NOT_TEXTS,
    NOT_WHOLE,
    SURROGATE,
    Door,
    Odd,
    X,
)

Invoke = Callable[[Any, Any], Any]


def config(key: str) -> Invoke:
    return lambda graph, value: graph.invoke(X, {**NEW, key: value})


ODD_IDS: Sequence[Any] = (
    None,
    True,
    1.5,
    b"x",
    [],
    {},
    Odd(),
    "",
    " ",
    "\t",
    "a\nb",
    "a\0b",
    "a\u200bb",
    "\u202e",
    SURROGATE,
    "x" * 256,
    "é" * 128,
    HUGE,
    -HUGE,
)
NAMES = (True, 7, 1.5, b"x", [7], [None], {"say": 1}, Odd(), HUGE)

CONFIGS = (
    Door("thread_id", config("thread_id"), ODD_IDS, InvalidThreadId, "thread_id"),
    Door(
        "configurable.thread_id",
        lambda g, v: g.invoke(X, {"configurable": {"thread_id": v}}),
        ODD_IDS,
        InvalidThreadId,
        "thread_id",
    ),
    Door("config", lambda g, v: g.invoke(X, v), NOT_DICTS, InvalidConfig, "The config is a dict"),
    Door(
        "unknown key",
        lambda g, v: g.invoke(X, {**NEW, v: 1}),
        ("", "Thread_id", 1, (), None, SURROGATE, "__pregel"),
        InvalidConfig,
        "has unknown keys",
    ),
    Door(
        "checkpoint_id",
        config("checkpoint_id"),
        (*NOT_TEXTS, "", "x", "1", "1-", "-1", "\uff11-\uff11", "1" * 30 + "-1"),
        InvalidConfig,
        "is not a checkpoint id",
    ),
    Door(
        "foreign checkpoint_id",
        config("checkpoint_id"),
        ("1-1", "9" * 19 + "-" + "9" * 19),
        CheckpointNotFound,
        "has no checkpoint",
    ),
    Door(
        "checkpoint_ns",
        config("checkpoint_ns"),
        (*NOT_TEXTS, "a\0b", "a\nb", "n" * 20_000),
        InvalidConfig,
        "checkpoint_ns",
    ),
    Door("checkpoint_map", config("checkpoint_map"), NOT_DICTS, InvalidConfig, "'checkpoint_map' is a mapping"),
    Door(
        "recursion_limit",
        config("recursion_limit"),
        (*NOT_WHOLE, 0, -1),
        InvalidConfig,
        "'recursion_limit' must be a positive int",
    ),
    Door(
        "huge recursion_limit", config("recursion_limit"), (10**7, 2**63, HUGE), TooMany, "TREADLE_MAX_RECURSION_LIMIT"
    ),
    Door(
        "max_concurrency",
        config("max_concurrency"),
        (*NOT_WHOLE, 0, -1),
        InvalidConfig,
        "'max_concurrency' must be a positive int",
    ),
    Door("interrupt_before", config("interrupt_before"), NAMES, InvalidConfig, "is a list of node names or '*'"),
    Door("interrupt_after", config("interrupt_after"), NAMES, InvalidConfig, "is a list of node names or '*'"),
    Door(
        "unknown interrupt",
        config("interrupt_after"),
        ("", "nope", ["say", "nope"], [SURROGATE]),
        UnknownNode,
        "has no node",
    ),
    Door("timeout", config("timeout"), NOT_SECONDS, InvalidConfig, "'timeout' must be a positive float (seconds"),
    Door("on_busy", config("on_busy"), (*NOT_TEXTS, "", "queue"), InvalidConfig, "on_busy is 'reject' or 'wait'"),
    Door(
        "strict_resume", config("strict_resume"), (1, 0, "true", [], Odd()), InvalidConfig, "'strict_resume' is a bool"
    ),
    Door("durability", config("durability"), (*NOT_TEXTS, "", "never"), InvalidConfig, "durability is 'async' or"),
    Door("configurable", config("configurable"), NOT_DICTS, InvalidConfig, "'configurable' is a mapping"),
    Door("metadata", config("metadata"), NOT_DICTS, InvalidConfig, "'metadata' is a mapping"),
    Door(
        "metadata key",
        lambda g, v: g.invoke(X, {**NEW, "metadata": {v: 1}}),
        (1, None, b"x", (), SURROGATE),
        InvalidConfig,
        "A key of the config's 'metadata' is a",
    ),
    Door(
        "metadata value",
        lambda g, v: g.invoke(X, {**NEW, "metadata": {"a": v}}),
        (Odd(), SURROGATE, DEEP, LOOP, open),
        NotSerializable,
        "cannot be stored",
    ),
    Door(
        "configurable value",
        lambda g, v: g.invoke(X, {**NEW, "configurable": {"a": v}}),
        (Odd(), SURROGATE, LOOP),
        NotSerializable,
        "cannot be stored",
    ),
    Door(
        "large metadata",
        lambda g, v: g.invoke(X, {**NEW, "metadata": {"a": v}}),
        ("x" * 2**21, ["y" * 99] * 20_000),
        StateTooLarge,
        "TREADLE_MAX_METADATA_BYTES",
    ),
    Door("tags", config("tags"), (True, 7, "x", b"x", {"a": 1}, Odd()), InvalidConfig, "'tags' is a list of strings"),
    Door(
        "tag",
        lambda g, v: g.invoke(X, {**NEW, "tags": ["a", v]}),
        NOT_TEXTS,
        InvalidConfig,
        "Each of the config's tags",
    ),
    Door("run_name", config("run_name"), NOT_TEXTS, InvalidConfig, "'run_name' is a"),
    Door("run_id", config("run_id"), (True, 7, b"x", [], Odd()), InvalidConfig, "'run_id' is a UUID"),
    Door("with_config", lambda g, v: g.with_config(v), NOT_DICTS, InvalidConfig, "The config is a dict"),
    Door("with_config tags", lambda g, v: g.with_config(tags=v), (True, 7, "x"), InvalidConfig, "is a list of strings"),
)


DOORS = CONFIGS
