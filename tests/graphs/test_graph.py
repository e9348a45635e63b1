"""A built graph: what it shows of a state, its fingerprint, the classes of its values, its tables."""

import operator
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypedDict

import pytest

from graphs.builder import GraphBuilder
from graphs.commands import START
from graphs.errors import InvalidGraph, UnknownKey, UnknownNode
from graphs.graph import Child, Graph, Join, check_graph_name


@dataclass
class Item:
    price: int


@dataclass
class Secret:
    text: str


@dataclass
class Shop:
    name: str


class State(TypedDict):
    name: str
    items: Annotated[list[Item], operator.add]


class Output(TypedDict):
    name: str


class Private(TypedDict):
    secret: Secret


def node(state: State) -> None: ...


def other(state: State) -> None: ...


def router(state: Private) -> str:
    return "a"


def builder(state: Any = State, **schemas: Any) -> GraphBuilder:
    return GraphBuilder(state, **schemas).add_node("a", node).add_node("b", node).add_edge(START, "a")


def built(parts: GraphBuilder) -> Graph:
    return parts.build("shop", None, None)


VALUES = {"items": [Item(1)], "name": "x", "private": 1}


@pytest.mark.parametrize(
    ("schemas", "keys", "shown"),
    [
        ({}, None, {"name": "x", "items": [Item(1)]}),
        ({"output_schema": Output}, None, {"name": "x"}),
        ({"output_schema": Output}, ["items"], {"items": [Item(1)]}),
        ({}, "name", "x"),
        ({}, [], {}),
        ({}, ["items", "name"], {"items": [Item(1)], "name": "x"}),
    ],
)
def test_a_caller_gets_the_keys_of_the_output_the_named_ones_or_one_value(
    schemas: dict[str, Any], keys: Any, shown: Any
) -> None:
    assert built(builder(**schemas)).output_of(VALUES, keys) == shown


def test_a_key_without_a_value_is_left_out() -> None:
    graph = built(builder())

    assert (graph.output_of({"name": "x"}), graph.output_of({}, "name")) == ({"name": "x"}, None)


@pytest.mark.parametrize("keys", ["nmae", ["name", "nmae"]])
def test_an_unknown_output_key_is_refused_with_the_known_ones(keys: Any) -> None:
    with pytest.raises(UnknownKey, match=r"The state has no key 'nmae'; its keys are: name, items\."):
        built(builder()).output_of(VALUES, keys)


def test_all_keys_are_shown_whatever_the_output_schema_says() -> None:
    assert built(builder(output_schema=Output)).shown(VALUES) == {"name": "x", "items": [Item(1)]}


def test_a_root_state_is_shown_as_the_bare_value() -> None:
    graph = built(builder(dict))

    assert graph.shown({"__root__": {"a": 1}}) == {"a": 1}
    assert graph.output_of({"__root__": 3}) == 3
    assert graph.shown({}) is None


@pytest.mark.parametrize("keys", [None, ["items"], "items"])
def test_what_a_caller_does_to_its_result_changes_no_state(keys: Any) -> None:
    values: dict[str, Any] = {"items": [{"tags": ["x"]}]}

    result = built(builder()).output_of(values, keys)
    items = result if keys == "items" else result["items"]
    items[0]["tags"].append("y")
    items.clear()

    assert values == {"items": [{"tags": ["x"]}]}


def test_a_node_is_found_by_name_and_a_missing_one_is_refused_with_the_names_there_are() -> None:
    graph = built(builder())

    assert graph.node("a") is graph.nodes["a"]
    with pytest.raises(UnknownNode, match=r"Graph 'shop' has no node 'c'; its nodes are: a, b\."):
        graph.node("c")


def test_all_nodes_are_walked_those_inside_by_their_paths() -> None:
    inner = built(builder())
    outer = replace(built(builder()), children={"a": Child(replace(inner, children={"b": Child(inner)}))})

    walked = dict(outer.walk())

    assert list(walked) == ["a", "a.a", "a.b", "a.b.a", "a.b.b", "b"]
    assert walked["a.b.a"] is inner.nodes["a"]


def test_the_same_code_gives_the_same_fingerprint_in_any_order_of_edges() -> None:
    one = builder().add_edge("a", "b").add_edge("b", "a")
    two = builder().add_edge("b", "a").add_edge("a", "b")

    assert built(one).fingerprint == built(two).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        builder().add_node("c", node),
        builder().add_node("c", node).add_edge("a", "c"),
        builder().add_edge(["a", "b"], "a"),
        builder().add_conditional_edges("a", router),
        builder().add_conditional_edges("a", router, ["b"]),
        builder(Private),
        builder(output_schema=Private),
        GraphBuilder(State).add_node("a", node).add_node("b", node, defer=True).add_edge(START, "a"),
    ],
)
def test_another_shape_has_another_fingerprint(changed: GraphBuilder) -> None:
    assert built(changed).fingerprint != built(builder()).fingerprint


def test_another_function_behind_a_node_is_the_same_shape() -> None:
    same = GraphBuilder(State).add_node("a", other).add_node("b", other, queue="gpu").add_edge(START, "a")

    assert built(same).fingerprint == built(builder()).fingerprint


def test_the_classes_of_all_schemas_routers_and_the_context_are_known() -> None:
    graph = built(builder(context_schema=Shop).add_conditional_edges("a", router))

    assert {Item, Secret, Shop, str, int} <= graph.classes


def test_the_tables_of_joins_say_who_is_waited_for_and_who_waits() -> None:
    graph = built(builder().add_node("c", node).add_edge(["a", "b"], "c").add_edge(["b", "c"], "a"))
    first, second = Join(("a", "b"), "c"), Join(("b", "c"), "a")

    assert graph.joins_by_name == {"join:a+b:c": first, "join:b+c:a": second}
    assert graph.joins_from == {"a": (first,), "b": (first, second), "c": (second,)}
    assert graph.joins_into == {"c": (first,), "a": (second,)}


def test_a_node_is_triggered_by_edges_and_by_its_joins() -> None:
    graph = built(builder().add_edge(["a", "b"], "b"))

    assert (graph.triggers("a"), graph.triggers("b")) == (("branch:to:a",), ("branch:to:b", "join:a+b:b"))


@pytest.mark.parametrize(("arrived", "full"), [("", False), ("a", False), ("ab", True), ("abc", True)])
def test_a_join_is_full_when_all_of_its_sources_have_arrived(arrived: str, full: bool) -> None:
    assert Join(("a", "b"), "c").is_full(frozenset(arrived)) is full


@pytest.mark.parametrize("name", ["graph", "Shop.v2", "a-b_c", "9"])
def test_ordinary_graph_names_are_taken(name: str) -> None:
    assert check_graph_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "x" * 129])
def test_a_graph_name_that_no_task_can_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidGraph, match="A graph's name has 1 to 128 letters"):
        check_graph_name(name)


def handler(state: Private) -> None: ...


def test_an_error_handler_belongs_to_the_shape_and_to_the_classes_of_a_graph() -> None:
    bare, handled = built(builder()), built(builder().set_node_defaults(error_handler=handler))

    assert handled.fingerprint != bare.fingerprint
    assert Secret in handled.classes
    assert Secret not in bare.classes


def test_an_error_handler_is_found_by_its_name_but_is_none_of_the_nodes() -> None:
    graph = built(builder().add_node("c", node, error_handler=handler).set_node_defaults(error_handler=node))

    assert set(graph.handlers) == {"__error_handler__c", "__default_error_handler__"}
    assert graph.node("__error_handler__c") is graph.nodes["c"].handler
    assert set(graph.nodes) == {"a", "b", "c"}
