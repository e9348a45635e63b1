"""Asking the routers after a node where to go."""

import logging
import operator
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, TypedDict

import pytest

from graphs.builder import GraphBuilder
from graphs.commands import END, START, Send
from graphs.errors import GraphError, InvalidDestination, UnmappedAnswer
from graphs.graph import Graph
from graphs.routing import fresh, route


class State(TypedDict):
    log: Annotated[list[str], operator.add]
    name: str


class Private(TypedDict):
    name: str


class Names(str, Enum):  # noqa: UP042  # unlike a StrEnum's, its members do not print as their values
    A = "a"


class PureNames(Enum):
    A = "a"


def node(state: State) -> None: ...


def call(ask: Callable[[], Any]) -> Any:
    return ask()


def graph_with(*routers: Callable[..., Any], path_map: Any = None) -> Graph:
    builder = GraphBuilder(State).add_node("a", node).add_node("b", node).add_edge(START, "a")
    for router in routers:
        builder.add_conditional_edges("a", router, path_map)
    return builder.build("g", None, None)


def answering(answer: Any) -> Callable[[State], Any]:
    def router(state: State) -> Any:
        return answer

    return router


def chosen(answer: Any, path_map: Any = None) -> tuple[str | Send, ...]:
    return route(graph_with(answering(answer), path_map=path_map), "a", {"log": []}, {}, call)


@pytest.mark.parametrize(
    ("answer", "path_map", "targets"),
    [
        ("b", None, ("b",)),
        (END, None, (END,)),
        (["b", "a"], None, ("b", "a")),
        (("b", END), None, ("b", END)),
        ({"b", "a"}, None, ("a", "b")),
        ([], None, ()),
        (Names.A, None, ("a",)),
        (PureNames.A, None, ("a",)),
        (True, {True: "b", False: END}, ("b",)),
        (["x", "y"], {"x": "a", "y": "b"}, ("a", "b")),
        (Names.A, {"a": "b"}, ("b",)),
        (None, {None: "b"}, ("b",)),
        ("b", ["a", "b"], ("b",)),
    ],
)
def test_a_router_answers_with_names_or_with_keys_of_its_map(answer: Any, path_map: Any, targets: Any) -> None:
    found = chosen(answer, path_map)

    assert found == targets
    assert all(type(name) is str for name in found)


@pytest.mark.parametrize(
    ("answer", "path_map"),
    [
        (None, None),
        (["b", None], None),
        (None, {"x": "b"}),
        (START, None),
        (True, None),
        (3, None),
        ({"b": 1}, None),
        ([["b"]], None),
    ],
)
def test_an_answer_that_names_no_destination_is_refused(answer: Any, path_map: Any) -> None:
    with pytest.raises(ValueError, match="Branch 'router' did not return a valid destination") as caught:
        chosen(answer, path_map)

    assert isinstance(caught.value, InvalidDestination)


@pytest.mark.parametrize("answer", ["z", ["x", "z"], False, [["x"]]])
def test_an_answer_that_the_map_does_not_have_is_refused_with_what_it_has(answer: Any) -> None:
    with pytest.raises(KeyError, match=r"Branch 'router' returned .*, which its map does not have: x, y\.") as caught:
        chosen(answer, {"x": "a", "y": "b"})

    assert isinstance(caught.value, UnmappedAnswer)
    assert isinstance(caught.value, GraphError)


def test_a_name_that_no_node_has_is_logged_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="graphs.routing"):
        assert chosen(["b", "nobody", END]) == ("b", "nobody", END)

    assert [(r.message, r.graph, r.node, r.to) for r in caplog.records] == [  # type: ignore[attr-defined]  # extra
        ("unknown node named", "g", "a", "nobody"),
    ]


def test_a_node_without_routers_chooses_nothing() -> None:
    assert route(graph_with(), "a", {}, {}, call) == ()


def test_all_routers_of_a_node_are_asked_in_their_order() -> None:
    def first(state: State) -> str:
        return "b"

    def second(state: State) -> list[str]:
        return ["a", END]

    assert route(graph_with(first, second), "a", {}, {}, call) == ("b", "a", END)


def test_a_router_sees_the_state_with_the_writes_of_its_own_node() -> None:
    seen = []

    def router(state: State) -> str:
        seen.append(state)
        return "b"

    graph = graph_with(router)
    before = {"log": ["old"]}

    values = fresh(graph, before, ({"log": ["new"], "name": "x"},))
    route(graph, "a", values, {}, call)

    assert seen == [{"log": ["old", "new"], "name": "x"}]
    assert before == {"log": ["old"]}


def test_without_writes_the_state_is_the_one_before() -> None:
    values = {"log": ["old"]}

    assert fresh(graph_with(), values, ()) is values


def test_a_router_sees_the_keys_of_its_own_annotation() -> None:
    seen = []

    def router(state: Private) -> str:
        seen.append(state)
        return "b"

    route(graph_with(router), "a", {"log": ["x"], "name": "y"}, {}, call)

    assert seen == [{"name": "y"}]


def test_a_router_is_given_what_it_asks_for() -> None:
    seen = []

    def router(state: State, config: Any, *, store: Any) -> str:
        seen.append((config, store))
        return "b"

    route(graph_with(router), "a", {}, {"config": "C", "store": "S", "writer": "W"}, call)

    assert seen == [("C", "S")]


def test_the_caller_decides_how_a_router_is_called() -> None:
    assert route(graph_with(answering("b")), "a", {}, {}, lambda ask: [ask(), "a"]) == ("b", "a")


def test_what_a_router_does_to_its_view_changes_no_state() -> None:
    def router(state: State) -> str:
        state["log"].append("y")
        return "b"

    values = {"log": ["x"]}

    route(graph_with(router), "a", values, {}, call)

    assert values == {"log": ["x"]}
