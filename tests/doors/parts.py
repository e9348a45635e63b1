"""The doors through which graphs are built, and what stands beside them: memory and cache."""

# mypy: disable-error-code="arg-type,call-arg,misc"
# Values of the wrong types are what all of this is about.

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from graphs.errors import GraphError, InvalidGraph, InvalidNamespaceError, InvalidQuestion
from graphs.interrupts import deadline_of
from scheduler.errors import NotSerializable
from scheduler.excess import StateTooLarge
from treadle.checkpoint.memory import MemorySaver
from treadle.func import entrypoint, task
from treadle.graph import START, StateGraph
from treadle.store.base import ListNamespacesOp, MatchCondition
from treadle.store.memory import InMemoryStore
from treadle.types import CachePolicy, RetryPolicy, TimeoutPolicy

from .stage import (
    DEEP,
    HUGE,
    LOOP,
    NO_DURATIONS,
    NOT_DICTS,
    NOT_LISTS,
    NOT_NUMBERS,
    NOT_SECONDS,
    NOT_TEXTS,
    NOT_WHOLE,
    SURROGATE,
    Door,
    Odd,
    State,
    say,
)

N = ("n",)
OTHER: tuple[Any, ...] = (True, 7, 1.5, b"x", Odd(), HUGE)


def put(**given: Any) -> Callable[[Any, Any], Any]:
    (name,) = given
    return lambda store, value: store.put(**{"namespace": N, "key": "k", "value": {"a": 1}} | {name: value})


LABELS: tuple[Any, ...] = ("", "a.b", "a\0b", SURROGATE, 7, None, b"x", Odd())
NAMESPACES: tuple[Any, ...] = (None, *OTHER, "x", {"a"}, {"a": 1}, *((label,) for label in LABELS), ("a", ""))

MEMORY = (
    Door("put namespace", put(namespace=0), (*NAMESPACES, ()), InvalidNamespaceError, "amespace"),
    Door("put reserved", put(namespace=0), (("treadle", "x"), ("langgraph",)), InvalidNamespaceError, "reserved label"),
    Door("get namespace", lambda s, v: s.get(v, "k"), (*NAMESPACES, ()), InvalidNamespaceError, "amespace"),
    Door("delete namespace", lambda s, v: s.delete(v, "k"), (*NAMESPACES, ()), InvalidNamespaceError, "amespace"),
    Door("search namespace", lambda s, v: s.search(v), NAMESPACES, InvalidNamespaceError, "amespace"),
    Door("prefix", lambda s, v: s.list_namespaces(prefix=v), NAMESPACES[1:], InvalidNamespaceError, "amespace"),
    Door("suffix", lambda s, v: s.list_namespaces(suffix=v), NAMESPACES[1:], InvalidNamespaceError, "amespace"),
    Door("match path", lambda s, v: MatchCondition("prefix", v), NAMESPACES, InvalidNamespaceError, "amespace"),
    Door("match type", lambda s, v: MatchCondition(v, N), (None, *OTHER, "x"), ValueError, "pass 'prefix' or 'suffix'"),
    Door("long namespace", put(namespace=0), (("x" * 5000,), ("x",) * 3000), ValueError, "names"),
    Door("put key", put(key=0), (None, *OTHER, [], {}), TypeError, "pass a str"),
    Door("put odd key", put(key=0), ("", SURROGATE), ValueError, "cannot be stored"),
    Door("put long key", put(key=0), ("x" * 5000,), ValueError, "names, and what is long goes into the value"),
    Door("get key", lambda s, v: s.get(N, v), (None, *OTHER), TypeError, "pass a str"),
    Door("put value", put(value=0), (*OTHER, "x", [], (("a", 1),)), TypeError, "pass a dict"),
    Door(
        "put odd value",
        put(value=0),
        ({"a": Odd()}, {"a": SURROGATE}, {"a": DEEP}, {"a": LOOP}, {"a": open}),
        NotSerializable,
        "cannot be stored",
    ),
    Door("put large value", put(value=0), ({"a": "x" * 2**25},), StateTooLarge, "Item 'k' in ('n',) takes"),
    Door("ttl", put(ttl=0), NOT_SECONDS, ValueError, "pass minutes above 0"),
    Door(
        "index", put(index=0), (True, 7, "x", b"x", {"a": 1}, [7], Odd()), TypeError, "index is None, False or a list"
    ),
    Door(
        "filter", lambda s, v: s.search(N, filter=v), (True, 7, "x", [], Odd()), TypeError, "The filter of a search is"
    ),
    Door(
        "filter keys",
        lambda s, v: s.search(N, filter=v),
        ({1: 2}, {"a": {1: 2}}, {"a": {None: 1}}),
        TypeError,
        "The keys of a filter are strings",
    ),
    Door(
        "operators",
        lambda s, v: s.search(N, filter=v),
        ({"a": {"$in": 1}}, {"$x": 1}, {"a": {"$gt": 1, "b": 2}}),
        ValueError,
        "has no operator",
    ),
    Door("query", lambda s, v: s.search(N, query=v), (True, 7, b"x", [], Odd()), TypeError, "The query of a search"),
    *(
        Door(
            f"search {name}",
            lambda s, v, name=name: s.search(N, **{name: v}),
            (None, *NOT_WHOLE, -1, HUGE),
            ValueError,
            f"{name} is a whole number",
        )
        for name in ("limit", "offset")
    ),
    *(
        Door(
            f"list {name}",
            lambda s, v, name=name: s.list_namespaces(**{name: v}),
            (*NOT_WHOLE, -1, -HUGE),
            ValueError,
            f"{name} is a whole number",
        )
        for name in ("limit", "offset", "max_depth")
    ),
    Door("max_depth", lambda s, v: ListNamespacesOp(max_depth=v), (0,), ValueError, "of 1 or more"),
    Door("op", lambda s, v: s.batch([v]), (None, *OTHER, "x", ("n",)), TypeError, "pass GetOp, PutOp"),
    Door(
        "index", lambda s, v: InMemoryStore(index=v), (*OTHER, "x", True), TypeError, "The index of a store is a dict"
    ),
    Door("ttl", lambda s, v: InMemoryStore(ttl=v), (*OTHER, "x", True), TypeError, "The ttl of a store is a dict"),
    Door(
        "ttl option",
        lambda s, v: InMemoryStore(ttl=v),
        ({"x": 1}, {"default": 5}),
        ValueError,
        "The ttl of a store has default_ttl, refresh_on_read, sweep_interval_minutes",
    ),
    *(
        Door(
            f"ttl {name}",
            lambda s, v, name=name: InMemoryStore(ttl={name: v}),
            (True, "x", 0, -1, float("nan"), float("inf"), 1e10),
            ValueError,
            f"ttl['{name}'] is minutes above 0",
        )
        for name in ("default_ttl", "sweep_interval_minutes")
    ),
    Door(
        "refresh on read",
        lambda s, v: InMemoryStore(ttl={"refresh_on_read": v}),
        (None, 1, "x"),
        TypeError,
        "ttl['refresh_on_read'] is True or False",
    ),
    Door(
        "index option",
        lambda s, v: InMemoryStore(index=v),
        ({}, {"dims": 3}, {"embed": len}, {"dims": 3, "embed": len, "x": 1}),
        ValueError,
        "The index of a store has dims, embed, fields",
    ),
    Door(
        "dims",
        lambda s, v: InMemoryStore(index={"dims": v, "embed": len}),
        (*NOT_WHOLE, 0, -1, HUGE),
        ValueError,
        "index['dims'] is a whole number from 1",
    ),
    Door(
        "embed",
        lambda s, v: InMemoryStore(index={"dims": 3, "embed": v}),
        (*OTHER, "x"),
        TypeError,
        "index['embed'] is",
    ),
    Door(
        "fields",
        lambda s, v: InMemoryStore(index={"dims": 3, "embed": len, "fields": v}),
        (*OTHER, "x", [1]),
        TypeError,
        "index['fields'] is a list of field names",
    ),
    Door(
        "field",
        lambda s, v: InMemoryStore(index={"dims": 3, "embed": len, "fields": [v]}),
        ("", ".", "a.", ".a", "a..b", "a[", "a[x]", "a.[0]", "a{b}", "{}"),
        ValueError,
        "is no field of an item",
    ),
)

PLACE = (N, "k")
CACHE = (
    Door(
        "get",
        lambda c, v: c.get(v),
        (None, *OTHER, "x", {"a": 1}),
        TypeError,
        "The keys to get from the cache are a list",
    ),
    Door(
        "get key", lambda c, v: c.get([v]), (None, *OTHER, "xy", ("n",), [N, "k"]), TypeError, "A key of the cache is"
    ),
    Door(
        "get namespace", lambda c, v: c.get([(v, "k")]), (None, *OTHER, "x"), TypeError, "A namespace of the cache is"
    ),
    Door("get text", lambda c, v: c.get([(N, v)]), (None, *NOT_TEXTS), TypeError, "The key of a cache entry is a"),
    Door("set", lambda c, v: c.set(v), (None, *OTHER, "x", []), TypeError, "The cache keeps a dict"),
    Door(
        "set pair", lambda c, v: c.set({PLACE: v}), (None, *OTHER, "xy", (), (1,), (1, 2, 3)), TypeError, "(value, ttl)"
    ),
    Door(
        "set value",
        lambda c, v: c.set({(N, "a"): (1, None), PLACE: (v, None)}),
        (Odd(), open, SURROGATE, LOOP),
        NotSerializable,
        "Cache entry (('n',), 'k') holds a",
    ),
    Door(
        "set ttl",
        lambda c, v: c.set({(N, "a"): (1, None), PLACE: (1, v)}),
        (*NOT_SECONDS[:9], -1, HUGE),
        ValueError,
        "The time to live of a cache entry",
    ),
    Door(
        "set label",
        lambda c, v: c.set({((v,), "k"): (1, None)}),
        (None, True, 7, b"x", (), SURROGATE),
        TypeError,
        "A label of a cache's namespace",
    ),
    Door("clear", lambda c, v: c.clear(v), (*OTHER, "x", {"a": 1}), TypeError, "The namespaces of the cache to clear"),
    Door("clear one", lambda c, v: c.clear([v]), (None, *OTHER, "x"), TypeError, "A namespace of the cache is"),
)


def built(**options: Any) -> Any:
    return StateGraph(State).add_node("n", say, **options).add_edge(START, "n").compile(MemorySaver())


def compiled(**options: Any) -> Any:
    return StateGraph(State).add_node("n", say).add_edge(START, "n").compile(**options)


def one() -> StateGraph:
    return StateGraph(State).add_node("n", say)


NOT_NAMES: tuple[Any, ...] = (None, *OTHER, [], {"n": 1})
UNUSABLE = (
    "",
    "x" * 129,
    "a:b",
    "a|b",
    "a\nb",
    "a\0b",
    "\u202e",
    SURROGATE,
    "__start__",
    "__end__",
    "__error_handler__n",
)

BUILDING = (
    Door("node name", lambda _, v: StateGraph(State).add_node(v, say), NOT_NAMES, InvalidGraph, "must be a string"),
    Door("unusable name", lambda _, v: StateGraph(State).add_node(v, say), UNUSABLE, InvalidGraph, "ode"),
    Door("name twice", lambda _, v: one().add_node(v, say), ("n",), InvalidGraph, "is already there"),
    Door(
        "action",
        lambda _, v: StateGraph(State).add_node("n", v),
        (*OTHER, "x", {}, [say]),
        InvalidGraph,
        "Expected a func",
    ),
    Door(
        "arguments",
        lambda _, v: StateGraph(State).add_node("n", v),
        (lambda: 1, lambda s, extra: 1),
        InvalidGraph,
        "cannot be called as function(state)",
    ),
    Door(
        "graph name",
        lambda _, v: compiled(name=v),
        (*OTHER, "", "a b", "a:b", "a/b", "x" * 129, SURROGATE),
        InvalidGraph,
        "A graph's name has 1 to 128 letters",
    ),
    Door("edge from", lambda _, v: one().add_edge(v, "n"), (*OTHER, {"n": 1}, [7]), InvalidGraph, "ame"),
    Door("edge to", lambda _, v: one().add_edge("n", v), NOT_NAMES, InvalidGraph, "must be a string"),
    Door("edge to START", lambda _, v: one().add_edge("n", v), ("__start__",), InvalidGraph, "START cannot be an end"),
    Door("edge from END", lambda _, v: one().add_edge(v, "n"), ("__end__", ["__end__"]), InvalidGraph, "END cannot be"),
    Door(
        "dangling",
        lambda _, v: one().add_edge(START, v).compile(),
        ("nope", "", SURROGATE),
        InvalidGraph,
        "unknown node",
    ),
    Door("no entry", lambda _, v: one().compile(v), (None,), InvalidGraph, "must have an entrypoint"),
    Door("join", lambda _, v: one().add_edge(v, "n"), ([], ["n", "nope"]), InvalidGraph, "a"),
    Door(
        "router",
        lambda _, v: one().add_conditional_edges("n", v),
        (None, *OTHER, "x"),
        InvalidGraph,
        "Expected a function",
    ),
    Door(
        "router source", lambda _, v: one().add_conditional_edges(v, say), NOT_NAMES, InvalidGraph, "must be a string"
    ),
    Door(
        "path_map",
        lambda _, v: one().add_conditional_edges("n", say, v),
        (*OTHER, "n", {"a"}),
        InvalidGraph,
        "A path_map is a dict of answers and nodes",
    ),
    Door(
        "path_map end", lambda _, v: one().add_conditional_edges("n", say, {"a": v}), NOT_NAMES, InvalidGraph, "string"
    ),
    Door("state", lambda _, v: StateGraph(v), (None, *OTHER, "x", {}), InvalidGraph, "Expected a state class"),
    Door(
        "input_schema",
        lambda _, v: StateGraph(State, input_schema=v),
        (*OTHER, "x", {}),
        InvalidGraph,
        "Expected a state",
    ),
    Door(
        "context_schema",
        lambda _, v: StateGraph(State, v),
        (*OTHER, "x", {}),
        InvalidGraph,
        "The context_schema is a class",
    ),
    Door(
        "sequence",
        lambda _, v: StateGraph(State).add_sequence(v),
        (None, *OTHER, "x", {}),
        InvalidGraph,
        "A sequence is",
    ),
    Door("empty sequence", lambda _, v: StateGraph(State).add_sequence(v), ([], ()), InvalidGraph, "at least one node"),
    Door(
        "sequence pair",
        lambda _, v: StateGraph(State).add_sequence([v]),
        ((), ("n",), ("n", say, 1)),
        InvalidGraph,
        "A sequence's tuples are",
    ),
    Door("node option", lambda _, v: built(**{v: 1}), ("bogus", "retries"), InvalidGraph, "does not know"),
    Door(
        "node timeout",
        lambda _, v: built(timeout=v),
        NO_DURATIONS,
        InvalidGraph,
        "timeout of node 'n' must be a positive",
    ),
    Door(
        "retry_policy",
        lambda _, v: built(retry_policy=v),
        (*OTHER, "x", [7], {}),
        InvalidGraph,
        "retry takes a RetryPolicy",
    ),
    Door("cache_policy", lambda _, v: built(cache_policy=v), (*OTHER, "x", {}), InvalidGraph, "must be a CachePolicy"),
    Door(
        "queue",
        lambda _, v: built(queue=v),
        (*OTHER, "", "a b", "a,b", "a\0b", "\x06\x16", "x" * 129),
        InvalidGraph,
        "The queue of node 'n' is a name",
    ),
    Door(
        "rate_limit",
        lambda _, v: built(rate_limit=v),
        (True, b"x", Odd(), HUGE, -7, 0, 1e-10, "", "x", "10/d", "-1/s", "0/s", "nan"),
        InvalidGraph,
        "like '10/s'",
    ),
    Door(
        "compile max_concurrency",
        lambda _, v: compiled(max_concurrency=v),
        (0, -7, 2.5, "x", {}, {"graph": 0}, {"a": 1, "b": 1}, {7: 1}, {"tenant": True}),
        InvalidGraph,
        "max_concurrency",
    ),
    Door(
        "node metadata", lambda _, v: built(metadata=v), NOT_DICTS, InvalidGraph, "The metadata of node 'n' is a dict"
    ),
    Door(
        "destinations",
        lambda _, v: built(destinations=v),
        NOT_LISTS[:4],
        InvalidGraph,
        "The destinations of a node are",
    ),
    Door("error_handler", lambda _, v: built(error_handler=v), (*OTHER, "x"), InvalidGraph, "Expected a function"),
    Door("node input", lambda _, v: built(input_schema=v), (*OTHER, "x", {}), InvalidGraph, "Expected a state class"),
    Door(
        "checkpointer",
        lambda _, v: compiled(checkpointer=v),
        (7, "redis://x", {}, Odd(), MemorySaver),
        TypeError,
        "Invalid checkpointer provided",
    ),
    Door(
        "store", lambda _, v: compiled(store=v), (*OTHER, "x", {}, InMemoryStore), TypeError, "Invalid store provided"
    ),
    Door("cache", lambda _, v: compiled(cache=v), (*OTHER, "x", {}), TypeError, "Invalid cache provided"),
    Door(
        "breakpoint",
        lambda _, v: compiled(interrupt_before=v),
        (*OTHER, {"n": 1}, [7], "nope", ["n", "x"]),
        InvalidGraph,
        "ode",
    ),
    Door(
        "defaults",
        lambda _, v: StateGraph(State).set_node_defaults(**{v: 1}),
        ("bogus", "queue"),
        InvalidGraph,
        "not know",
    ),
    Door(
        "default timeout",
        lambda _, v: StateGraph(State).set_node_defaults(timeout=v),
        NO_DURATIONS,
        InvalidGraph,
        "positive",
    ),
    *(
        Door(
            f"RetryPolicy {name}",
            lambda _, v, name=name: RetryPolicy(**{name: v}),
            (None, *NOT_SECONDS[:9], -1, HUGE),
            InvalidGraph,
            f"The {name} of a RetryPolicy",
        )
        for name in ("initial_interval", "backoff_factor", "max_interval")
    ),
    Door(
        "max_attempts", lambda _, v: RetryPolicy(max_attempts=v), (None, *NOT_WHOLE, -1), InvalidGraph, "max_attempts"
    ),
    Door(
        "retry_on",
        lambda _, v: RetryPolicy(retry_on=v),
        (None, *OTHER, "x", [7], int, {}),
        InvalidGraph,
        "The retry_on of",
    ),
    Door("CachePolicy ttl", lambda _, v: CachePolicy(ttl=v), NOT_SECONDS, InvalidGraph, "The ttl of a CachePolicy"),
    Door("key_func", lambda _, v: CachePolicy(key_func=v), (None, *OTHER, "x"), InvalidGraph, "The key_func of"),
    Door("run_timeout", lambda _, v: TimeoutPolicy(run_timeout=v), NO_DURATIONS, InvalidGraph, "run_timeout must be"),
    Door(
        "deadline",
        lambda _, v: deadline_of(v, "no"),
        (*NOT_NUMBERS, 1e300, HUGE, timedelta.max, datetime(2030, 1, 1)),
        InvalidQuestion,
        "eadline",
    ),
    Door(
        "refresh_on",
        lambda _, v: TimeoutPolicy(refresh_on=v),
        (None, *OTHER, [], "x"),
        InvalidGraph,
        "'auto' or 'heartbeat'",
    ),
    Door("entrypoint", lambda _, v: entrypoint(MemorySaver())(v), (None, *OTHER, "x", lambda: 1), InvalidGraph, ""),
    Door("entrypoint option", lambda _, v: entrypoint(**{v: 1})(say), ("bogus",), InvalidGraph, "does not know bogus"),
    Door("entrypoint store", lambda _, v: entrypoint(store=v)(say), (*OTHER, "x"), TypeError, "Invalid store provided"),
    Door("task", lambda _, v: task(v), (True, 7, "x", b"x", Odd()), GraphError, "Expected a function"),
    Door("task name", lambda _, v: task(name=v)(say), (*OTHER, [], {}, "", "a:b", "__start__"), InvalidGraph, "ode"),
    Door("task timeout", lambda _, v: task(timeout=v)(say), NO_DURATIONS, InvalidGraph, "timeout of task 'say'"),
)
