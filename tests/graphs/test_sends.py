"""Steps that Sends and Commands make due."""

import operator
import random
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.builder import GraphBuilder
from graphs.channels import MISSING
from graphs.checkpoint import PULL, PUSH, Checkpoint, Result, Step
from graphs.commands import END, Command, Send
from graphs.errors import InvalidUpdateError
from graphs.graph import Graph
from graphs.planner import plan_command, plan_next
from graphs.updates import Written, written


class State(TypedDict):
    trail: Annotated[list[Any], operator.add]


def node(state: State) -> None: ...


def graph() -> Graph:
    builder = GraphBuilder(State)
    for name in ("a", "b", "late"):
        builder.add_node(name, node, defer=name == "late")
    return builder.set_entry_point("a").build("g", None, None)


def standing(*nodes: str) -> Checkpoint:
    steps = tuple(Step(f"id-{name}", name, (PULL, name), ()) for name in nodes)
    return Checkpoint("1-1", None, "loop", 0, {"trail": []}, steps=steps)


def after(*goto: str | Send) -> Checkpoint:
    checkpoint = standing("a")
    return plan_next(graph(), checkpoint, [Result(checkpoint.steps[0], (), goto)], "2-2")


def test_every_send_is_a_step_with_its_own_state() -> None:
    checkpoint = after(Send("b", 1), Send("b", 2))

    assert [(step.node, step.arg, step.path, step.triggers) for step in checkpoint.steps] == [
        ("b", 1, (PUSH, 0, False), (PUSH,)),
        ("b", 2, (PUSH, 1, False), (PUSH,)),
    ]
    assert len({step.id for step in checkpoint.steps}) == 2


def test_a_node_may_be_due_by_an_edge_and_by_sends_at_once() -> None:
    assert [(step.node, step.arg) for step in after("b", Send("b", 1)).steps] == [("b", MISSING), ("b", 1)]


@pytest.mark.parametrize("goto", [(Send("nowhere", 1),), ("nowhere",), (END,)])
def test_what_no_node_answers_to_leads_nowhere(goto: tuple[Any, ...]) -> None:
    assert after(*goto).steps == ()


def test_deferred_nodes_wait_for_sends_as_well() -> None:
    checkpoint = after("late", Send("b", 1))

    assert [step.node for step in checkpoint.steps] == ["b"]
    assert checkpoint.deferred == ("late",)


@given(st.integers(min_value=2, max_value=30), st.randoms(use_true_random=False))
def test_the_writes_of_sends_are_applied_in_the_order_in_which_they_were_sent(count: int, noise: random.Random) -> None:
    fanned = after(*(Send("b", number) for number in range(count)))
    results = [Result(step, ({"trail": [step.arg]},)) for step in fanned.steps]
    noise.shuffle(results)

    assert plan_next(graph(), fanned, results, "3-3").values == {"trail": list(range(count))}


def test_a_callers_command_writes_and_goes_somewhere_beside_what_is_due() -> None:
    standing_at = standing("a")

    checkpoint = plan_command(graph(), standing_at, Written(({"trail": ["mine"]},), ("b", "a", Send("b", 7))), "2-2")

    assert checkpoint.values == {"trail": ["mine"]}
    assert [(step.node, step.arg) for step in checkpoint.steps] == [("a", MISSING), ("b", MISSING), ("b", 7)]
    assert (checkpoint.source, checkpoint.parent_id, checkpoint.number) == ("update", "1-1", 1)


CHANNELS = graph().channels


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, Written()),
        ({"trail": [1]}, Written(({"trail": [1]},))),
        (Command(), Written()),
        (Command(update={"trail": [1], "other": 2}), Written(({"trail": [1]},))),
        (Command(update=[("trail", [1])]), Written(({"trail": [1]},))),
        (Command(goto="b"), Written((), ("b",))),
        (Command(goto=["b", Send("a", 1)]), Written((), ("b", Send("a", 1)))),
        ([{"trail": [1]}, Command(update={"trail": [2]}, goto="b")], Written(({"trail": [1]}, {"trail": [2]}), ("b",))),
    ],
)
def test_a_return_value_says_what_is_written_and_where_to_go(returned: Any, said: Written) -> None:
    assert written(returned, CHANNELS) == said


@pytest.mark.parametrize("returned", ["text", 7, [1], [{"trail": [1]}], Command(update="text"), Command(goto=[7])])  # type: ignore[list-item]
def test_other_return_values_are_refused(returned: Any) -> None:
    with pytest.raises(InvalidUpdateError, match="Expected"):
        written(returned, CHANNELS)


def test_a_send_to_the_end_is_refused() -> None:
    with pytest.raises(InvalidUpdateError, match="END"):
        written(Command(goto=Send(END, 1)), CHANNELS)


def test_what_a_node_does_to_a_sent_state_afterwards_changes_nothing() -> None:
    sent = {"items": [1]}
    said = written(Command(goto=Send("b", sent)), CHANNELS)

    sent["items"].append(2)

    assert said.goto == (Send("b", {"items": [1]}),)
