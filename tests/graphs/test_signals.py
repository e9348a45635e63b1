"""Signals: they pass through code that catches every error."""

import pytest

from graphs.commands import Command
from graphs.signals import ParentCommand


def test_a_command_for_the_graph_above_is_not_swallowed_by_a_node() -> None:
    command = Command(graph=Command.PARENT, goto="next")

    def careless() -> None:
        try:
            raise ParentCommand(command)
        except Exception:
            pytest.fail("a node caught it")

    with pytest.raises(ParentCommand) as caught:
        careless()

    assert caught.value.args[0] is caught.value.command is command
