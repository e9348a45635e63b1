"""The commands about inputs that wait for their turn."""

import json
from typing import Any

import click
import pytest

from treadle.checkpoint.redis import RedisSaver
from workers.commands.inputs import inputs

from .conftest import Treadle


def answer(treadle: Treadle, *arguments: str) -> Any:
    """Return what a command answers a program."""
    result = treadle(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def run(treadle: Treadle, text: str, *options: str) -> Any:
    """Begin a run, or let it wait."""
    given = ("--thread", "t-1", "--input", json.dumps({"text": text}), "--detach")
    return answer(treadle, "run", "sample", *given, *options)["run"]


@pytest.mark.parametrize("command", inputs.commands.values(), ids=inputs.commands)
def test_every_command_has_an_example_and_an_answer_for_programs(command: click.Command) -> None:
    told = command.get_help(click.Context(command))

    assert f"treadle inputs {command.name}" in told
    assert "--json" in told


def test_inputs_are_enqueued_listed_reordered_and_dropped(treadle: Treadle, store: str) -> None:
    run(treadle, "active")
    one, two, three = (run(treadle, text, "--on-busy", "enqueue") for text in ("1", "2", "3"))

    assert [line["run_id"] for line in answer(treadle, "inputs", "list", "t-1")] == [one, two, three]
    assert '{"text": "2"}' in treadle("inputs", "list", "t-1").stdout
    assert "enqueued" in treadle("pending", "t-1").stdout
    assert answer(treadle, "inputs", "move", "t-1", three[:12], "0")["runs"] == [three, one, two]
    assert answer(treadle, "inputs", "remove", "t-1", one, "--reason", "twice") == {"thread": "t-1", "removed": True}
    assert treadle("inputs", "remove", "t-1", one).exit_code != 0
    assert not answer(treadle, "inputs", "release", "t-1", "--yes")["released"]
    assert answer(treadle, "cancel", "t-1", "--run", two)["cancelled"]
    assert answer(treadle, "inputs", "clear", "t-1", "--yes")["removed"] == 1
    assert "No input waits" in treadle("inputs", "list", "t-1").stdout
    assert "enqueued" in treadle("log", "t-1").stdout


def test_an_input_of_a_thread_that_is_not_there_is_an_error(treadle: Treadle, store: str) -> None:
    assert "There is no thread" in treadle("inputs", "list", "nobody").stderr
    assert treadle("inputs", "move", "nobody", "1", "0").exit_code != 0


@pytest.mark.parametrize("how", ["interrupt", "rollback"])
def test_an_urgent_input_goes_first(treadle: Treadle, store: str, how: str) -> None:
    active = run(treadle, "active")
    later = run(treadle, "later", "--on-busy", "enqueue")
    urgent = run(treadle, "now", "--on-busy", how)

    assert [line["run_id"] for line in answer(treadle, "inputs", "list", "t-1")] == [urgent, later]
    status = RedisSaver(store).client.runs.status("t-1", active)
    assert status == ("cancelled" if how == "rollback" else "pending")
