"""Runs that wait, for their moment or for their turn, tell their webhook how they end: also those that never begin."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.delayed import DelayedRuns, Start
from scheduler.inputs import Inputs
from scheduler.schedule import Plan
from scheduler.schedules import Schedules
from scheduler.settings import Settings
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher

from .stage import THREAD, begin, line, play
from .test_deliveries import SECRET, URL, delivering, due, now_due

LINE = line("a", "b")
GRAPHS = {"line": LINE}
WEBHOOK = {"url": URL, "include": ["output", "questions", "error"]}

#: Lets a run wait; returns its thread and its id.
Wait = Callable[[Client], tuple[str, str]]


@pytest.fixture
def connection(redis: Redis, dispatcher: RecordingDispatcher, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A store whose schedulers can sign."""
    monkeypatch.setenv("TREADLE_WEBHOOK_SECRET", SECRET)
    return open_connection(redis, Settings(), dispatcher)


def later(client: Client, webhook: Any = WEBHOOK) -> tuple[str, str]:
    config = parse({"thread_id": THREAD, "on_busy": "wait", "webhook": webhook})
    return THREAD, DelayedRuns(client).put(Start(LINE, config, {"said": ["in"]}, at=3600)).run_id


def queued(client: Client, on_busy: str = "enqueue", webhook: Any = WEBHOOK) -> tuple[str, str]:
    begin(client, LINE, {"said": ["before"]})
    waiting = begin(client, LINE, {"said": ["in"]}, on_busy=on_busy, webhook=webhook)
    assert waiting.queued
    return THREAD, waiting.run.id


def urgent(client: Client) -> tuple[str, str]:
    return queued(client, "interrupt")


def ticked(client: Client) -> tuple[str, str]:
    schedules = Schedules(client.connection)
    config = parse({"thread_id": "(each)", "on_busy": "wait", "webhook": WEBHOOK})
    schedules.create(Plan("s", "", "* * * * *"), Start(LINE, config, {"said": ["in"]}))
    started = schedules.trigger("s")
    return str(started.thread_id), str(started.run_id)


def cancel(client: Client, thread_id: str, run_id: str) -> None:
    assert client.runs.cancel(thread_id, run_id, "changed my mind")


def give_up(client: Client, thread_id: str, run_id: str) -> None:
    """Let no worker know the graph, as often as they may not."""
    client.connection.client.hset(client.connection.place(thread_id, run_id).named("run"), "sends", 12)
    assert DelayedRuns(client).begin(thread_id, run_id, {}) == "failed"


def remove(client: Client, thread_id: str, run_id: str) -> None:
    assert Inputs(client.connection, thread_id).remove(run_id, "changed my mind")


@pytest.mark.parametrize("wait", [later, queued, urgent, ticked])
@pytest.mark.parametrize(("end", "status"), [(cancel, "cancelled"), (give_up, "error")])
def test_one_that_never_begins_is_told(client: Client, wait: Wait, end: Any, status: str) -> None:
    thread_id, run_id = wait(client)
    deliveries, receiver = delivering(client)
    assert deliveries.attempt(thread_id, run_id) == ""  # nothing has ended as yet

    end(client, thread_id, run_id)

    assert deliveries.attempt(thread_id, run_id) == "delivered"
    told = receiver.last()
    assert (told["type"], told["status"], told["run_id"], told["graph"]) == ("run.ended", status, run_id, "line")
    assert (told["started_at"], told["checkpoint_id"]) == (None, None)
    assert told["ended_at"] and told["error"]
    assert receiver.sent[0].url == URL


@pytest.mark.parametrize("wait", [queued, urgent])
def test_one_that_is_removed_from_the_line_is_told(client: Client, wait: Wait) -> None:
    thread_id, run_id = wait(client)

    remove(client, thread_id, run_id)

    deliveries, receiver = delivering(client)
    assert due(client, run_id) is not None
    assert deliveries.attempt(thread_id, run_id) == "delivered"
    assert "changed my mind" in receiver.last()["error"]
    assert [one.state for one in deliveries.of_thread(thread_id)] == ["delivered"]


@pytest.mark.parametrize("wait", [later, queued, urgent, ticked])
def test_one_that_begins_is_told_once_when_it_has_ended(client: Client, steps: Steps, wait: Wait) -> None:
    thread_id, run_id = wait(client)
    active = client.threads.find(thread_id)
    if active is not None:
        client.runs.cancel(thread_id, str(active.run_id))
    deliveries, receiver = delivering(client)
    assert deliveries.attempt(thread_id, run_id) == ""
    client.connection.dispatcher.sent.clear()  # type: ignore[attr-defined]

    assert DelayedRuns(client).begin(thread_id, run_id, GRAPHS) == "begun"
    play(steps, LINE, client.connection.dispatcher.sent[:])  # type: ignore[attr-defined]

    assert deliveries.attempt(thread_id, run_id) == "delivered"
    assert (receiver.last()["status"], receiver.last()["output"]["said"][-3:]) == ("success", ["in", "a", "b"])
    now_due(client, run_id)
    assert deliveries.attempt(thread_id, run_id) == ""


@pytest.mark.parametrize("wait", [later, queued])
def test_one_without_a_webhook_tells_nobody(client: Client, wait: Any) -> None:
    thread_id, run_id = wait(client, webhook=None)

    cancel(client, thread_id, run_id)

    assert due(client, run_id) is None
    assert delivering(client)[0].attempt(thread_id, run_id) == ""


@pytest.mark.usefixtures("sent_twice")
@pytest.mark.parametrize("wait", [later, queued])
def test_scripts_that_are_sent_twice_let_it_fall_due_all_the_same(client: Client, wait: Wait) -> None:
    thread_id, run_id = wait(client)

    client.runs.cancel(thread_id, run_id)

    assert client.runs.status(thread_id, run_id) == "cancelled"
    assert due(client, run_id) is not None
