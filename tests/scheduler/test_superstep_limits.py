"""The time limit of a superstep, and that of a step which a Send gave it."""

from dataclasses import replace

import pytest

from graphs.commands import START, Send
from graphs.graph import Graph
from graphs.timeouts import TimeoutPolicy
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.lifecycle import RunStatus
from scheduler.steps import Steps
from scheduler.storing import Started
from scheduler.watchdog import Watchdog

from .stage import THREAD, begin, branching, claim, finish, line, now_ms

LINE = line("a", "b", "c")


def limited(client: Client, graph: Graph, limit_s: float, **config: float) -> Started:
    return client.start(graph, replace(parse({"thread_id": THREAD, **config}), step_timeout_s=limit_s), {})


def look_now(connection: Connection, started: Started) -> None:
    """Let the time of the superstep pass."""
    place = connection.place(THREAD, started.run.id)
    connection.client.hset(place.named("run"), "superstep_deadline", 1)
    connection.client.zadd(place.keys.due, {place.run_member(): 1})


def run_due_ms(connection: Connection, started: Started) -> float | None:
    place = connection.place(THREAD, started.run.id)
    return connection.redis.zmscore(place.keys.due, [place.run_member()])[0]


def test_a_superstep_past_its_limit_ends_the_run(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog
) -> None:
    started = limited(client, LINE, 2.5)
    claim(steps, started.orders[0].ref)
    look_now(connection, started)

    watchdog.sweep()

    assert client.runs.status(THREAD, started.run.id) is RunStatus.TIMEOUT
    with pytest.raises(TimeoutError, match=r"superstep ran longer than its time limit of 2\.5 s"):
        client.outcome(THREAD, started.run.id)
    assert [order.node for order in begin(client, LINE).orders] == ["a"]


def test_each_superstep_begins_its_time_anew(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog
) -> None:
    started = limited(client, LINE, 60)
    look_now(connection, started)
    (order,) = finish(steps, LINE, started.orders[0].ref).orders

    watchdog.sweep()

    assert client.runs.status(THREAD, started.run.id) is RunStatus.RUNNING
    assert 59_000 < (run_due_ms(connection, started) or 0) - now_ms(connection) <= 60_000
    assert claim(steps, order.ref).step.node == "b"


def test_the_limit_of_the_run_is_looked_at_when_it_is_nearer(client: Client, connection: Connection) -> None:
    started = limited(client, LINE, 60, timeout=5)

    assert (run_due_ms(connection, started) or 0) - now_ms(connection) <= 5_000


def test_a_run_without_such_a_limit_is_not_looked_at(client: Client, connection: Connection, steps: Steps) -> None:
    started = begin(client, LINE, {})
    finish(steps, LINE, started.orders[0].ref)

    assert run_due_ms(connection, started) is None


def test_the_time_limit_of_a_send_is_that_of_its_step_in_every_attempt(
    client: Client, elsewhere: Client, steps: Steps
) -> None:
    policy = TimeoutPolicy(run_timeout=2, idle_timeout=1)
    graph = branching(START, lambda state: [Send("a", 1, timeout=policy), Send("a", 2)], "a")

    first, second = begin(client, graph, {}).orders
    again = elsewhere.connection.checkpoints.load(
        elsewhere.connection.place(THREAD).keys, "", first.checkpoint_id, THREAD
    )

    assert (first.soft_ms, second.soft_ms) == (2_000, None)
    assert first.hard_ms == 2_000 + client.connection.settings.grace_ms
    assert [step.timeout for step in again.checkpoint.steps] == [policy, None]
    assert claim(steps, first.ref).step.timeout == policy
