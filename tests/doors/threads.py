"""The doors to threads, their state and their history."""

from collections.abc import Callable
from typing import Any

from graphs.errors import InvalidUpdateError, UnknownSubgraph
from scheduler.errors import (
    CheckpointNotFound,
    InvalidConfig,
    InvalidThreadId,
    NotSerializable,
    ThreadNotFound,
    TransitionNotAllowed,
)
from scheduler.excess import StateTooLarge
from treadle.types import StateUpdate

from .configs import ODD_IDS
from .stage import DEEP, HUGE, LOOP, NOT_DICTS, NOT_SECONDS, NOT_TEXTS, NOT_WHOLE, RESTS, SURROGATE, Door, Odd, X


def update(graph: Any, value: Any) -> Any:
    return graph.update_state(RESTS, value, as_node="say")


def history(key: str) -> Callable[[Any, Any], Any]:
    return lambda graph, value: list(graph.get_state_history(RESTS, **{key: value}))


def listing(key: str) -> Callable[[Any, Any], Any]:
    return lambda graph, value: list(graph.checkpointer.list(RESTS, **{key: value}))


STATES = (
    Door("update_state", update, (True, 7, 1.5, "x", b"x", [1], Odd(), HUGE), InvalidUpdateError, "Expected dict, got"),
    Door(
        "update_state nested", lambda g, v: update(g, {"x": v}), (DEEP, LOOP), InvalidUpdateError, "nested too deeply"
    ),
    Door(
        "update_state value",
        lambda g, v: update(g, {"x": v}),
        (Odd(), open, SURROGATE, object),
        NotSerializable,
        "cannot be stored",
    ),
    Door("update_state large", lambda g, v: update(g, {"x": v}), ("x" * 2**25,), StateTooLarge, "takes"),
    Door(
        "update_state reducer", lambda g, v: update(g, {"said": v}), (7, "text"), InvalidUpdateError, "reducer failed"
    ),
    Door(
        "as_node",
        lambda g, v: g.update_state(RESTS, X, as_node=v),
        (*NOT_TEXTS, "", "nope", "a\0b", "__error__"),
        InvalidUpdateError,
        "does not exist; an update is as one of: say, ask",
    ),
    Door(
        "END",
        lambda g, v: g.update_state(RESTS, v, as_node="__end__"),
        (X, [], 7),
        InvalidUpdateError,
        "writes nothing",
    ),
    Door(
        "__input__", lambda g, v: g.update_state(RESTS, v, as_node="__input__"), (None,), InvalidUpdateError, "got None"
    ),
    Door(
        "__copy__",
        lambda g, v: g.update_state(RESTS, v, as_node="__copy__"),
        (7, "x", {"a": 1}, Odd()),
        InvalidUpdateError,
        "a list of StateUpdates",
    ),
    Door(
        "a copy's update",
        lambda g, v: g.update_state(RESTS, [v], as_node="__copy__"),
        (7, "x", (), Odd()),
        TypeError,
        "An update is a StateUpdate",
    ),
    Door("task_id", lambda g, v: g.update_state(RESTS, X, as_node="say", task_id=v), NOT_TEXTS, TypeError, "task_id"),
    Door("update_state config", lambda g, v: g.update_state(v, X), NOT_DICTS, InvalidConfig, "The config is a dict"),
    Door(
        "update_state thread", lambda g, v: g.update_state({"thread_id": v}, X), ODD_IDS, InvalidThreadId, "thread_id"
    ),
    Door("no supersteps", lambda g, v: g.bulk_update_state(RESTS, v), (None, [], ()), ValueError, "No supersteps"),
    Door(
        "supersteps",
        lambda g, v: g.bulk_update_state(RESTS, v),
        (True, 7, "x", b"x", {"a": 1}, [7], ["x"], Odd()),
        TypeError,
        "Supersteps are a list of lists of StateUpdate",
    ),
    Door(
        "superstep",
        lambda g, v: g.bulk_update_state(RESTS, v),
        ([[]], [[StateUpdate(X, "say")], []]),
        ValueError,
        "No updates provided",
    ),
    Door(
        "an update",
        lambda g, v: g.bulk_update_state(RESTS, [[v]]),
        (None, 7, "xyz", {"x": 1}, (), (X, "say", None, 1)),
        TypeError,
        "An update is a StateUpdate",
    ),
    Door(
        "a later update",
        lambda g, v: g.bulk_update_state(RESTS, [[StateUpdate(X, "say")], [StateUpdate(X, v)]]),
        (7, "nope", [], Odd()),
        InvalidUpdateError,
        "does not exist",
    ),
    Door(
        "several as one",
        lambda g, v: g.bulk_update_state(RESTS, [[StateUpdate(X, "say"), StateUpdate(None, v)]]),
        (None, "__end__", "__copy__", "__input__"),
        InvalidUpdateError,
        "each is as a node",
    ),
    Door("get_state", lambda g, v: g.get_state(v), NOT_DICTS, InvalidConfig, "The config is a dict"),
    Door("get_state thread", lambda g, v: g.get_state({"thread_id": v}), ODD_IDS, InvalidThreadId, "thread_id"),
    Door(
        "get_state checkpoint",
        lambda g, v: g.get_state({**RESTS, "checkpoint_id": v}),
        ("1-1",),
        CheckpointNotFound,
        "get_state_history() lists",
    ),
    Door(
        "update_state frame",
        lambda g, v: g.update_state({**RESTS, "checkpoint_ns": v}, X),
        ("nope:1", "say:x|y:z"),
        UnknownSubgraph,
        "graph",
    ),
    Door("history filter", history("filter"), NOT_DICTS, InvalidConfig, "The metadata to look for is a dict"),
    Door("history limit", history("limit"), (*NOT_WHOLE, -1, HUGE), InvalidConfig, "limit is a whole number"),
    Door("history before", history("before"), NOT_DICTS, InvalidConfig, "The config is a dict"),
    Door("list filter", listing("filter"), NOT_DICTS, InvalidConfig, "The metadata to look for is a dict"),
    Door("list limit", listing("limit"), (*NOT_WHOLE, -1, HUGE), InvalidConfig, "limit is a whole number"),
    Door("list before", listing("before"), NOT_DICTS, InvalidConfig, "The config is a dict"),
    Door("get_tuple", lambda g, v: g.checkpointer.get_tuple(v), NOT_DICTS, InvalidConfig, "The config is a dict"),
)

VERBS = ("create", "get", "find", "pending", "terminate", "mark_archived", "delete")
NOT_JSON = (SURROGATE, Odd(), {1, 2}, float("nan"), float("inf"), b"x", LOOP, DEEP, open)


def verb(name: str) -> Callable[[Any, Any], Any]:
    return lambda graph, value: getattr(graph.threads, name)(value)


THREADS = (
    *(Door(f"threads.{name}", verb(name), ODD_IDS, InvalidThreadId, "thread_id") for name in VERBS),
    *(
        Door(f"unknown {name}", verb(name), ("nobody", "*", "run:x"), ThreadNotFound, "There is no thread")
        for name in ("get", "terminate", "mark_archived")
    ),
    Door("create twice", verb("create"), ("rests",), TransitionNotAllowed, "cannot be created again"),
    Door("copy from", lambda g, v: g.threads.copy(v, "copy"), ODD_IDS, InvalidThreadId, "thread_id"),
    Door("copy to", lambda g, v: g.threads.copy("rests", v), ODD_IDS, InvalidThreadId, "thread_id"),
    Door(
        "copy over", lambda g, v: g.threads.copy("rests", v), ("waits", "rests"), TransitionNotAllowed, "created again"
    ),
    Door("copy nobody", lambda g, v: g.threads.copy(v, "copy"), ("nobody",), ThreadNotFound, "There is no thread"),
    Door(
        "metadata", lambda g, v: g.threads.create("new", metadata=v), NOT_DICTS, InvalidConfig, "A thread's metadata is"
    ),
    Door(
        "a metadata",
        lambda g, v: g.threads.create("new", metadata={"a": v}),
        NOT_JSON,
        InvalidConfig,
        "that JSON can hold",
    ),
    Door(
        "large metadata",
        lambda g, v: g.threads.create("new", metadata={"a": v}),
        ("x" * 2**21,),
        StateTooLarge,
        "TREADLE_MAX_METADATA_BYTES",
    ),
    Door(
        "timeout_s", lambda g, v: g.threads.create("new", timeout_s=v), NOT_SECONDS, InvalidConfig, "must be a positive"
    ),
    Door(
        "list status",
        lambda g, v: g.threads.list(status=v),
        (*NOT_TEXTS, "", "asleep"),
        InvalidConfig,
        "created, running",
    ),
    Door("list metadata", lambda g, v: g.threads.list(metadata=v), NOT_DICTS, InvalidConfig, "is a dict"),
    Door("list limit", lambda g, v: g.threads.list(limit=v), (*NOT_WHOLE, -1, HUGE), InvalidConfig, "limit is a whole"),
)

DOORS = (*STATES, *THREADS)
