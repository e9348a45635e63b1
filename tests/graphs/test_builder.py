"""Building a graph: nodes, edges and routers are named one by one, then checked as a whole."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Annotated, Any, Literal, Self, TypedDict, cast

import pytest

from graphs.builder import GraphBuilder, names_of
from graphs.channels import LastValue, Reduced
from graphs.commands import END, START
from graphs.errors import InvalidGraph
from graphs.graph import Graph
from graphs.retry import RetryPolicy


class State(TypedDict):
    name: str
    log: Annotated[list[str], operator.add]


class Narrow(TypedDict):
    name: str


class Private(TypedDict):
    secret: Annotated[list[str], operator.add]


class PlainLog(TypedDict):
    log: list[str]


class OtherLog(TypedDict):
    log: Annotated[list[str], operator.concat]


class Names(str, Enum):  # noqa: UP042  # unlike a StrEnum's, its members do not print as their values
    A = "a"
    B = "b"


def a(state: State) -> dict[str, Any]:
    return {}


def b(state: State) -> dict[str, Any]:
    return {}


def c(state: State) -> dict[str, Any]:
    return {}


def needs_user(state: State, user: str) -> dict[str, Any]:
    return {}


def route(state: State) -> str:
    return "b"


def built(builder: GraphBuilder, before: Any = None, after: Any = None) -> Graph:
    return builder.build("g", before, after)


def three() -> GraphBuilder:
    return GraphBuilder(State).add_node(a).add_node(b).add_node(c).add_edge(START, "a")


CALLS: list[Callable[[GraphBuilder], Any]] = [
    lambda g: g.add_node("d", a),
    lambda g: g.add_node(lambda state: None),
    lambda g: g.add_edge("a", "b"),
    lambda g: g.add_edge(["a", "b"], "c"),
    lambda g: g.add_conditional_edges("a", route),
    lambda g: g.add_sequence([("d", a), ("e", b)]),
    lambda g: g.set_node_defaults(retry=None),
    lambda g: g.set_entry_point("b"),
    lambda g: g.set_finish_point("b"),
    lambda g: g.set_conditional_entry_point(route),
]


@pytest.mark.parametrize("call", CALLS)
def test_every_call_returns_the_builder(call: Callable[[GraphBuilder], Any]) -> None:
    builder = three()

    assert call(builder) is builder


BAD_PARTS: list[tuple[Callable[[GraphBuilder], Any], str]] = [
    (lambda g: g.add_node("a", b), "Node 'a' is already there"),
    (lambda g: g.add_node(a), "Node 'a' is already there"),
    (lambda g: g.add_node(Names.A, b), "Node 'a' is already there"),
    (lambda g: g.add_node("__start__", b), "'__start__' is reserved"),
    (lambda g: g.add_node("__end__", b), "'__end__' is reserved"),
    (lambda g: g.add_node("x|y", b), "reserved in node names"),
    (lambda g: g.add_node("x:y", b), "reserved in node names"),
    (lambda g: g.add_node(a, b), "A node's name must be a string, got <function a"),
    (lambda g: g.add_node("d", "a"), r"Expected a function or an object with invoke\(\), got str"),
    (lambda g: g.add_node("d", lambda: None), "The node 'd' cannot be called as function"),
    (lambda g: g.add_node("d", a, colour="red"), "does not know colour"),  # type: ignore[call-overload]  # the case
    (lambda g: g.add_node("d", a, retry=3), "retry takes a RetryPolicy"),  # type: ignore[call-overload]  # the case
    (lambda g: g.add_node("d", a, timeout=0), "timeout of node 'd' must be a positive number"),
    (lambda g: g.add_node("d", a, input_schema=int), "must both declare keys"),
    (lambda g: g.add_node("d", a, input_schema={"x": int}), "Expected a state class"),
    (lambda g: g.add_edge(END, "a"), "END cannot be a start node"),
    (lambda g: g.add_edge("a", START), "START cannot be an end node"),
    (lambda g: g.add_edge([END, "a"], "b"), "END cannot be a start node"),
    (lambda g: g.add_edge(["a", "b"], START), "START cannot be an end node"),
    (lambda g: g.add_edge(["a", "later"], "b"), "Need to add_node `later` first"),
    (lambda g: g.add_edge([START, "a"], "b"), "Need to add_node `__start__` first"),
    (lambda g: g.add_edge([], "b"), "A join into 'b' needs at least one source"),
    (lambda g: g.add_edge("a", cast(Any, 3)), "A node's name must be a string, got 3"),
    (lambda g: g.add_conditional_edges("a", lambda: "b"), "The router '<lambda>' cannot be called"),
    (lambda g: g.add_conditional_edges("a", needs_user), "missing a required argument: 'user'"),
    (
        lambda g: g.add_conditional_edges("a", cast(Any, "b")),
        r"Expected a function or an object with invoke\(\), got str",
    ),
    (
        lambda g: g.add_conditional_edges("a", route).add_conditional_edges("a", route),
        "Branch with name `route` already exists for node `a`",
    ),
    (lambda g: g.add_sequence([]), r"Sequence requires at least one node\."),
    (
        lambda g: g.add_sequence([("d", a), ("d", b)]),
        "Node names must be unique: node with the name 'd' already exists",
    ),
    (lambda g: g.add_sequence([a]), "Node names must be unique: node with the name 'a' already exists"),
]


@pytest.mark.parametrize(("call", "said"), BAD_PARTS)
def test_a_part_that_cannot_be_is_refused_where_it_is_named(call: Callable[[GraphBuilder], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        call(three())

    assert isinstance(caught.value, InvalidGraph)


BAD_WHOLES: list[tuple[Callable[[GraphBuilder], Any], str]] = [
    (lambda g: g.add_edge("unknown", "a"), "^Found edge starting at unknown node 'unknown'"),
    (lambda g: g.add_conditional_edges("unknown", route), "^Found edge starting at unknown node 'unknown'"),
    (lambda g: g.add_conditional_edges(END, route), "^Found edge starting at unknown node '__end__'"),
    (lambda g: g.add_edge("a", "unknown"), "^Found edge ending at unknown node `unknown`.*'a'"),
    (lambda g: g.add_edge(START, "unknown"), "^Found edge ending at unknown node `unknown`"),
    (lambda g: g.add_edge(["a", "b"], "unknown"), r"^Found edge ending at unknown node `unknown`.*'a\+b'"),
    (lambda g: g.add_conditional_edges("a", route, {"x": "unknown"}), "ending at unknown node `unknown`"),
    (lambda g: g.add_conditional_edges("a", route, ["b", "unknown"]), "ending at unknown node `unknown`"),
    (lambda g: g.add_conditional_edges("a", route, {"x": START}), "ending at unknown node `__start__`"),
    (lambda g: g.add_node("d", a, input_schema=OtherLog), "Key 'log' has two different reducers"),
]


@pytest.mark.parametrize(("call", "said"), BAD_WHOLES)
def test_a_name_that_leads_nowhere_is_refused_at_the_end(call: Callable[[GraphBuilder], Any], said: str) -> None:
    builder = call(three())

    with pytest.raises(ValueError, match=said) as caught:
        built(builder)

    assert isinstance(caught.value, InvalidGraph)


def test_a_graph_without_an_entry_is_refused() -> None:
    builder = GraphBuilder(State).add_node(a).add_edge("a", END)

    with pytest.raises(InvalidGraph, match="Graph must have an entrypoint: add at least one edge from START"):
        built(builder)


@pytest.mark.parametrize("breakpoints", [("unknown", None), (None, ["a", "unknown"])])
def test_a_breakpoint_at_an_unknown_node_is_refused(breakpoints: tuple[Any, Any]) -> None:
    with pytest.raises(InvalidGraph, match="Interrupt node `unknown` not found"):
        built(three(), *breakpoints)


@pytest.mark.parametrize(
    ("given", "names"),
    [(None, ()), ("a", ("a",)), ("*", ("*",)), (["a", "b"], ("a", "b")), (Names.A, ("a",)), ([Names.A], ("a",))],
)
def test_breakpoints_may_be_one_name_all_several_or_none(given: Any, names: tuple[str, ...]) -> None:
    assert built(three(), before=given).interrupt_before == names_of(given) == names


def test_a_reducer_of_the_wrong_arity_is_refused_by_the_constructor() -> None:
    class Bad(TypedDict):
        total: Annotated[int, lambda one: one]

    with pytest.raises(ValueError, match="Invalid reducer"):
        GraphBuilder(Bad)


@pytest.mark.parametrize("part", ["input_schema", "output_schema"])
@pytest.mark.parametrize(("state", "other"), [(State, int), (dict, State)])
def test_keys_and_a_bare_value_do_not_go_together(part: str, state: Any, other: Any) -> None:
    with pytest.raises(InvalidGraph, match=rf"The {part} and the state must both declare keys"):
        GraphBuilder(state, **{part: other})


def test_a_bare_callable_is_named_after_itself() -> None:
    class Agent:
        def step(self, state: State) -> None: ...

        def __call__(self, state: State) -> None: ...

    builder = GraphBuilder(State).add_node(a).add_node(Agent()).add_node(Agent().step).add_node(partial(b))

    assert list(builder.nodes) == ["a", "Agent", "step", "b"]


def test_a_decorator_adds_the_function_and_leaves_it_as_it_is() -> None:
    builder = GraphBuilder(State)

    @builder.add_node("review", queue="slow")
    def check(state: State) -> str:
        return "still callable"

    assert check(State(name="", log=[])) == "still callable"
    assert builder.nodes["review"].func is check
    assert builder.nodes["review"].queue == "slow"


def test_a_node_keeps_what_it_was_given() -> None:
    policy = RetryPolicy(max_attempts=5)

    builder = GraphBuilder(State).add_node(
        "a", a, queue="gpu", timeout=timedelta(minutes=2), retry=policy, defer=True, metadata={"team": "x"}
    )

    node = builder.nodes["a"]
    assert (node.queue, node.timeout_s, node.retry, node.defer) == ("gpu", 120.0, (policy,), True)
    assert node.metadata == {"team": "x"}


def test_options_that_are_none_are_left_out() -> None:
    builder = GraphBuilder(State).add_node(
        "a", a, queue=None, timeout=None, retry_policy=None, metadata=None, input_schema=None
    )

    assert builder.nodes["a"] == GraphBuilder(State).add_node(a).nodes["a"]


def test_retry_and_retry_policy_are_two_names_of_one_option() -> None:
    policies = [RetryPolicy(max_attempts=5), RetryPolicy()]

    builder = GraphBuilder(State).add_node("a", a, retry=policies).add_node("b", b, retry_policy=policies)

    assert builder.nodes["a"].retry == builder.nodes["b"].retry == tuple(policies)


def test_members_of_an_enum_name_nodes_everywhere() -> None:
    builder = (
        GraphBuilder(State)
        .add_node(Names.A, a)
        .add_node(Names.B, b)
        .add_node("c", c)
        .add_edge(START, Names.A)
        .add_edge([Names.A, Names.B], "c")
        .add_conditional_edges(Names.A, route, {True: Names.B})
        .set_finish_point(Names.B)
    )

    graph = built(builder)

    assert list(graph.nodes) == ["a", "b", "c"]
    assert graph.edges == {START: ("a",), "b": ()}
    assert graph.joins[0].name == "join:a+b:c"
    assert graph.branches["a"][0].ends == {True: "b"}
    assert all(type(name) is str for name in (*graph.nodes, *graph.edges[START], *graph.joins[0].sources))


def test_plain_edges_are_grouped_by_source_in_the_order_of_names() -> None:
    graph = built(three().add_edge("a", "c").add_edge("a", "b").add_edge("a", "c").add_edge("b", END))

    assert graph.edges == {START: ("a",), "a": ("b", "c"), "b": ()}


def test_entry_and_finish_points_are_edges() -> None:
    by_points = GraphBuilder(State).add_node(a).set_entry_point("a").set_finish_point("a")
    by_edges = GraphBuilder(State).add_node(a).add_edge("__start__", "a").add_edge("a", "__end__")

    assert built(by_points).edges == built(by_edges).edges == {START: ("a",), "a": ()}


def test_a_sequence_links_its_nodes() -> None:
    graph = built(GraphBuilder(State).add_sequence([a, ("second", b), partial(c)]).set_entry_point("a"))

    assert graph.edges == {START: ("a",), "a": ("second",), "second": ("c",)}


def test_the_same_list_edge_twice_is_one_join_and_a_source_counts_once() -> None:
    graph = built(three().add_edge(["a", "b", "a"], "c").add_edge(["a", "b"], "c"))

    assert [join.name for join in graph.joins] == ["join:a+b:c"]


def test_joins_that_would_be_counted_as_one_are_refused() -> None:
    builder = three().add_node("a+b", a).add_node("b+c", a)

    with pytest.raises(InvalidGraph, match=r"Two joins read as 'join:a\+b\+c:a'"):
        builder.add_edge(["a+b", "c"], "a").add_edge(["a", "b+c"], "a")


def test_a_list_edge_to_the_end_makes_nothing_due() -> None:
    assert built(three().add_edge(["a", "b"], END)).joins == ()


def literal(state: State) -> Literal["b", "__end__"]:
    return "b"


def literal_of_enum(state: State) -> Literal[Names.B]:
    return Names.B


def annotated(state: State) -> Annotated[str, "a remark, not a node"]:
    return "b"


class Router:
    def __call__(self, state: State) -> Literal["c"]:
        return "c"


@pytest.mark.parametrize(
    ("path", "path_map", "ends"),
    [
        (route, None, None),
        (route, {}, None),
        (route, {True: "b", None: END}, {True: "b", None: END}),
        (route, ["b", "c"], {"b": "b", "c": "c"}),
        (route, [Names.B], {"b": "b"}),
        (literal, None, {"b": "b", END: END}),
        (literal, {"x": "c"}, {"x": "c"}),
        (literal_of_enum, None, {"b": "b"}),
        (annotated, None, None),
        (Router(), None, {"c": "c"}),
        (partial(literal), None, {"b": "b", END: END}),
    ],
)
def test_the_ends_of_a_router_come_from_its_map_its_list_or_its_literal(path: Any, path_map: Any, ends: Any) -> None:
    graph = built(three().add_conditional_edges("a", path, path_map))

    assert graph.branches["a"][0].ends == ends


def test_a_conditional_entry_is_an_entry() -> None:
    graph = built(GraphBuilder(State).add_node(b).set_conditional_entry_point(route))

    assert graph.branches[START][0].name == "route"


def narrow(state: Narrow) -> None: ...


def private(state: Private) -> None: ...


def private_router(state: Private) -> str:
    return "b"


def test_a_node_sees_the_keys_of_its_annotation_or_of_its_input_schema() -> None:
    builder = three().add_node(narrow).add_node("declared", narrow, input_schema=Private)

    assert set(builder.nodes["a"].input.channels) == {"name", "log"}
    assert set(builder.nodes["narrow"].input.channels) == {"name"}
    assert set(builder.nodes["declared"].input.channels) == {"secret"}


@pytest.mark.parametrize(
    "call",
    [lambda g: g.add_node(private), lambda g: g.add_conditional_edges("a", private_router)],
)
def test_the_keys_that_only_a_node_or_a_router_declares_are_state_keys(call: Callable[[GraphBuilder], Any]) -> None:
    graph = built(call(three()))

    assert graph.channels["secret"] == Reduced("secret", operator.add, list)


@pytest.mark.parametrize(
    "builder",
    [
        GraphBuilder(State, input_schema=PlainLog).add_node(a),
        GraphBuilder(PlainLog, output_schema=State).add_node(a),
        GraphBuilder(PlainLog).add_node(a),
    ],
)
def test_a_reducer_wins_over_the_plain_declaration_of_its_key(builder: GraphBuilder) -> None:
    graph = built(builder.set_entry_point("a"))

    assert graph.channels["log"] == Reduced("log", operator.add, list)


def test_a_key_that_only_the_output_declares_is_a_state_key() -> None:
    graph = built(GraphBuilder(Narrow, output_schema=Private).add_node(narrow).set_entry_point("narrow"))

    assert set(graph.channels) == {"name", "secret"}


def test_a_state_of_one_bare_value_is_seen_whole_whatever_a_node_is_annotated_with() -> None:
    graph = built(GraphBuilder(dict).add_node(a).set_entry_point("a").add_conditional_edges("a", private_router, ["a"]))

    assert graph.nodes["a"].input is graph.state
    assert list(graph.channels.values()) == [LastValue("__root__")]


def test_an_object_with_invoke_can_be_a_node() -> None:
    class Pipeline:
        name = "pipeline"

        def invoke(self, state: Narrow, config: Any = None) -> Any:
            return state, config

    node = GraphBuilder(State).add_node(Pipeline()).nodes["pipeline"]

    assert node.call({"name": "x"}, {"config": "C"}) == ({"name": "x"}, "C")
    assert set(node.input.channels) == {"name"}


def test_a_subclass_of_the_builder_chains_as_itself() -> None:
    class Chained(GraphBuilder):
        def twice(self) -> Self:
            return self.add_node("one", a).add_node("two", b)

    assert list(Chained(State).twice().nodes) == ["one", "two"]


@dataclass
class Context:
    user: str


def test_the_graph_carries_its_context_class() -> None:
    assert built(GraphBuilder(State, Context).add_node(a).set_entry_point("a")).context is Context


def test_a_built_graph_does_not_change_with_its_builder() -> None:
    builder = three()
    graph = built(builder)

    builder.add_node("late", a).add_edge("a", "late")

    assert "late" not in graph.nodes
    assert "a" not in graph.edges
