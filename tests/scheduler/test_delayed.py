"""Runs that begin later: noted, announced, begun once, put off, cancelled."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from graphs.commands import Command
from graphs.errors import InvalidSleep
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.delayed import DelayedRun, DelayedRuns, Start
from scheduler.dispatch import Inline
from scheduler.errors import InvalidConfig, RunCancelled
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import THREAD, begin, everything, kinds, line, play

LINE = line("a", "b")
GRAPHS = {"line": LINE}


@pytest.fixture
def delayed(client: Client) -> DelayedRuns:
    return DelayedRuns(client)


@pytest.fixture
def rival(elsewhere: Client) -> DelayedRuns:
    return DelayedRuns(elsewhere)


def put(delayed: DelayedRuns, at: Any = 3600, **config: Any) -> DelayedRun:
    parsed = parse({"thread_id": THREAD, "on_busy": "wait", **config})
    return delayed.put(Start(LINE, parsed, {"said": ["in"]}, at=at))


def come(connection: Connection, run: DelayedRun) -> None:
    """Let the moment of a run come."""
    place = connection.place(run.thread_id, run.run_id)
    connection.client.hset(place.named("run"), "begins", 1)
    connection.client.zadd(place.keys.due, {place.start_member(): 1})


def test_a_run_that_waits_leaves_its_thread_alone(client: Client, steps: Steps, delayed: DelayedRuns) -> None:
    waiting = put(delayed)

    assert client.threads.find(THREAD) is None
    assert client.runs.status(THREAD, waiting.run_id) == "pending"
    assert delayed.list(THREAD) == [waiting]
    play(steps, LINE, begin(client, LINE, {}).orders)
    assert delayed.list(THREAD) == [waiting]


def test_a_run_is_announced_when_its_moment_has_come_and_not_before(
    connection: Connection, delayed: DelayedRuns, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    waiting = put(delayed)

    watchdog.sweep()
    assert dispatcher.announced == []
    come(connection, waiting)
    watchdog.sweep()
    watchdog.sweep()

    assert dispatcher.announced == [(THREAD, waiting.run_id, None)]


def test_a_run_begins_once_however_often_it_is_announced(
    client: Client, connection: Connection, delayed: DelayedRuns, rival: DelayedRuns
) -> None:
    waiting = put(delayed)
    come(connection, waiting)

    assert delayed.begin(THREAD, waiting.run_id, GRAPHS) == "begun"
    assert rival.begin(THREAD, waiting.run_id, GRAPHS) == "over"

    assert kinds(client) == ["created", "started"]
    assert delayed.list(THREAD) == []
    assert client.threads.get(THREAD).run_id == waiting.run_id


def test_a_worker_that_dies_before_it_says_that_the_run_has_begun_costs_nothing(
    client: Client,
    connection: Connection,
    delayed: DelayedRuns,
    watchdog: Watchdog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = put(delayed)
    come(connection, waiting)
    with monkeypatch.context() as dying:
        dying.setattr("scheduler.delayed.settle", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            delayed.begin(THREAD, waiting.run_id, GRAPHS)

    watchdog.sweep()

    assert delayed.list(THREAD) == []
    assert delayed.begin(THREAD, waiting.run_id, GRAPHS) == "over"
    assert kinds(client) == ["created", "started"]


def test_two_workers_that_begin_a_run_at_the_same_time_begin_it_once(
    client: Client, elsewhere: Client, connection: Connection, delayed: DelayedRuns, rival: DelayedRuns
) -> None:
    waiting = put(delayed)
    seen = rival._waiting(THREAD, waiting.run_id)
    assert seen is not None

    delayed.begin(THREAD, waiting.run_id, GRAPHS)
    elsewhere.start(LINE, replace(seen.config, on_busy="reject"), seen.input)

    assert kinds(client) == ["created", "started"]
    assert client.log.verify(THREAD) is None


def test_a_run_whose_thread_is_busy_is_tried_again(
    client: Client, steps: Steps, connection: Connection, delayed: DelayedRuns
) -> None:
    waiting, orders = put(delayed), begin(client, LINE, {}).orders
    come(connection, waiting)

    assert delayed.begin(THREAD, waiting.run_id, GRAPHS) == "busy"
    play(steps, LINE, orders)
    assert delayed.begin(THREAD, waiting.run_id, GRAPHS) == "begun"


def test_a_run_that_shall_not_wait_for_its_thread_fails(client: Client, delayed: DelayedRuns) -> None:
    waiting = put(delayed, on_busy="reject")
    begin(client, LINE, {})

    assert delayed.begin(THREAD, waiting.run_id, GRAPHS) == "failed"
    assert client.runs.status(THREAD, waiting.run_id) == "error"


def test_a_run_whose_graph_nobody_knows_fails_after_a_while(
    client: Client, connection: Connection, delayed: DelayedRuns, watchdog: Watchdog
) -> None:
    waiting = put(delayed)
    come(connection, waiting)

    assert delayed.begin(THREAD, waiting.run_id, {}) == "unknown"
    connection.client.hset(connection.place(THREAD, waiting.run_id).named("run"), "sends", 12)
    assert delayed.begin(THREAD, waiting.run_id, {}) == "failed"
    assert delayed.list(THREAD) == []


def test_a_cancelled_run_never_begins(client: Client, connection: Connection, delayed: DelayedRuns) -> None:
    waiting = put(delayed)

    assert client.runs.cancel(THREAD, waiting.run_id)
    assert not client.runs.cancel(THREAD, waiting.run_id)

    assert delayed.begin(THREAD, waiting.run_id, GRAPHS) == "over"
    assert client.threads.find(THREAD) is None
    assert client.wait(THREAD, waiting.run_id, 5) == "cancelled"
    with pytest.raises(RunCancelled):
        client.outcome(THREAD, waiting.run_id)


def test_a_run_that_is_cancelled_while_it_begins_has_begun_or_never_will(
    client: Client, elsewhere: Client, delayed: DelayedRuns, rival: DelayedRuns
) -> None:
    waiting = put(delayed)
    seen = rival._waiting(THREAD, waiting.run_id)
    assert seen is not None

    assert client.runs.cancel(THREAD, waiting.run_id)
    with pytest.raises(Exception, match="cancelled"):
        elsewhere.start(LINE, replace(seen.config, on_busy="reject"), seen.input)

    assert client.threads.find(THREAD) is None


def test_a_run_that_has_begun_is_cancelled_as_any_other(client: Client, delayed: DelayedRuns) -> None:
    waiting = put(delayed)
    delayed.begin(THREAD, waiting.run_id, GRAPHS)

    assert client.runs.cancel(THREAD, waiting.run_id)
    assert kinds(client)[-1] == "finished"


@pytest.mark.usefixtures("sent_twice")
def test_scripts_that_are_sent_twice_do_no_more(client: Client, delayed: DelayedRuns) -> None:
    waiting = put(delayed)
    assert delayed.begin(THREAD, waiting.run_id, GRAPHS) == "begun"

    assert kinds(client) == ["created", "started"]


def test_a_deleted_thread_takes_its_waiting_runs_with_it(
    client: Client, steps: Steps, delayed: DelayedRuns, watchdog: Watchdog, redis: Redis
) -> None:
    waiting = put(delayed)
    play(steps, LINE, begin(client, LINE, {}).orders)

    client.threads.delete(THREAD)
    assert everything(redis) == {}
    redis.zadd(
        client.connection.place(THREAD).keys.due, {client.connection.place(THREAD, waiting.run_id).start_member(): 1}
    )
    watchdog.sweep()

    assert everything(redis) == {}


def test_runs_that_wait_for_a_thread_that_is_not_there_go_with_it_too(
    client: Client, delayed: DelayedRuns, redis: Redis
) -> None:
    put(delayed)
    put(delayed)

    client.threads.delete(THREAD)

    assert everything(redis) == {}


def test_a_run_that_is_noted_while_its_thread_is_deleted_leaves_nothing_either(
    client: Client, delayed: DelayedRuns, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.threads.create(THREAD)
    delete, interferences = client.connection.scripts.delete_thread, iter([True])

    def after_somebody_else(*args: Any) -> Any:
        if next(interferences, False):
            put(delayed)
        return delete(*args)

    monkeypatch.setattr(client.connection.scripts, "delete_thread", after_somebody_else)

    client.threads.delete(THREAD)

    assert everything(redis) == {}


def test_a_cancelled_run_of_a_thread_that_is_not_there_goes_by_itself(
    client: Client, delayed: DelayedRuns, redis: Redis
) -> None:
    waiting = put(delayed)

    client.runs.cancel(THREAD, waiting.run_id)

    assert client.runs.status(THREAD, waiting.run_id) == "cancelled"
    assert [redis.pttl(key) > 0 for key in everything(redis)] == [True]


def test_what_cannot_begin_is_refused_when_it_is_noted(redis: Redis, delayed: DelayedRuns) -> None:
    inline = Client(open_connection(redis, Settings(), Inline()), lambda call: call())
    config = parse({"thread_id": THREAD})
    refused: list[tuple[DelayedRuns, Start, type[Exception]]] = [
        (DelayedRuns(inline), Start(LINE, config, {}, at=1), InvalidConfig),
        (delayed, Start(LINE, config, Command(resume=1), at=1), InvalidConfig),
        (delayed, Start(LINE, config, 5, at=1), Exception),
        (delayed, Start(LINE, config, {}, at=-1), InvalidSleep),
        (delayed, Start(LINE, config, {}, at=datetime(2100, 1, 1)), InvalidSleep),
        (delayed, Start(LINE, config, {}, at=datetime.now(UTC) + timedelta(days=40_000)), InvalidSleep),
    ]

    for runs, start, error in refused:
        with pytest.raises(error):
            runs.put(start)
    assert everything(redis) == {}
