"""Much that falls due at once: it is looked after together, and what is wrong with one of it costs no other."""

import json
import threading
from collections.abc import Sequence

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import StepOrder
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.sweep import Sweep
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import THREAD, begin, due_ms, line, make_due, now_ms

LINE = line("a", "b")


def due_together(client: Client, *threads: str) -> list[StepOrder]:
    """Begin a run on each thread, and let the message of its first step be lost."""
    orders = [begin(client, LINE, {}, thread).orders[0] for thread in threads]
    for order in orders:
        make_due(client.connection, order.ref)
    return orders


@pytest.mark.one_server
def test_the_steps_of_many_threads_are_sent_again_in_a_few_round_trips(redis: Redis, round_trips: list[str]) -> None:
    client = Client(open_connection(redis, Settings(), RecordingDispatcher("queue")), lambda call: call())
    orders = due_together(client, *(f"t{number}" for number in range(50)))
    redis.delete("queue")
    round_trips.clear()

    done = Watchdog(client.connection, client.runs).sweep()

    assert done == {"dispatched": 50}
    once = [command for command in round_trips if command != "SCRIPT LOAD"]  # which a server needs only once
    assert once == ["TIME", "LPUSH"]  # and three pipelines
    assert set(redis.lrange("queue", 0, -1)) == {order.ref.step_id.encode() for order in orders}


def test_a_redis_that_has_forgotten_the_scripts_learns_them_in_the_same_sweep(
    client: Client, watchdog: Watchdog, dispatcher: RecordingDispatcher, redis: Redis
) -> None:
    watchdog.sweep()
    due_together(client, "t1", "t2")
    redis.script_flush()

    assert watchdog.sweep() == {"dispatched": 2}


def test_a_scheduler_that_dies_between_taking_and_sending_loses_nothing(
    client: Client, connection: Connection, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    orders = due_together(client, "t1", "t2", "t3")
    dispatcher.sent.clear()
    list(Watchdog(connection, client.runs)._taken())
    held = [due_ms(connection, order.ref) for order in orders]
    for order in orders:
        make_due(connection, order.ref)  # what it held is due again, some seconds later

    assert watchdog.sweep() == {"dispatched": 3}

    assert all(at is not None and at > now_ms(connection) for at in held)
    assert sorted(order.ref.thread_id for order in dispatcher.sent) == ["t1", "t2", "t3"]


def test_a_partition_that_is_none_does_not_keep_the_others_from_being_looked_at(
    client: Client, connection: Connection, watchdog: Watchdog, caplog: pytest.LogCaptureFixture
) -> None:
    due_together(client, "well")
    broken = next(key for key in connection.keys.due_sets() if key != connection.place("well").keys.due)
    connection.client.set(broken, "no sorted set")

    assert watchdog.sweep() == {"dispatched": 1}

    assert "partition not looked at" in caplog.text


def test_a_step_that_cannot_be_sent_does_not_keep_back_those_that_fell_due_with_it(
    client: Client, redis: Redis
) -> None:
    class Choosy(RecordingDispatcher):
        def send(self, orders: Sequence[StepOrder]) -> None:
            if any(order.ref.thread_id == "odd" for order in orders):
                raise LookupError("no such queue")
            super().send(orders)

    due_together(client, "t1", "odd", "t2")
    choosy = Choosy()

    done = Watchdog(open_connection(redis, Settings(), choosy), client.runs).sweep()

    assert done == {"dispatched": 2, "not handled": 1}
    assert sorted(order.ref.thread_id for order in choosy.sent) == ["t1", "t2"]


def test_a_long_queue_is_not_made_longer_but_for_what_is_not_in_it(
    client: Client, connection: Connection, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    waiting, lost = due_together(client, "waits", "lost")
    assert Steps(connection, client.runs, "dead").claim(lost.ref, "d") is not None
    place = connection.place("lost")
    record = json.loads(connection.redis.hget(place.keys.steps, lost.ref.step_id) or b"")
    connection.client.hset(place.keys.steps, lost.ref.step_id, json.dumps(record | {"until": 1}))
    make_due(connection, lost.ref)
    dispatcher.sent.clear()
    dispatcher.waiting = 100_000

    assert watchdog.sweep() == {"dispatched": 1, "left waiting": 1}
    assert [order.ref for order in dispatcher.sent] == [lost.ref]
    make_due(connection, waiting.ref)
    dispatcher.waiting = 0
    assert watchdog.sweep() == {"dispatched": 1}


def test_a_queue_gets_as_many_messages_twice_as_it_has_room_for(
    client: Client, connection: Connection, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    """A step that waits is looked at ever more seldom, and its queue never holds more than so many messages twice."""
    due_together(client, *(f"t{number}" for number in range(20)))
    dispatcher.waiting = 1_000 + 20 - 5

    assert watchdog.sweep() == {"dispatched": 5, "left waiting": 15}


def test_a_queue_that_has_lost_everything_gets_everything_again(
    client: Client, watchdog: Watchdog, dispatcher: RecordingDispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.watchdog._ROOM", 0)
    due_together(client, *(f"t{number}" for number in range(20)))

    assert watchdog.sweep() == {"dispatched": 20}


def test_a_broker_that_is_down_makes_no_step_wait_longer(
    client: Client, connection: Connection, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    (order,) = due_together(client, "t1")
    dispatcher.sent.clear()
    dispatcher.is_broker_up = False
    for _ in range(10):
        assert watchdog.sweep() == {"kept back": 1}
        make_due(connection, order.ref)

    dispatcher.is_broker_up = True

    assert watchdog.sweep() == {"dispatched": 1}
    next_look_ms = (due_ms(connection, order.ref) or 0) - now_ms(connection)
    assert 0 < next_look_ms <= 2 * connection.settings.queue_wait_ms


def test_a_deadline_is_looked_at_before_the_steps_that_fell_due_with_it(
    client: Client, watchdog: Watchdog, connection: Connection
) -> None:
    started = begin(client, LINE, {}, timeout=60)
    make_due(connection, started.orders[0].ref)
    place = connection.place(THREAD, started.run.id)
    connection.client.hset(place.named("run"), "deadline", "1")
    connection.client.zadd(place.keys.due, {place.run_member(): 2})

    assert watchdog.sweep() == {"timeout": 1, "left alone": 1}  # the step, which ended with its run


def test_a_flood_in_one_partition_leaves_the_others_their_turn(
    client: Client, connection: Connection, watchdog: Watchdog
) -> None:
    flooded = connection.place(THREAD).keys.due
    other = next(f"t{number}" for number in range(99) if connection.place(f"t{number}").keys.due != flooded)
    flood = {f"{THREAD} gone-{number}": 1 for number in range(3_000)}
    connection.client.zadd(flooded, flood)
    due_together(client, other)

    done = watchdog.sweep()

    assert done["dispatched"] == 1
    assert 0 < connection.client.zcard(flooded) < len(flood)


def test_a_watchdog_that_finds_much_looks_again_at_once(
    client: Client, connection: Connection, watchdog: Watchdog
) -> None:
    pauses: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0)
            return len(pauses) > 3

    place = connection.place(THREAD)
    connection.client.zadd(place.keys.due, {place.member(f"gone-{number}"): 1 for number in range(2_200)})

    watchdog.run(Stop())

    assert pauses == [0.25, 0, 0, 0.25]
    assert connection.client.zcard(place.keys.due) == 0


def test_who_watches_is_told_what_a_sweep_did_and_how_late(client: Client, connection: Connection) -> None:
    told: list[Sweep] = []
    watchdog = Watchdog(connection, client.runs, watch=told.append)
    order = due_together(client, "t")[0]
    key, member = connection.place("t").keys.due, connection.place("t").member(order.ref.step_id)
    connection.client.zadd(key, {member: now_ms(connection) - 7_000})

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return len(told) == 2

    watchdog.run(Stop())

    assert [sweep.done for sweep in told] == [{"dispatched": 1}, {}]
    assert [len(sweep.late_ms) for sweep in told] == [1, 0]
    assert 7_000 <= told[0].late_ms[0] < 60_000
