"""Where graphs run inside of graphs: the names of frames, and the graphs that they lead to."""

from functools import partial
from types import SimpleNamespace
from typing import Any, TypedDict

import pytest

from graphs.builder import GraphBuilder
from graphs.checkpoint import PULL, Step
from graphs.commands import START
from graphs.errors import UnknownSubgraph
from graphs.frames import below, child_of, frame_ns, graph_at, nearest_graph, path_of, step_ns
from graphs.graph import Graph


class State(TypedDict):
    x: int


def graph_of(name: str, **nodes: Any) -> Graph:
    builder = GraphBuilder(State)
    for node, func in nodes.items():
        builder.add_node(node, func).add_edge(START, node)
    return builder.build(name, None, None)


def compiled(graph: Graph, keeps: bool | None = None) -> Any:
    return SimpleNamespace(graph=graph, checkpointer=keeps, invoke=lambda state: state)


INNER = graph_of("inner", leaf=lambda state: state)
COMPILED = compiled(INNER)
OUTER = graph_of("outer", middle=compiled(INNER, True), plain=lambda state: state)
ROOT = graph_of("root", top=compiled(OUTER))
STEP = Step("7", "node", (PULL, "node"), ())


class Callable:
    def __init__(self, graph: Any) -> None:
        self.graph_to_call = graph

    def __call__(self, state: State) -> Any:
        return self.graph_to_call.invoke(state)

    def method(self, state: State) -> Any:
        return self.graph_to_call.invoke(state)


def by_global(state: State) -> Any:
    return COMPILED.invoke(state)


async def by_global_async(state: State) -> Any:
    return COMPILED.invoke(state)


def by_closure() -> Any:
    own = COMPILED
    return lambda state: own.invoke(state)


def with_option(state: State, option: int = 0) -> Any:
    return COMPILED.invoke(state)


@pytest.mark.parametrize(
    "func",
    [
        by_global,
        by_global_async,
        by_closure(),
        Callable(COMPILED),
        Callable(COMPILED).method,
        partial(with_option, option=1),
    ],
    ids=["global", "async", "closure", "object", "method", "partial"],
)
def test_a_graph_that_a_function_names_is_known_though_it_is_no_node(func: Any) -> None:
    root = graph_of("root", node=func)

    assert graph_at(root, "node:1") is INNER


def test_a_function_that_names_no_graph_leads_to_none() -> None:
    assert child_of(OUTER, "plain") is None


def test_a_builtin_leads_to_no_graph() -> None:
    assert child_of(graph_of("root", node=dict), "node") is None


def test_a_function_whose_variables_have_no_value_yet_leads_to_no_graph() -> None:
    def node(state: State) -> Any:
        return later.invoke(state)

    root = graph_of("root", node=node)

    assert child_of(root, "node") is None
    later = COMPILED


def test_a_namespace_leads_to_its_graph() -> None:
    assert [graph_at(ROOT, ns) for ns in ("", "top:1", "top|middle", "top:1|middle:2", "top:1|1")] == [
        ROOT,
        OUTER,
        INNER,
        INNER,
        OUTER,
    ]


@pytest.mark.parametrize("ns", ["nobody:1", "top:1|plain:2", "top:1|middle:2|leaf:3"])
def test_where_no_graph_stands_there_is_no_subgraph(ns: str) -> None:
    with pytest.raises(UnknownSubgraph, match=f"Subgraph {ns} not found".replace("|", r"\|")):
        graph_at(ROOT, ns)


def test_what_no_graph_is_known_for_is_read_as_the_nearest_one_above() -> None:
    assert (nearest_graph(ROOT, "nobody:1"), nearest_graph(ROOT, "top:1|plain:2")) == (ROOT, OUTER)


def test_a_frame_is_named_by_its_step_and_by_nodes_alone_where_it_keeps_its_state() -> None:
    assert step_ns("top:1", "node", "7") == "top:1|node:7"
    assert frame_ns("top:1", STEP, keeps=None) == "top:1|node:7"
    assert frame_ns("top:1", STEP, keeps=None, nth=2) == "top:1|node:7|2"
    assert frame_ns("top:1", STEP, keeps=True) == "top|node"
    assert frame_ns("", STEP, keeps=True, nth=1) == "node|1"


def test_the_way_to_a_frame_is_told_by_nodes() -> None:
    assert [path_of(ns) for ns in ("", "a:1", "a:1|1|b:2", "a|b")] == [(), ("a",), ("a", "b"), ("a", "b")]


def test_a_namespace_lies_below_its_own_frame_and_those_around_it() -> None:
    assert [below(ns, "a:1") for ns in ("a:1", "a:1|b:2", "a:12", "")] == [True, True, False, False]
