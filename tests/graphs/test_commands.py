"""The values with which graphs are steered."""

import pytest

from graphs.commands import Command, Interrupt, Send


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (Command(), "Command()"),
        (Command(goto="b"), "Command(goto='b')"),
        (Command(goto=Send("2", 3)), "Command(goto=Send(node='2', arg=3))"),
        (Command(update={"a": 1}, resume=0), "Command(update={'a': 1}, resume=0)"),
    ],
)
def test_a_command_shows_what_was_set(command: Command, shown: str) -> None:
    assert repr(command) == shown


@pytest.mark.parametrize(
    ("goto", "targets"),
    [((), ()), ("a", ("a",)), (Send("a", 1), (Send("a", 1),)), (["a", Send("b", 2)], ("a", Send("b", 2)))],
)
def test_targets_are_one_or_many(goto: object, targets: tuple[object, ...]) -> None:
    assert Command(goto=goto).targets == targets  # type: ignore[arg-type]


def test_interrupts_are_compared_by_all_they_hold() -> None:
    assert Interrupt("?", "1") == Interrupt("?", "1")
    assert Interrupt("?", "1") != Interrupt("?", "1", {"type": "string"})
