"""The commands about schedules, and those that show what begins later."""

import json
from typing import Any

import click
import pytest

from scheduler.delayed import DelayedRuns
from treadle.graph import CompiledStateGraph
from workers.commands.schedule import schedule
from workers.desk import Desk

from .conftest import Treadle

CREATE = ("schedule", "create", "nightly", "sample", "--cron", "0 2 * * *", "--zone", "Europe/Berlin")


def answer(treadle: Treadle, *arguments: str) -> Any:
    """Return what a command answers a program."""
    result = treadle(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("command", schedule.commands.values(), ids=schedule.commands)
def test_every_command_has_an_example_and_an_answer_for_programs(command: click.Command) -> None:
    told = command.get_help(click.Context(command))

    assert f"treadle schedule {command.name}" in told
    assert "--json" in told
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []


def test_a_schedule_is_created_shown_paused_resumed_and_deleted(treadle: Treadle, store: str) -> None:
    created = answer(treadle, *CREATE, "--input", '{"text": "x"}', "--until", "2090-01-01")
    assert (created["id"], created["status"], created["cron"]) == ("nightly", "active", "0 2 * * *")
    assert created["until_ms"] == 3_786_912_000_000

    assert "Europe/Berlin" in treadle("schedule", "list").stdout
    assert answer(treadle, "schedule", "list", "--graph", "other") == []
    assert "each run its own" in treadle("schedule", "show", "nightly").stdout
    assert answer(treadle, "schedule", "pause", "nightly")["next_ms"] is None
    assert "ticks next at" in treadle("schedule", "resume", "nightly").stdout
    assert answer(treadle, "schedule", "delete", "nightly", "--yes") == {"schedule": "nightly", "deleted": True}
    assert "There are no schedules" in treadle("schedule", "list").stdout


def test_a_schedule_is_triggered_and_tells_what_became_of_it(treadle: Treadle, store: str) -> None:
    treadle(*CREATE, "--input", '{"text": "x"}', "--thread", "t-1", "--on-busy", "wait")

    started = answer(treadle, "schedule", "trigger", "nightly")

    assert (started["thread_id"], started["kind"]) == ("t-1", "trigger")
    (told,) = answer(treadle, "schedule", "show", "nightly")["history"]
    assert (told["run_id"], told["status"]) == (started["run_id"], "pending")
    assert "delayed" in treadle("pending", "t-1").stdout


def test_the_runs_of_a_schedule_are_as_urgent_as_it_says(treadle: Treadle, store: str) -> None:
    treadle(*CREATE, "--input", '{"text": "x"}', "--thread", "t-1", "--priority", "2")
    started, desk = answer(treadle, "schedule", "trigger", "nightly"), Desk()

    assert DelayedRuns(desk.client).begin("t-1", started["run_id"], desk.graphs) == "begun"

    assert [step["priority"] for step in answer(treadle, "pending", "t-1")] == [2]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--cron", "every day"), "no cron expression"),
        (("--zone", "Mars"), "no time zone"),
        (("--input", '{"txet": 1}'), "txet"),
        (("--until", "1999-01-01"), "never ticks"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_said(treadle: Treadle, store: str, more: tuple[str, str], said: str) -> None:
    result = treadle(*CREATE, *more)

    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_schedule_that_is_not_there_is_told(treadle: Treadle, store: str) -> None:
    for command in ("show", "pause", "resume", "trigger", "delete"):
        result = treadle("schedule", command, "nobody")
        assert result.exit_code == 2
        assert "There is no schedule 'nobody'" in result.stderr


def test_an_id_is_taken_until_it_is_replaced(treadle: Treadle, store: str) -> None:
    treadle(*CREATE)

    assert "already" in treadle(*CREATE).stderr
    assert answer(treadle, *CREATE, "--cron", "@hourly", "--replace")["cron"] == "@hourly"


def test_a_run_that_begins_later_is_pending_and_can_be_cancelled(
    treadle: Treadle, store: str, graph: CompiledStateGraph
) -> None:
    begun = answer(treadle, "run", "sample", "--thread", "t-9", "--input", '{"text": "x"}', "--delay", "3600")
    assert begun["status"] == "pending"

    (waiting,) = answer(treadle, "pending", "t-9")
    assert (waiting["run_id"], waiting["state"]) == (begun["run"], "delayed")
    assert answer(treadle, "cancel", "t-9", "--run", begun["run"])["cancelled"]
    assert Desk().client.runs.status("t-9", begun["run"]) == "cancelled"
    assert "There is no thread" in treadle("pending", "t-9").stderr
