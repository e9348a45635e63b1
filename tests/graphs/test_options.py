"""The options of nodes: what each may be, what all nodes get by default, and which function handles errors."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, TypedDict

import pytest

from graphs.builder import GraphBuilder
from graphs.cache_policy import CachePolicy
from graphs.commands import END, START, Command
from graphs.errors import InvalidGraph, NodeError
from graphs.graph import Graph
from graphs.node import Node
from graphs.retry import RetryPolicy
from graphs.timeouts import TimeoutPolicy


class State(TypedDict):
    name: str


class Notes(TypedDict):
    notes: list[str]


def work(state: State) -> None: ...


def repair(state: Notes, failure: NodeError, config: Any) -> dict[str, Any]:
    return {"notes": [failure.node, config]}


def other_repair(state: State) -> None: ...


OFTEN, SELDOM = RetryPolicy(max_attempts=9), RetryPolicy(max_attempts=2)
BRIEFLY = CachePolicy(ttl=1)
TEN_S, IDLE = TimeoutPolicy(run_timeout=10.0), TimeoutPolicy(idle_timeout=3, refresh_on="heartbeat")


def one(**options: Any) -> GraphBuilder:
    return GraphBuilder(State).add_node("a", work, **options).add_edge(START, "a")


def built(builder: GraphBuilder, before: Any = None) -> Graph:
    return builder.build("g", before, None)


def handler_of(node: Node) -> Node:
    assert node.handler is not None
    return node.handler


@pytest.mark.parametrize(
    ("given", "policy", "timeout_s"),
    [
        (10, TEN_S, 10.0),
        (timedelta(seconds=10), TEN_S, 10.0),
        (IDLE, IDLE, None),
        (None, None, None),
    ],
)
def test_a_node_has_its_time_limits_as_a_policy(given: Any, policy: Any, timeout_s: float | None) -> None:
    node = one(timeout=given).nodes["a"]

    assert (node.timeout, node.timeout_s) == (policy, timeout_s)


def test_a_time_limit_may_be_put_on_a_synchronous_node() -> None:
    assert built(one(timeout=3)).nodes["a"].is_async is False


def test_a_node_keeps_its_cache_policy_and_its_rate_limit() -> None:
    node = one(cache_policy=BRIEFLY, rate_limit="10/m").nodes["a"]

    assert (node.cache_policy, node.rate_limit) == (BRIEFLY, "10/m")


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: one(cache_policy=True), "cache_policy of node 'a' must be a CachePolicy, got True"),
    (lambda: one(rate_limit="often"), "A rate_limit reads like '10/s'"),
    (lambda: one(rate_limit=0), "A rate_limit reads like '10/s'"),
    (lambda: one(rate_limit="0/m"), "A rate_limit reads like '10/s'"),
    (lambda: one(rate_limit="10/d"), "A rate_limit reads like '10/s'"),
    (lambda: one(rate_limit=-1), "A rate_limit reads like '10/s'"),
    (lambda: one(rate_limit=float("inf")), "A rate_limit reads like '10/s'"),
    (lambda: one(rate_limit=True), "A rate_limit reads like '10/s'"),
    (lambda: one(timeout="3"), "timeout of node 'a' must be a positive number"),
    (lambda: one(error_handler="repair"), r"Expected a function or an object with invoke\(\), got str"),
    (lambda: one(error_handler=lambda: None), "The node '__error_handler__a' cannot be called"),
    (lambda: one(error_handler=lambda state, user: None), "a parameter may be named config, .*, error, or have"),
    (lambda: one(destinations=[3]), "A node's name must be a string"),
    (lambda: one().set_node_defaults(timeout=0), "timeout of nodes by default must be a positive number"),
    (lambda: one().set_node_defaults(queue="gpu"), r"set_node_defaults\(\) does not know queue"),  # type: ignore[call-arg]
    (lambda: one().add_node("__default_error_handler__", work), "'__default_error_handler__' is reserved"),
]


@pytest.mark.parametrize(("call", "said"), BAD)
def test_an_option_that_does_not_fit_is_refused(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        call()

    assert isinstance(caught.value, InvalidGraph)


DEFAULTS: dict[str, Any] = {
    "timeout": 10,
    "retry_policy": OFTEN,
    "cache_policy": BRIEFLY,
    "error_handler": repair,
}


def test_defaults_hold_for_nodes_added_before_and_after() -> None:
    builder = one().set_node_defaults(**DEFAULTS).add_node("b", work)

    nodes = built(builder).nodes.values()

    assert [(n.timeout, n.retry, n.cache_policy) for n in nodes] == [(TEN_S, (OFTEN,), BRIEFLY)] * 2
    assert {handler_of(node).func for node in nodes} == {repair}


def test_what_a_node_is_given_itself_wins_over_the_defaults() -> None:
    own = CachePolicy(ttl=2)
    builder = one(timeout=3, retry_policy=SELDOM, cache_policy=own, error_handler=other_repair)

    node = built(builder.set_node_defaults(**DEFAULTS)).nodes["a"]

    assert (node.timeout_s, node.retry, node.cache_policy) == (3.0, (SELDOM,), own)
    assert (handler_of(node).name, handler_of(node).func) == ("__error_handler__a", other_repair)


def test_a_policy_without_limits_lifts_the_default_limit() -> None:
    node = built(one(timeout=TimeoutPolicy()).set_node_defaults(timeout=10)).nodes["a"]

    assert node.timeout_s is None


def test_later_defaults_add_to_earlier_ones_and_replace_the_same() -> None:
    builder = one().set_node_defaults(timeout=10, retry=OFTEN).set_node_defaults(retry=SELDOM)

    node = built(builder).nodes["a"]

    assert (node.timeout_s, node.retry) == (10.0, (SELDOM,))


def test_defaults_do_not_change_the_builders_nodes() -> None:
    builder = one().set_node_defaults(**DEFAULTS)
    built(builder)

    assert builder.nodes["a"] == one().nodes["a"]


@pytest.mark.parametrize(
    ("builder", "name"),
    [
        (one(error_handler=repair), "__error_handler__a"),
        (one().set_node_defaults(error_handler=repair), "__default_error_handler__"),
    ],
)
def test_a_handler_is_a_node_with_a_name_of_its_own(builder: GraphBuilder, name: str) -> None:
    graph = built(builder, before=name)

    handler = handler_of(graph.nodes["a"])
    assert (handler.name, set(handler.input.channels)) == (name, {"notes"})
    assert "notes" in graph.channels
    assert graph.interrupt_before == (name,)
    failure = NodeError("a", ValueError())
    assert handler.call({}, {"error": failure, "config": "C", "runtime": "R"}) == {"notes": ["a", "C"]}


def test_a_handler_has_the_default_limits_and_runs_where_its_node_does() -> None:
    builder = one(queue="gpu", timeout=3, retry=SELDOM, cache_policy=BRIEFLY, error_handler=repair)

    handler = handler_of(built(builder.set_node_defaults(**DEFAULTS)).nodes["a"])

    assert (handler.queue, handler.timeout_s, handler.retry) == ("gpu", 10.0, (OFTEN,))
    assert (handler.cache_policy, handler.handler) == (None, None)


def annotated(state: State) -> Command[Literal["a", "__end__"]]:
    return Command(goto="a")


@pytest.mark.parametrize(
    ("func", "given", "destinations"),
    [
        (work, None, {}),
        (work, ("a", END), {"a": "", END: ""}),
        (work, {"a": "again"}, {"a": "again"}),
        (annotated, None, {"a": "", END: ""}),
        (annotated, ["b"], {"b": ""}),
    ],
)
def test_where_a_nodes_commands_may_go_is_known_from_its_options_or_its_annotation(
    func: Any, given: Any, destinations: Any
) -> None:
    assert one().add_node("x", func, destinations=given).nodes["x"].destinations == destinations


def test_a_destination_in_the_graph_above_is_no_mistake() -> None:
    assert built(one(destinations=["of the parent"])).nodes["a"].destinations == {"of the parent": ""}
