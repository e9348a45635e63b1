"""The doors through which runs begin, and are followed."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from graphs.errors import GraphError, InvalidGraph, InvalidInput, InvalidUpdateError, UnknownKey, UnknownNode
from scheduler.errors import (
    AlreadyResumed,
    InvalidConfig,
    InvalidThreadId,
    NotSerializable,
    RunNotFound,
    UnknownInterruptError,
)
from scheduler.excess import StateTooLarge
from treadle.types import Command, Send

from .configs import NAMES, ODD_IDS
from .stage import (
    DEEP,
    HUGE,
    LOOP,
    NEW,
    NO_DURATIONS,
    NOT_LISTS,
    NOT_SECONDS,
    NOT_TEXTS,
    SURROGATE,
    WAITS,
    Door,
    Odd,
    X,
)

Invoke = Callable[[Any, Any], Any]


def option(key: str) -> Invoke:
    return lambda graph, value: graph.invoke(X, NEW, **{key: value})


def streaming(key: str) -> Invoke:
    return lambda graph, value: list(graph.stream(X, NEW, **{key: value}))


def goto(graph: Any, value: Any) -> Any:
    return graph.invoke(Command(goto=value), NEW)


def goto_waiting(graph: Any, value: Any) -> Any:
    return graph.invoke(Command(goto=value), WAITS)


def handle(graph: Any) -> Any:
    return graph.run_handle("rests", graph.checkpointer.client.runs.recent("rests")[0].id)


INPUTS = (
    Door(
        "input",
        lambda g, v: g.invoke(v, NEW),
        (True, 7, 1.5, "x", b"x", [], [1], (), Odd(), open, HUGE, uuid4()),
        InvalidInput,
        "The input must be a dict with keys of State",
    ),
    Door(
        "unknown keys",
        lambda g, v: g.invoke(v, NEW),
        ({"nope": 1}, {1: 2}, {None: 1}, {SURROGATE: 1}, {HUGE: 1}),
        InvalidInput,
        "none of the keys of State",
    ),
    Door(
        "nested input",
        lambda g, v: g.invoke({"x": v}, NEW),
        (DEEP, LOOP, {"a": LOOP}),
        InvalidUpdateError,
        "nested too deeply, or holds itself",
    ),
    Door(
        "value",
        lambda g, v: g.invoke({"x": v}, NEW),
        (Odd(), open, SURROGATE, [SURROGATE], {"a": Odd()}, object),
        NotSerializable,
        "State key 'x' holds a",
    ),
    Door(
        "large value",
        lambda g, v: g.invoke({"x": v}, NEW),
        ("x" * 2**25, ["y" * 2**13] * 2**12),
        StateTooLarge,
        "State key 'x' takes",
    ),
    Door(
        "reducer",
        lambda g, v: g.invoke({"said": v}, NEW),
        (7, "text", {"a": 1}, None),
        InvalidUpdateError,
        "At key 'said': the reducer failed",
    ),
    Door("submit", lambda g, v: g.submit(v, NEW), (True, 7, "x", [1], Odd()), InvalidInput, "must be a dict"),
    Door("stream", lambda g, v: list(g.stream(v, NEW)), (True, 7, "x", [1], Odd()), InvalidInput, "must be a dict"),
    Door(
        "batch",
        lambda g, v: g.batch(v, NEW),
        (None, True, 7, "x", b"x", {"x": 1}, Odd()),
        InvalidInput,
        "A batch takes a list of inputs",
    ),
    Door(
        "batch configs",
        lambda g, v: g.batch([X], v),
        (True, 7, "x", [], [NEW, NEW], Odd()),
        InvalidConfig,
        "A batch takes one config, or one for each input",
    ),
    Door(
        "batch config", lambda g, v: g.batch([X, X], [NEW, v]), (True, 7, "x", {"nope": 1}), InvalidConfig, "The config"
    ),
    Door("context", option("context"), (Odd(), open, LOOP, SURROGATE), NotSerializable, "config or context holds a"),
)

OPTIONS = (
    Door(
        "unknown option",
        lambda g, v: g.invoke(X, NEW, **{v: 1}),
        ("bogus", "thread_id", "stream"),
        InvalidConfig,
        "Unknown options",
    ),
    Door("option timeout", option("timeout"), NOT_SECONDS, InvalidConfig, "'timeout' must be a positive float"),
    Door("option interrupt_before", option("interrupt_before"), NAMES, InvalidConfig, "is a list of node names"),
    Door("option on_busy", option("on_busy"), (*NOT_TEXTS, "never"), InvalidConfig, "on_busy is"),
    Door("option durability", option("durability"), (*NOT_TEXTS, "never"), InvalidConfig, "durability is"),
    Door("version", option("version"), (None, *NOT_TEXTS, "", "v3"), InvalidConfig, "version is 'v1' or 'v2'"),
    Door("control", option("control"), (True, 0, "", "x", [], {}, Odd()), InvalidConfig, "control is a RunControl"),
    Door(
        "output_keys",
        option("output_keys"),
        (*NOT_LISTS, SURROGATE, "nope", ["x", 7], ["nope"], [Odd()]),
        UnknownKey,
        "said, x",
    ),
    Door("stream output_keys", streaming("output_keys"), (*NOT_LISTS, "nope", ["x", 7]), UnknownKey, "said, x"),
    Door("stream_mode", option("stream_mode"), NOT_LISTS, InvalidConfig, "stream_mode is one of values"),
    Door("a stream mode", streaming("stream_mode"), ([7], [None], ["values", b"x"]), InvalidConfig, "A stream mode is"),
    Door("stream version", streaming("version"), (None, 2, "v3"), InvalidConfig, "version is 'v1' or 'v2'"),
    Door("step_timeout", lambda g, v: stepping(g, v), NO_DURATIONS, InvalidGraph, "step_timeout must be a positive"),
    Door("xray", lambda g, v: g.get_graph(xray=v), (None, 1.5, "x", [], Odd()), InvalidGraph, "xray is True, False"),
    Door("clear_cache", lambda g, v: g.clear_cache(v), (None, ["say"]), ValueError, "No cache is set"),
)


def stepping(graph: Any, value: Any) -> Any:
    limited = graph.copy()
    limited.step_timeout = value
    return limited.invoke(X, NEW)


COMMANDS = (
    Door("goto", goto, (None, *NOT_LISTS), InvalidUpdateError, "A Command's goto is a node's name, a Send, or a list"),
    Door(
        "a goto", goto, ([7], ["say", None], [Odd()], [["say"]]), InvalidUpdateError, "Expected a node's name or a Send"
    ),
    Door("unknown goto", goto, ("", "nope", ["say", "nope"], "a\0b", SURROGATE), UnknownNode, "has no node"),
    Door("unknown goto beside a question", goto_waiting, ("", "nope", ["say", "nope"]), UnknownNode, "has no node"),
    Door(
        "unknown Send",
        goto,
        (Send("nope", 1), [Send("", 1)], [Send("say", X), Send(SURROGATE, 1)]),
        UnknownNode,
        "has no node",
    ),
    Door(
        "Send node",
        lambda g, v: goto(g, [Send(v, X)]),
        (None, 7, b"x", [], Odd()),
        InvalidGraph,
        "A node's name must be a string",
    ),
    Door("Send to END", goto, ([Send("__end__", 1)],), InvalidUpdateError, "END has no state"),
    Door(
        "Send arg",
        lambda g, v: goto(g, [Send("say", v)]),
        (Odd(), open, SURROGATE),
        NotSerializable,
        "cannot be stored",
    ),
    Door(
        "nested Send arg", lambda g, v: goto(g, [Send("say", v)]), (DEEP, LOOP), InvalidUpdateError, "nested too deeply"
    ),
    Door("large Send arg", lambda g, v: goto(g, [Send("say", v)]), ("x" * 2**25,), StateTooLarge, "takes"),
    Door(
        "Send timeout", lambda g, v: Send("say", 1, timeout=v), NO_DURATIONS, InvalidGraph, "must be a positive number"
    ),
    Door(
        "update",
        lambda g, v: g.invoke(Command(update=v), WAITS),
        (True, 7, "x", b"x", [1], Odd()),
        InvalidUpdateError,
        "Expected dict, got",
    ),
    Door(
        "update value",
        lambda g, v: g.invoke(Command(update={"x": v}), WAITS),
        (Odd(), open, SURROGATE),
        NotSerializable,
        "State key 'x' holds a",
    ),
    Door(
        "answer",
        lambda g, v: g.invoke(Command(resume=v), WAITS),
        (Odd(), open, SURROGATE, DEEP, LOOP),
        NotSerializable,
        "The answer to question",
    ),
    Door("large answer", lambda g, v: g.invoke(Command(resume=v), WAITS), ("x" * 2**25,), StateTooLarge, "The answer"),
    Door(
        "answer to nobody",
        lambda g, v: g.invoke(Command(resume={v: 1}), WAITS),
        ("0" * 32, "f" * 32),
        AlreadyResumed,
        "does not wait for an answer",
    ),
    Door(
        "strict answer",
        lambda g, v: g.invoke(Command(resume=v), {**WAITS, "strict_resume": True}),
        ({}, {"0" * 32: 1}),
        UnknownInterruptError,
        "was not resumed",
    ),
    Door(
        "parent",
        lambda g, v: g.invoke(Command(graph=v, update=X), WAITS),
        ("__parent__", "nope", 7, [], Odd()),
        GraphError,
        "graph",
    ),
)

HANDLES = (
    Door("run_handle thread", lambda g, v: g.run_handle(v, "x"), ODD_IDS, InvalidThreadId, "thread_id"),
    Door("run_handle run", lambda g, v: g.run_handle("rests", v), (None, *NOT_TEXTS), InvalidConfig, "A run's id is a"),
    Door(
        "unknown run",
        lambda g, v: g.run_handle("rests", v).status,
        ("", "x", "a:b", "a\0b", "{p1}"),
        RunNotFound,
        "has no run",
    ),
    Door(
        "wait",
        lambda g, v: handle(g).wait(v),
        (*NOT_SECONDS[:9], -1, -0.5, HUGE, 1e300),
        InvalidConfig,
        "A timeout is a number of seconds",
    ),
    Door("result", lambda g, v: handle(g).result(v), (*NOT_SECONDS[:9], -1), InvalidConfig, "A timeout is a number"),
    Door(
        "after",
        lambda g, v: list(handle(g).stream(after=v)),
        (*NOT_TEXTS, "", "x", "1", "1-", "-1", "9" * 20 + "-1"),
        InvalidConfig,
        "is not the id of a part",
    ),
    Door(
        "handle stream_mode", lambda g, v: list(handle(g).stream(v)), NOT_LISTS, InvalidConfig, "stream_mode is one of"
    ),
    Door(
        "cancel",
        lambda g, v: handle(g).cancel(v),
        (None, True, 7, b"x", [], Odd()),
        InvalidConfig,
        "The reason is a str",
    ),
    Door("drain", lambda g, v: handle(g).drain(v), (None, *NOT_TEXTS), InvalidConfig, "The reason is a"),
)

DOORS = (*INPUTS, *OPTIONS, *COMMANDS, *HANDLES)
