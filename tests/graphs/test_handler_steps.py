"""What follows a step that failed, and whose error handler finished in its place."""

import operator
from typing import Annotated, TypedDict

from graphs.builder import GraphBuilder
from graphs.checkpoint import PULL, PUSH, Checkpoint, Result, Step, handler_step
from graphs.commands import START
from graphs.graph import Graph
from graphs.planner import plan_next
from graphs.timeouts import TimeoutPolicy

HANDLER = "__error_handler__b"


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def node(state: State) -> None: ...


def graph() -> Graph:
    """Return a and b side by side, an edge from b, and a join of both; b has a handler."""
    builder = GraphBuilder(State).add_node("a", node).add_node("b", node, error_handler=node)
    builder.add_node("after", node).add_node("join", node).add_node("rescue", node)
    builder.add_edge(START, "a").add_edge(START, "b").add_edge("b", "after").add_edge(["a", "b"], "join")
    return builder.add_edge(["a", "rescue"], "b").build("g", None, None)


def standing(**fields: dict[str, frozenset[str]]) -> Checkpoint:
    steps = tuple(Step(f"id-{name}", name, (PULL, name), ()) for name in "ab")
    return Checkpoint("c1", None, "loop", 4, {"log": []}, steps=steps, **fields)  # type: ignore[arg-type]


def handled(checkpoint: Checkpoint, *goto: str) -> Checkpoint:
    """Return what follows when a has finished, and b's handler in its place."""
    a, b = checkpoint.steps
    results = [Result(handler_step(b, HANDLER), ({"log": ["b"]},), goto), Result(a, ({"log": ["a"]},))]
    return plan_next(graph(), checkpoint, results, "c2")


def test_a_handler_takes_the_place_of_the_step_that_failed() -> None:
    failed = Step("id", "b", (PUSH, 3, False), (PUSH,), {"n": 1}, TimeoutPolicy(run_timeout=1))

    step = handler_step(failed, HANDLER)

    assert (step.node, step.path, step.arg, step.handles, step.timeout) == (HANDLER, failed.path, {"n": 1}, "id", None)
    assert step.id == handler_step(failed, HANDLER).id
    assert len({step.id, failed.id, handler_step(failed, "__default_error_handler__").id}) == 3


def test_its_writes_apply_where_those_of_the_failed_node_would_have() -> None:
    assert handled(standing()).values == {"log": ["a", "b"]}


def test_the_edges_and_joins_of_the_failed_node_are_not_followed() -> None:
    after = handled(standing(), "rescue")

    assert [step.node for step in after.steps] == ["rescue"]
    assert after.joins["join:a+b:join"] == {"a"}


def test_a_join_into_the_failed_node_has_fired() -> None:
    full = {"join:a+rescue:b": frozenset({"a", "rescue"})}

    after = handled(standing(joins=full))

    assert after.steps == ()
    assert after.joins["join:a+rescue:b"] == {"a"}
