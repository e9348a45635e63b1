"""Sleeping steps: what the store keeps of them, and what comes of a wake-up too early, too late or twice."""

import pytest
from pydantic import SecretStr
from redis import Redis

from graphs.commands import Command
from graphs.interrupts import GraphInterrupt, Questions
from graphs.sleeping import Asleep
from scheduler.claim import Claim
from scheduler.client import Client
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import StepRef
from scheduler.errors import LeaseLost
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import (
    THREAD,
    begin,
    claim,
    due_ms,
    everything,
    expire_lease,
    fan,
    finish,
    kinds,
    line,
    make_due,
    now_ms,
    record,
    refs,
    rewrite,
    state,
    wrote,
)

LINE = line("a", "b")
FAN = fan("a", "b")
HOUR_MS = 3_600_000


def fall_asleep(steps: Steps, claimed: Claim, until_ms: int, name: str = "1a") -> None:
    steps.sleep(claimed, Asleep(until_ms, {name: until_ms}))


def asleep(client: Client, steps: Steps, connection: Connection) -> tuple[StepRef, int]:
    """Let the first step of a run sleep for an hour; return it, and until when."""
    (order,) = begin(client, LINE, {}).orders
    until_ms = now_ms(connection) + HOUR_MS
    fall_asleep(steps, claim(steps, order.ref), until_ms)
    return order.ref, until_ms


def wake(connection: Connection, ref: StepRef) -> None:
    """Let the hour pass."""
    rewrite(connection, ref, due=1)
    make_due(connection, ref)


def test_a_step_that_sleeps_waits_in_the_store(client: Client, steps: Steps, connection: Connection) -> None:
    ref, until_ms = asleep(client, steps, connection)

    assert due_ms(connection, ref) == until_ms
    assert kinds(client) == ["created", "started", "leased", "slept"]
    (step,) = client.threads.pending(THREAD)
    assert (step.state, step.due_ms, step.worker) == ("asleep", until_ms, None)


def test_what_a_step_was_answered_before_it_slept_is_sealed_and_comes_back(
    redis: Redis, dispatcher: RecordingDispatcher
) -> None:
    pytest.importorskip("cryptography")
    settings = Settings(encryption_keys=SecretStr(f"k:{'A' * 43}="), encryption_strict=True)
    client = Client(open_connection(redis, settings, dispatcher), lambda function: function())
    steps = Steps(client.connection, client.runs, "w1")
    asking = claim(steps, begin(client, LINE, {}).orders[0].ref)
    with pytest.raises(GraphInterrupt) as asked:
        Questions(asking.step.id).ask("Really?", None)
    steps.ask(asking, LINE, asked.value)
    (order,) = begin(client, LINE, Command(resume="Xq7-secret")).orders

    fall_asleep(steps, claim(steps, order.ref), now_ms(client.connection) + HOUR_MS)

    assert "Xq7-secret" not in repr(everything(redis))
    wake(client.connection, order.ref)
    assert [*claim(steps, order.ref).dialogue.answers.values()] == ["Xq7-secret"]


def test_a_message_that_comes_too_early_wakes_nobody(client: Client, steps: Steps, connection: Connection) -> None:
    ref, _ = asleep(client, steps, connection)

    assert steps.claim(ref, "another") is None


def test_a_scheduler_that_looks_too_early_wakes_nobody(
    client: Client, steps: Steps, connection: Connection, watchdog: Watchdog
) -> None:
    ref, until_ms = asleep(client, steps, connection)
    make_due(connection, ref)

    watchdog.sweep()

    assert due_ms(connection, ref) == until_ms
    assert steps.claim(ref, "another") is None


def test_a_step_is_woken_once_however_often_it_is_called(
    client: Client,
    steps: Steps,
    connection: Connection,
    watchdog: Watchdog,
    dispatcher: RecordingDispatcher,
) -> None:
    ref, until_ms = asleep(client, steps, connection)
    wake(connection, ref)

    watchdog.sweep()
    make_due(connection, ref)
    watchdog.sweep()

    assert [order.ref for order in dispatcher.sent[-2:]] == [ref, ref]
    claimed = claim(steps, ref, "first")
    assert steps.claim(ref, "second") is None
    assert (claimed.attempt, claimed.dialogue.slept) == (1, {"1a": until_ms})
    steps.commit(claimed, LINE, wrote(claimed, said=["rested"]))
    assert steps.claim(ref, "second") is None
    assert state(client, LINE)["said"] == ["rested"]


def test_a_step_that_was_woken_late_goes_on(client: Client, steps: Steps, connection: Connection) -> None:
    ref, _ = asleep(client, steps, connection)
    wake(connection, ref)

    finish(steps, LINE, ref, said=["rested"])

    assert kinds(client)[3:] == ["slept", "leased", "committed"]


def test_a_worker_that_lost_its_lease_cannot_let_the_step_sleep(
    client: Client, steps: Steps, rival: Steps, connection: Connection, redis: Redis
) -> None:
    (order,) = begin(client, LINE, {}).orders
    slow = claim(steps, order.ref)
    expire_lease(connection, order.ref)
    claim(rival, order.ref)
    before = everything(redis)

    with pytest.raises(LeaseLost):
        fall_asleep(steps, slow, now_ms(connection) + HOUR_MS)

    assert everything(redis) == before


@pytest.mark.usefixtures("sent_twice")
def test_a_step_falls_asleep_once(client: Client, steps: Steps, connection: Connection) -> None:
    ref, _ = asleep(client, steps, connection)

    assert kinds(client).count("slept") == 1
    assert record(connection, ref)["attempt"] == 0


def test_a_step_that_sleeps_forgets_the_workers_it_lost(client: Client, steps: Steps, connection: Connection) -> None:
    (order,) = begin(client, LINE, {}).orders
    claim(steps, order.ref)
    expire_lease(connection, order.ref)
    again = claim(steps, order.ref)
    assert (again.attempt, again.losses) == (2, 1)

    fall_asleep(steps, again, 1)

    woken = claim(steps, order.ref)
    assert (woken.attempt, woken.losses) == (2, 0)


def test_a_cancelled_run_wakes_nobody_and_its_thread_remembers_the_moment(
    client: Client, steps: Steps, connection: Connection
) -> None:
    ref, until_ms = asleep(client, steps, connection)

    assert client.runs.cancel(THREAD, ref.run_id)
    assert due_ms(connection, ref) is None

    (order,) = begin(client, LINE).orders
    assert claim(steps, order.ref).dialogue.slept == {"1a": until_ms}


def test_sleeps_add_up(client: Client, steps: Steps, connection: Connection) -> None:
    (order,) = begin(client, LINE, {}).orders
    fall_asleep(steps, claim(steps, order.ref), 1, "1a")
    fall_asleep(steps, claim(steps, order.ref), 2, "2b")

    assert claim(steps, order.ref).dialogue.slept == {"1a": 1, "2b": 2}


def test_a_superstep_waits_for_those_of_its_steps_that_sleep(
    client: Client, steps: Steps, connection: Connection
) -> None:
    step = refs(begin(client, FAN, {}).orders)
    fall_asleep(steps, claim(steps, step["a"]), now_ms(connection) + HOUR_MS)

    assert finish(steps, FAN, step["b"], said=["b"]).orders == ()
    wake(connection, step["a"])
    (join,) = finish(steps, FAN, step["a"], said=["a"]).orders

    assert join.node == "join"
    assert state(client, FAN)["said"] == ["a", "b"]


def test_a_run_that_sleeps_past_its_deadline_times_out(
    client: Client, steps: Steps, connection: Connection, watchdog: Watchdog
) -> None:
    (order,) = begin(client, LINE, {}, timeout=60).orders
    fall_asleep(steps, claim(steps, order.ref), now_ms(connection) + HOUR_MS)
    place = connection.place(THREAD, order.ref.run_id)
    connection.client.hset(place.named("run"), "deadline", 1)
    connection.client.zadd(place.keys.due, {place.run_member(): 1})

    watchdog.sweep()

    assert client.runs.status(THREAD, order.ref.run_id) == "timeout"
    assert client.threads.pending(THREAD) == []
