"""Results of steps in a cache: the same input to the same node finds them, and nothing else does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypedDict

import pytest
from redis import Redis

from graphs.cache_policy import CachePolicy
from graphs.checkpoint import Result, Step
from graphs.commands import Send
from graphs.graph import Graph
from scheduler.errors import NotSerializable
from scheduler.serde import Serde
from tests.conftest import RealRedis
from treadle.cache.memory import InMemoryCache
from treadle.cache.redis import RedisCache
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import UnknownNode
from treadle.graph import START, CompiledStateGraph, StateGraph
from workers.caching import CachePlace, lookup, namespace_of, place_of, store
from workers.settings import WorkerSettings


@dataclass
class Point:
    x: int


Called = Callable[["State"], None]


class State(TypedDict, total=False):
    point: Point
    text: str


def first(state: State) -> None: ...


def second(state: State) -> None: ...


def compiled(
    cache: InMemoryCache | None = None,
    saver: BaseCheckpointSaver | None = None,
    name: str = "shop",
    node: Called = first,
) -> CompiledStateGraph:
    builder = StateGraph(State).add_node("a", node).add_node("b", node).add_edge(START, "a")
    return builder.compile(saver, cache=cache, name=name)


def graph_of(name: str = "shop", node: Called = first) -> Graph:
    return compiled(name=name, node=node).graph


def place(graph: Graph, node: str = "a", input: Any = 1, policy: CachePolicy | None = None) -> CachePlace:
    return place_of(graph, graph.node(node), policy or CachePolicy(), input)


@pytest.fixture
def cache() -> InMemoryCache:
    return InMemoryCache()


STEP = Step("s1", "a", ("__pregel_pull", "a"), ("branch:to:a",))
AGAIN = Step("s2", "a", ("__pregel_pull", "a"), ("branch:to:a",))


# What is kept


def test_a_kept_result_is_that_of_the_step_that_finds_it(cache: InMemoryCache) -> None:
    serde, where = Serde([Point]), place(graph_of())
    updates, goto = ({"point": Point(1)}, {"text": "two"}), ("b", Send("b", {"point": Point(2)}))

    store(cache, where, Result(STEP, updates, goto), serde)

    assert lookup(cache, where, AGAIN, serde) == Result(AGAIN, updates, goto, cached=True)


def test_a_result_that_wrote_nothing_is_found_too(cache: InMemoryCache) -> None:
    store(cache, place(graph_of()), Result(STEP), Serde())

    assert lookup(cache, place(graph_of()), AGAIN, Serde()) == Result(AGAIN, cached=True)


def test_what_was_never_kept_is_not_found(cache: InMemoryCache) -> None:
    assert lookup(cache, place(graph_of()), STEP, Serde()) is None


def test_a_result_expires_after_the_seconds_of_its_policy(cache: InMemoryCache) -> None:
    where = place(graph_of(), policy=CachePolicy(ttl=60))

    store(cache, replace(where, ttl_s=0), Result(STEP), Serde())

    assert where.ttl_s == 60
    assert lookup(cache, where, STEP, Serde()) is None


def test_a_result_that_cannot_be_stored_is_refused_by_the_name_of_its_node(cache: InMemoryCache) -> None:
    with pytest.raises(NotSerializable, match="node 'a'"):
        store(cache, place(graph_of()), Result(STEP, ({"text": object()},)), Serde())


# Where it is kept


def test_the_same_node_and_input_have_one_place_in_every_process() -> None:
    assert place(graph_of()) == place(graph_of())


def test_a_key_may_be_text_or_bytes() -> None:
    text, data = CachePolicy(lambda _: "key"), CachePolicy(lambda _: b"key")

    assert place(graph_of(), policy=text) == place(graph_of(), input=2, policy=data)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(place(graph_of(), input=2), id="another input"),
        pytest.param(place(graph_of(), node="b"), id="another node"),
        pytest.param(place(graph_of("market")), id="another graph"),
        pytest.param(place(graph_of(node=second)), id="another function"),
        pytest.param(place(graph_of(node=partial(second))), id="another function, half called"),
    ],
)
def test_what_is_not_the_same_has_another_place(other: CachePlace) -> None:
    assert other.key != place(graph_of()).key


def test_a_graph_of_another_shape_does_not_find_what_was_kept_before() -> None:
    builder = StateGraph(State).add_node("a", first).add_node("c", first).add_edge(START, "a")

    changed = builder.compile(name="shop").graph

    assert place(changed).key != place(graph_of()).key
    assert place(changed).key[0] == namespace_of(graph_of(), "a")  # so that clearing finds the old ones too


# Clearing it


def kept(cache: InMemoryCache) -> set[str]:
    """Return the nodes of the graph that have a result."""
    graph = graph_of()
    return {node for node in ("a", "b") if lookup(cache, place(graph, node), STEP, Serde())}


@pytest.fixture
def filled(cache: InMemoryCache) -> InMemoryCache:
    for graph in (graph_of(), graph_of("market")):
        for node in ("a", "b"):
            store(cache, place(graph, node), Result(STEP), Serde())
    return cache


def test_a_graph_clears_the_results_of_the_nodes_that_are_named(filled: InMemoryCache) -> None:
    compiled(filled).clear_cache(["a"])

    assert kept(filled) == {"b"}


def test_a_graph_clears_its_own_results_and_no_others(filled: InMemoryCache) -> None:
    compiled(filled).clear_cache()

    assert kept(filled) == set()
    assert lookup(filled, place(graph_of("market")), STEP, Serde()) is not None


def test_clearing_has_an_asynchronous_twin(filled: InMemoryCache) -> None:
    asyncio.run(compiled(filled).aclear_cache(["b"]))

    assert kept(filled) == {"a"}


def test_a_node_that_is_not_there_cannot_be_cleared(cache: InMemoryCache) -> None:
    with pytest.raises(UnknownNode, match="'c'"):
        compiled(cache).clear_cache(["c"])


@pytest.mark.parametrize("saver", [None, MemorySaver()])
def test_without_a_cache_there_is_nothing_to_clear(saver: MemorySaver | None) -> None:
    with pytest.raises(ValueError, match="No cache is set"):
        compiled(None, saver).clear_cache()


def test_a_graph_of_workers_without_a_cache_of_its_own_clears_theirs(real_redis: RealRedis) -> None:
    real_redis.flush()
    theirs = RedisCache(Redis.from_url(real_redis.url))
    theirs.set({(("shop", "a"), "1"): (1, None)})

    compiled(None, RedisSaver(real_redis.url)).clear_cache()

    assert theirs.get([(("shop", "a"), "1")]) == {}


# Where it is had from


def test_a_compiled_graph_keeps_its_cache_in_its_copies(cache: InMemoryCache) -> None:
    graph = compiled(cache)

    assert graph.cache is cache
    assert graph.with_config(tags=["x"]).cache is cache


CACHE = InMemoryCache()
with_cache = StateGraph(State).add_node("a", first).add_edge(START, "a").compile(cache=CACHE, name="with")
without = StateGraph(State).add_node("a", first).add_edge(START, "a").compile(name="without")


def test_a_process_knows_the_caches_that_its_graphs_were_compiled_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_GRAPHS", "tests.workers.test_caching:with_cache,tests.workers.test_caching:without")

    from tests.workers import test_caching as imported
    from workers.bootstrap import caches

    assert caches(WorkerSettings()) == {"with": imported.CACHE}
