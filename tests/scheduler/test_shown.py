"""What steps did, in the forms in which users see it."""

import operator
from typing import Annotated, Any

import pytest

from graphs.builder import GraphBuilder
from graphs.checkpoint import PULL, PUSH, Step
from graphs.commands import END, PREVIOUS, START
from graphs.schema import ROOT
from scheduler.shown import in_start_order, result_shown, update_shown, writes_shown, wrote_any


@pytest.mark.parametrize(
    ("updates", "shown"),
    [
        ((), {}),
        (({"a": 1, "b": 2},), {"a": 1, "b": 2}),
        (({"a": 1}, {"a": 2, "b": 3}), {"a": {"$writes": [1, 2]}, "b": 3}),
        (({ROOT: [1]},), {ROOT: [1]}),
        (({END: 1, PREVIOUS: 2},), {END: 1}),
    ],
)
def test_the_writes_of_a_step_show_by_key(updates: Any, shown: Any) -> None:
    assert writes_shown(updates) == shown


def test_the_result_of_a_state_of_one_value_is_bare() -> None:
    graph = GraphBuilder(Annotated[list[int], operator.add]).add_node("a", lambda _: None).add_edge(START, "a")

    assert result_shown(({ROOT: [1]},), graph.build("g", None, None)) == [1]


@pytest.mark.parametrize(
    ("updates", "keys", "shown"),
    [
        ((), None, None),
        (({"a": 1, "b": 2},), None, {"a": 1, "b": 2}),
        (({"a": 1}, {"b": 2}), None, {"a": 1, "b": 2}),
        (({"a": 1}, {"a": 2, "b": 3}), None, [{"a": 1}, {"a": 2}, {"b": 3}]),
        (({"a": 1, "b": 2},), ["a"], {"a": 1}),
        (({"a": 1, "b": 2},), "a", 1),
        (({"a": 1}, {"a": 2}), "a", [1, 2]),
        (({"b": 2},), ["a"], None),
        (({"b": 2},), "a", None),
        (({ROOT: [1]},), None, [1]),
        (({END: None, PREVIOUS: 2},), None, None),
    ],
)
def test_an_update_is_one_mapping_or_one_for_each_write_of_a_key_written_twice(
    updates: Any, keys: Any, shown: Any
) -> None:
    assert update_shown(updates, keys) == shown


@pytest.mark.parametrize(("keys", "wrote"), [(None, True), ("a", True), (["b", "a"], True), ("b", False), ([], False)])
def test_a_step_wrote_if_it_wrote_a_key_that_is_shown(keys: Any, wrote: bool) -> None:
    assert wrote_any(({"a": None},), keys) is wrote


def test_steps_that_were_sent_are_said_to_start_first() -> None:
    pulled = [Step(name, name, (PULL, name), ()) for name in ("b", "z")]
    sent = [Step(str(index), "m", (PUSH, index), (PUSH,)) for index in (2, 10)]

    assert in_start_order([*pulled, *sent]) == [*sent, *pulled]
