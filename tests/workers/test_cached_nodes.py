"""Nodes with a cache policy: a run of any thread finds what another one has kept, and does not call them."""

import operator
from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import pytest

from graphs.cache import FullKey
from treadle.cache.memory import InMemoryCache
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import CachePolicy, Command, RetryPolicy


class State(TypedDict, total=False):
    word: str
    said: Annotated[list[str], operator.add]


class Spy(InMemoryCache):
    """A cache that tells for how long it was asked to keep what it got."""

    def __init__(self) -> None:
        super().__init__()
        self.ttls: list[int | None] = []

    def set(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        self.ttls += [ttl_s for _, ttl_s in pairs.values()]
        super().set(pairs)


class Node:
    """A node that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, state: State) -> dict[str, Any]:
        self.calls += 1
        return {"said": [state["word"]]}


@pytest.fixture
def cache() -> Spy:
    return Spy()


@pytest.fixture
def node() -> Node:
    return Node()


def graph_of(
    saver: BaseCheckpointSaver | bool | None, cache: Spy | None, node: Any, policy: CachePolicy | None = None
) -> CompiledStateGraph:
    builder = StateGraph(State)
    builder.add_node("node", node, cache_policy=policy or CachePolicy())
    return builder.add_edge(START, "node").compile(saver, cache=cache, name="echo")


def said(graph: CompiledStateGraph, thread_id: str, word: str = "hi") -> Any:
    return graph.invoke({"word": word}, {"thread_id": thread_id})["said"]


def test_a_result_is_shared_by_threads_and_runs(saver: BaseCheckpointSaver, cache: Spy, node: Node) -> None:
    graph = graph_of(saver, cache, node, CachePolicy(key_func=lambda state: state["word"]))

    first, second, again = said(graph, "t1"), said(graph, "t2"), said(graph, "t1")

    assert (first, second, again) == (["hi"], ["hi"], ["hi", "hi"])
    assert node.calls == 1


def test_another_input_has_another_result(saver: BaseCheckpointSaver, cache: Spy, node: Node) -> None:
    graph = graph_of(saver, cache, node)

    assert (said(graph, "t1", "hi"), said(graph, "t2", "ho")) == (["hi"], ["ho"])
    assert node.calls == 2


def test_the_policy_says_what_makes_inputs_equal_and_how_long_a_result_lives(
    saver: BaseCheckpointSaver, cache: Spy, node: Node
) -> None:
    graph = graph_of(saver, cache, node, CachePolicy(key_func=lambda state: state["word"].lower(), ttl=60))

    assert (said(graph, "t1", "HI"), said(graph, "t2", "hi")) == (["HI"], ["HI"])
    assert (node.calls, cache.ttls) == (1, [60])


def test_a_key_function_that_fails_is_its_nodes_failure(saver: BaseCheckpointSaver, cache: Spy, node: Node) -> None:
    graph = graph_of(saver, cache, node, CachePolicy(key_func=lambda state: state["missing"]))

    with pytest.raises(KeyError, match="missing"):
        said(graph, "t")

    assert node.calls == 0


def test_after_clearing_the_node_is_called_again(saver: BaseCheckpointSaver, cache: Spy, node: Node) -> None:
    graph = graph_of(saver, cache, node)
    said(graph, "t1")

    graph.clear_cache()

    assert said(graph, "t2") == ["hi"]
    assert node.calls == 2


@pytest.mark.parametrize("with_cache", [False, True])
def test_without_a_cache_or_without_a_policy_nothing_is_kept(
    saver: BaseCheckpointSaver, cache: Spy, node: Node, with_cache: bool
) -> None:
    builder = StateGraph(State).add_node("node", node, cache_policy=None if with_cache else CachePolicy())
    graph = builder.add_edge(START, "node").compile(saver, cache=cache if with_cache else None)

    said(graph, "t1")
    said(graph, "t2")

    assert node.calls == 2


def test_a_kept_result_is_shown_as_such_and_its_task_has_a_start_alone(
    saver: BaseCheckpointSaver, cache: Spy, node: Node
) -> None:
    builder = StateGraph(State).add_node("node", node, cache_policy=CachePolicy()).add_edge(START, "node")
    builder.add_node("side", lambda state: None).add_edge(START, "side")
    graph = builder.compile(saver, cache=cache)
    said(graph, "t1")

    chunks = list(graph.stream({"word": "hi"}, {"thread_id": "t2"}, stream_mode=["updates", "tasks"]))

    updates = [data for mode, data in chunks if mode == "updates" and "node" in data]
    tasks = [data for mode, data in chunks if mode == "tasks" and data["name"] == "node"]
    assert updates == [{"node": {"said": ["hi"]}, "__metadata__": {"cached": True}}]
    assert ["input" in task for task in tasks] == [True]


def test_the_only_step_of_a_superstep_is_shown_as_kept_too(saver: BaseCheckpointSaver, cache: Spy, node: Node) -> None:
    graph = graph_of(saver, cache, node)

    first, second = (list(graph.stream({"word": "hi"}, {"thread_id": thread})) for thread in ("t1", "t2"))

    assert first == [{"node": {"said": ["hi"]}}]
    assert second == [{"node": {"said": ["hi"]}, "__metadata__": {"cached": True}}]


def test_where_a_kept_command_went_the_run_goes_again(saver: BaseCheckpointSaver, cache: Spy, node: Node) -> None:
    def routes(state: State) -> Command:
        return Command(update=node(state), goto="end")

    builder = StateGraph(State).add_node("node", routes, cache_policy=CachePolicy()).add_edge(START, "node")
    graph = builder.add_node("end", lambda state: {"said": ["end"]}).compile(saver, cache=cache)

    assert (said(graph, "t1"), said(graph, "t2"), node.calls) == (["hi", "end"], ["hi", "end"], 1)


def test_what_failed_is_not_kept(saver: BaseCheckpointSaver, cache: Spy, node: Node) -> None:
    def fails(state: State) -> dict[str, Any]:
        if (update := node(state)) and node.calls == 1:
            raise ValueError("once")
        return update

    policy = RetryPolicy(initial_interval=0.001, retry_on=ValueError)
    builder = StateGraph(State).add_node("node", fails, cache_policy=CachePolicy(), retry_policy=policy)
    graph = builder.add_edge(START, "node").compile(saver, cache=cache)

    assert (said(graph, "t1"), said(graph, "t2"), node.calls, len(cache.ttls)) == (["hi"], ["hi"], 2, 1)


@pytest.mark.parametrize(("keeps", "calls"), [(None, 1), (True, 2), (False, 1)])
def test_the_result_of_a_graph_is_kept_unless_its_state_is(
    saver: BaseCheckpointSaver, cache: Spy, node: Node, keeps: bool | None, calls: int
) -> None:
    child = StateGraph(State).add_node("inner", node).add_edge(START, "inner").compile(keeps)
    graph = graph_of(saver, cache, child)

    assert (said(graph, "t1"), said(graph, "t2")) == (["hi"], ["hi"])
    assert node.calls == calls


def test_nodes_of_a_graph_inside_use_the_cache_of_the_run(saver: BaseCheckpointSaver, cache: Spy, node: Node) -> None:
    child = graph_of(None, None, node)
    builder = StateGraph(State).add_node("child", child).add_edge(START, "child")
    builder.add_node("calls", lambda state: child.invoke({"word": state["word"]})).add_edge("child", "calls")
    graph = builder.compile(saver, cache=cache)

    said(graph, "t1")

    assert node.calls == 1
