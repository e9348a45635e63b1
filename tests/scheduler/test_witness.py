"""Who is told of runs: of each beginning before it, and of each end once, whoever ends it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.failure import lost, parked
from scheduler.lifecycle import RunStatus
from scheduler.run import Run
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from scheduler.witness import Witness
from tests.fakes import RecordingDispatcher

from .stage import THREAD, begin, claim, line, play
from .test_defaults import ask

LINE = line("a", "b")


class Heard(Witness):
    """Takes notes, and gives each run a trace of its own."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, RunStatus]] = []
        self.before: dict[str, str | None] = {}

    def begin(
        self, graph: str, thread_id: str, start: Callable[[str | None], Any], before: Callable[[Any], Any]
    ) -> Any:
        started = start(f"trace-{len(self.before)}")
        earlier = before(started)
        self.before[started.run.id] = earlier and earlier.id
        return started

    def ended(self, run: Callable[[], Run], status: RunStatus) -> None:
        self.ends.append((run().id, status))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def connection(redis: Redis, dispatcher: RecordingDispatcher, heard: Heard) -> Connection:
    return open_connection(redis, Settings(), dispatcher, heard)


def test_each_end_is_told_once_whatever_it_is(client: Client, steps: Steps, heard: Heard) -> None:
    done = begin(client, LINE, {})
    play(steps, LINE, done.orders)
    stopped = begin(client, LINE, {}, interrupt_before=["a"])
    failed = begin(client, LINE, {}, thread_id="f")
    steps.fail(claim(steps, failed.orders[0].ref), None, lost("a", 3))
    outdated = begin(client, LINE, {}, thread_id="p")
    steps.end(claim(steps, outdated.orders[0].ref), parked("another shape"))
    unwanted = begin(client, LINE, {}, thread_id="c")
    assert client.runs.cancel("c", unwanted.run.id)
    assert not client.runs.cancel("c", unwanted.run.id)

    assert heard.ends == [
        (done.run.id, RunStatus.SUCCESS),
        (stopped.run.id, RunStatus.INTERRUPTED),
        (failed.run.id, RunStatus.ERROR),
        (outdated.run.id, RunStatus.INTERRUPTED),
        (unwanted.run.id, RunStatus.CANCELLED),
    ]


def test_a_run_that_is_taken_back_has_ended_and_the_next_one_keeps_its_trace(client: Client, heard: Heard) -> None:
    first = begin(client, LINE, {})

    instead = begin(client, LINE, {}, on_busy="rollback")

    assert heard.ends == [(first.run.id, RunStatus.CANCELLED)]
    assert first.run.trace == "trace-0"
    assert instead.queued
    assert heard.before == {first.run.id: None, instead.run.id: None}


def test_a_run_is_told_with_the_one_that_its_thread_had_before(client: Client, steps: Steps, heard: Heard) -> None:
    first = begin(client, LINE, {})
    play(steps, LINE, first.orders)
    second = begin(client, LINE, {})

    assert heard.before == {first.run.id: None, second.run.id: first.run.id}
    assert client.runs.get(THREAD, second.run.id).trace == "trace-1"


def test_a_run_that_only_answers_has_a_trace_of_its_own(
    client: Client, steps: Steps, heard: Heard, watchdog: Watchdog
) -> None:
    asks = line("ask")
    asked = begin(client, asks, {})
    ask(steps, asks, asked.orders[0].ref)

    assert watchdog.sweep()["answered"] == 1

    answers = client.runs.recent(THREAD, 1)[0]
    assert (answers.trace, heard.before[answers.id]) == ("trace-1", asked.run.id)


def test_a_run_that_has_waited_goes_on_with_the_trace_of_whoever_let_it_wait(client: Client, heard: Heard) -> None:
    config = replace(parse({"thread_id": THREAD}), trace="given")

    assert client.start(LINE, config, {}).run.trace == "given"
    assert heard.before == {}
