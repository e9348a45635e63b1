"""The values with which graphs are steered."""

from datetime import timedelta
from typing import Any, Literal, get_args

import pytest

from graphs.commands import Command, Interrupt, Send, StateUpdate
from graphs.errors import InvalidGraph
from graphs.timeouts import TimeoutPolicy


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (Command(), "Command()"),
        (Command(goto="b"), "Command(goto='b')"),
        (Command(goto=Send("2", 3)), "Command(goto=Send(node='2', arg=3))"),
        (Command(update={"a": 1}, resume=0), "Command(update={'a': 1}, resume=0)"),
    ],
)
def test_a_command_shows_what_was_set(command: Command[Any], shown: str) -> None:
    assert repr(command) == shown


@pytest.mark.parametrize(
    ("goto", "targets"),
    [((), ()), ("a", ("a",)), (Send("a", 1), (Send("a", 1),)), (["a", Send("b", 2)], ("a", Send("b", 2)))],
)
def test_targets_are_one_or_many(goto: object, targets: tuple[object, ...]) -> None:
    assert Command(goto=goto).targets == targets  # type: ignore[arg-type]


def test_a_command_as_an_annotation_says_where_a_node_may_go() -> None:
    assert get_args(Command[Literal["a", "b"]]) == (Literal["a", "b"],)


@pytest.mark.parametrize(
    ("send", "shown"),
    [
        (Send("2", 3), "Send(node='2', arg=3)"),
        (Send("2", None), "Send(node='2', arg=None)"),
        (Send("2", 3, timeout=5), "Send(node='2', arg=3, timeout=TimeoutPolicy(run_timeout=5.0, idle_timeout=None, "),
    ],
)
def test_a_send_shows_its_time_limit_where_it_has_one(send: Send, shown: str) -> None:
    assert repr(send).startswith(shown)


def test_sends_are_compared_by_node_argument_and_time_limit() -> None:
    assert Send("a", [1]) == Send("a", [1])
    assert Send("a", [1], timeout=60) == Send("a", [1], timeout=timedelta(minutes=1))
    assert Send("a", 1) not in (Send("b", 1), Send("a", 2), Send("a", 1, timeout=5))


def test_the_time_limit_of_a_send_is_a_policy() -> None:
    assert Send("a", 1, timeout=5).timeout == TimeoutPolicy(run_timeout=5.0)

    with pytest.raises(InvalidGraph, match="timeout of a Send to 'a' must be a positive number"):
        Send("a", 1, timeout=-5)


def test_a_state_update_is_a_tuple_of_which_only_the_values_are_needed() -> None:
    assert StateUpdate({"a": 1}) == ({"a": 1}, None, None)
    assert StateUpdate({"a": 1}, "node", "task") == ({"a": 1}, "node", "task")


def test_interrupts_are_compared_by_all_they_hold() -> None:
    assert Interrupt("?", "1") == Interrupt("?", "1")
    assert Interrupt("?", "1") != Interrupt("?", "1", {"type": "string"})
