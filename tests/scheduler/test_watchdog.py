"""What falls due is looked after: lost messages, lost workers, pauses that are over, runs that take too long."""

import threading

import pytest
import redis as redis_py
from redis import Redis

from scheduler.client import Client
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import Inline, StepOrder
from scheduler.errors import LeaseLost, RunTimeout, StoreUnavailable, WorkerLost
from scheduler.failure import describe
from scheduler.lifecycle import RunStatus
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.storing import ALIVE_FACTOR
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import (
    THREAD,
    begin,
    claim,
    due_ms,
    everything,
    expire_lease,
    finish,
    kinds,
    line,
    make_due,
    now_ms,
    overtime,
    pass_deadline,
    record,
    rewrite,
    state,
    wrote,
)

LINE = line("a", "b")
LIMITED = line("a", "b", a={"timeout": 5})


@pytest.fixture
def inline(redis: Redis) -> Client:
    """A client whose own process runs its steps."""
    return Client(open_connection(redis, Settings(), Inline()), lambda call: call())


def make_run_due(connection: Connection, run_id: str) -> None:
    place = connection.place(THREAD, run_id)
    connection.client.zadd(place.keys.due, {place.run_member(): 1})


def set_run(connection: Connection, run_id: str, field: str, at_ms: int) -> None:
    """Change one of the times that are stored of a run, and let somebody look at it."""
    connection.client.hset(connection.place(THREAD, run_id).named("run"), field, str(at_ms))
    make_run_due(connection, run_id)


def waits_ms(connection: Connection, order: StepOrder) -> float:
    return (due_ms(connection, order.ref) or 0) - now_ms(connection)


def test_a_sweep_leaves_alone_what_is_not_due(
    client: Client, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    claim(steps, begin(client, LINE, {}).orders[0].ref)
    begin(client, LINE, {}, "queued")
    dispatcher.sent.clear()

    assert not watchdog.sweep()

    assert dispatcher.sent == []


def test_a_message_that_was_lost_is_sent_again(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    (lost,) = begin(client, LINE, {}).orders
    make_due(connection, lost.ref)

    done = watchdog.sweep()

    assert done == {"dispatched": 1}
    assert dispatcher.sent == [lost, lost]
    finish(steps, LINE, dispatcher.sent[1].ref, said=["a"])
    assert state(client, LINE)["said"] == ["a"]


def test_a_step_is_sent_again_with_its_queue_and_its_time_limits(
    client: Client, connection: Connection, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    graph = line("a", a={"timeout": 5, "queue": "gpu"})
    (order,) = begin(client, graph, {}).orders
    make_due(connection, order.ref)

    watchdog.sweep()

    assert dispatcher.sent[1] == order
    assert (order.queue, order.soft_ms, order.hard_ms) == ("gpu", 5_000, 5_000 + connection.settings.grace_ms)


@pytest.mark.one_server
def test_where_scripts_push_the_messages_the_watchdog_pushes_them_too(redis: Redis) -> None:
    client = Client(open_connection(redis, Settings(), RecordingDispatcher("queue")), lambda call: call())
    (order,) = begin(client, LINE, {}).orders
    make_due(client.connection, order.ref)

    Watchdog(client.connection, client.runs).sweep()

    assert redis.lrange("queue", 0, -1) == [order.ref.step_id.encode()] * 2


def test_a_step_that_waits_in_a_queue_is_sent_again_after_ever_longer_times(redis: Redis) -> None:
    settings = Settings(queue_wait_ms=1_000, queue_wait_max_ms=6_000)
    client = Client(open_connection(redis, settings, RecordingDispatcher()), lambda call: call())
    watchdog = Watchdog(client.connection, client.runs)
    (order,) = begin(client, LINE, {}).orders
    waits = [waits_ms(client.connection, order)]

    for _ in range(4):
        make_due(client.connection, order.ref)
        watchdog.sweep()
        waits.append(waits_ms(client.connection, order))

    expected = [1_000, 2_000, 4_000, 6_000, 6_000]
    assert [round(wait, -3) for wait in waits] == expected
    assert record(client.connection, order.ref)["attempt"] == 0


def test_a_lease_that_ran_out_is_a_loss_and_its_step_is_sent_again(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    expire_lease(connection, held.ref)

    watchdog.sweep()

    *_, entry = client.log.read(THREAD)
    assert [order.attempt for order in dispatcher.sent] == [1, 2]
    assert (entry.kind, entry.data["worker"], entry.data["token"]) == ("lost worker", "w1", held.fence)
    again = claim(steps, held.ref)
    assert (again.verdict, again.attempt, again.losses) == ("run", 2, 1)


def test_a_due_entry_older_than_the_lease_is_put_right(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    make_due(connection, held.ref)

    done = watchdog.sweep()

    assert done == {"left alone": 1}
    assert due_ms(connection, held.ref) == record(connection, held.ref)["until"]
    assert dispatcher.nodes == ["a"]


def test_a_step_past_its_time_limit_is_sent_again_and_claimed_as_timed_out(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    started = begin(client, LIMITED, {})
    claim(steps, started.orders[0].ref)
    pass_deadline(connection, started.orders[0].ref)

    watchdog.sweep()
    late = claim(steps, dispatcher.sent[1].ref)
    steps.fail(late, LIMITED, overtime("a"))

    assert late.verdict == "timed_out"
    assert client.runs.status(THREAD, started.run.id) is RunStatus.TIMEOUT
    assert kinds(client)[-4:] == ["timed out", "leased", "timed out", "finished"]


def test_a_step_that_kills_its_workers_is_sent_for_the_last_time_as_lost(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog
) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    for _ in range(connection.settings.max_attempts):
        assert claim(steps, step).verdict == "run"
        expire_lease(connection, step)
        watchdog.sweep()

    last = claim(steps, step)

    assert (last.verdict, last.losses) == ("lost", connection.settings.max_attempts)


def test_a_pause_before_another_attempt_ends_with_a_message(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    steps.retry(held, describe(ValueError("again")), 60_000)
    rewrite(connection, held.ref, due=1)
    make_due(connection, held.ref)

    watchdog.sweep()

    assert [order.attempt for order in dispatcher.sent] == [1, 2]
    assert claim(steps, held.ref).attempt == 2


def test_a_pause_that_began_while_the_watchdog_looked_is_not_cut_short(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    steps.retry(held, describe(ValueError("again")), 60_000)
    make_due(connection, held.ref)

    assert watchdog.sweep() == {"left alone": 1}

    assert due_ms(connection, held.ref) == record(connection, held.ref)["due"]
    assert dispatcher.nodes == ["a"]


def test_two_watchdogs_side_by_side_send_a_step_once(
    client: Client, connection: Connection, elsewhere: Client, dispatcher: RecordingDispatcher
) -> None:
    (order,) = begin(client, LINE, {}).orders
    dispatcher.sent.clear()
    make_due(connection, order.ref)
    watchdogs = [Watchdog(one.connection, one.runs) for one in (client, elsewhere)]
    threads = [threading.Thread(target=watchdog.sweep) for watchdog in watchdogs]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert dispatcher.sent == [order]


def test_what_a_watchdog_took_and_did_not_handle_falls_due_again(client: Client, connection: Connection) -> None:
    (order,) = begin(client, LINE, {}).orders
    make_due(connection, order.ref)

    (taken,) = connection.scripts.take_due([connection.place(THREAD).keys.due], limit=10, hold_ms=5_000)

    assert taken == [connection.place(THREAD).member(order.ref.step_id).encode()]
    assert 0 < waits_ms(connection, order) <= 5_000


def test_a_due_entry_that_nothing_stands_behind_is_dropped(connection: Connection, watchdog: Watchdog) -> None:
    place = connection.place(THREAD, "r")
    connection.client.zadd(place.keys.due, {place.member("gone"): 1, place.run_member(): 1})

    watchdog.sweep()

    assert connection.redis.zmscore(place.keys.due, [place.member("gone"), place.run_member()]) == [None, None]


def test_what_is_wrong_with_one_thread_does_not_keep_the_others_from_being_looked_after(
    client: Client, connection: Connection, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    (broken,) = begin(client, LINE, {}, "broken").orders
    (order,) = begin(client, LINE, {}, "well").orders
    dispatcher.sent.clear()
    connection.client.hset(connection.place("broken").keys.steps, broken.ref.step_id, "no JSON")
    make_due(connection, broken.ref)
    make_due(connection, order.ref)

    done = watchdog.sweep()

    assert done == {"not handled": 1, "dispatched": 1}
    assert dispatcher.sent == [order]


def test_a_broker_that_is_down_costs_one_sending(client: Client, connection: Connection, redis: Redis) -> None:
    class Down(RecordingDispatcher):
        def send(self, orders: object) -> None:
            raise OSError("no broker")

    (order,) = begin(client, LINE, {}).orders
    make_due(connection, order.ref)

    done = Watchdog(open_connection(redis, Settings(), Down()), client.runs).sweep()

    assert done == {"not handled": 1}
    assert waits_ms(connection, order) > connection.settings.queue_wait_ms


def test_a_run_past_its_time_limit_ends_and_its_worker_can_commit_nothing(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog
) -> None:
    started = begin(client, LINE, {}, timeout=60)
    held = claim(steps, started.orders[0].ref)
    set_run(connection, started.run.id, "deadline", 1)

    assert watchdog.sweep() == {"timeout": 1}

    assert client.runs.status(THREAD, started.run.id) is RunStatus.TIMEOUT
    assert client.threads.get(THREAD).status == "failed"
    with pytest.raises(LeaseLost):
        steps.commit(held, LINE, wrote(held))
    with pytest.raises(RunTimeout, match="ran longer than its time limit"):
        client.outcome(THREAD, started.run.id)


def test_a_run_is_looked_at_when_its_time_limit_ends(
    client: Client, connection: Connection, watchdog: Watchdog
) -> None:
    started = begin(client, LINE, {}, timeout=60)
    place = connection.place(THREAD, started.run.id)
    (looked_at,) = connection.redis.zmscore(place.keys.due, [place.run_member()])
    make_run_due(connection, started.run.id)

    assert watchdog.sweep() == {"left alone": 1}

    assert connection.redis.zmscore(place.keys.due, [place.run_member()]) == [looked_at]
    assert looked_at == client.runs.get(THREAD, started.run.id).deadline_ms


def test_an_inline_run_whose_process_fell_silent_is_lost_and_its_thread_can_be_taken_up_again(
    inline: Client, client: Client, connection: Connection, steps: Steps, watchdog: Watchdog
) -> None:
    started = begin(inline, LINE, {})
    silent = claim(Steps(inline.connection, inline.runs, "inline"), started.orders[0].ref)
    set_run(connection, started.run.id, "until", 1)

    assert watchdog.sweep() == {"lost": 1}

    with pytest.raises(WorkerLost):
        client.outcome(THREAD, started.run.id)
    with pytest.raises(LeaseLost):
        steps.commit(silent, LINE, wrote(silent))
    again = begin(client, LINE)
    assert [order.ref.step_id for order in again.orders] == [silent.ref.step_id]


def test_an_inline_run_whose_process_answers_goes_on(
    inline: Client, connection: Connection, watchdog: Watchdog
) -> None:
    started = begin(inline, LINE, {})
    alive_ms = inline.connection.settings.lease_ms * ALIVE_FACTOR
    set_run(connection, started.run.id, "until", 1)
    place = connection.place(THREAD, started.run.id)

    assert connection.scripts.renew_run(place, run=started.run.id, alive_ms=alive_ms)

    assert watchdog.sweep() == {"left alone": 1}
    assert inline.runs.status(THREAD, started.run.id) is RunStatus.PENDING
    (looked_at,) = connection.redis.zmscore(place.keys.due, [place.run_member()])
    assert 0 < (looked_at or 0) - now_ms(connection) <= alive_ms


def test_the_steps_of_an_inline_run_are_nobody_elses_to_look_after(
    inline: Client, connection: Connection, redis: Redis
) -> None:
    started = begin(inline, LINE, {})
    steps = Steps(inline.connection, inline.runs, "inline")

    progress = finish(steps, LINE, started.orders[0].ref)
    claim(steps, progress.orders[0].ref)

    place = connection.place(THREAD, started.run.id)
    assert redis.zrange(place.keys.due, 0, -1) == [place.run_member().encode()]


def test_a_run_that_is_over_is_not_renewed(inline: Client, connection: Connection, redis: Redis) -> None:
    started = begin(inline, LINE, {})
    inline.runs.cancel(THREAD, started.run.id)
    before = everything(redis)

    assert not connection.scripts.renew_run(
        connection.place(THREAD, started.run.id), run=started.run.id, alive_ms=1_000
    )

    assert everything(redis) == before


def test_a_run_that_ends_leaves_nothing_due(client: Client, connection: Connection, redis: Redis) -> None:
    started = begin(client, LINE, {}, timeout=60)

    client.runs.cancel(THREAD, started.run.id)

    assert redis.zcard(connection.place(THREAD).keys.due) == 0


def test_a_watchdog_waits_for_a_redis_that_is_away(
    client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchdog = Watchdog(open_connection(redis, Settings(sweep_ms=10), RecordingDispatcher()), client.runs)
    stop, asked = threading.Event(), []

    def away(*args: object, **options: object) -> None:
        asked.append(args)
        if len(asked) == 3:
            stop.set()
        raise redis_py.ConnectionError("away")

    monkeypatch.setattr(redis, "execute_command", away)

    watchdog.run(stop)

    assert len(asked) == 3
    with pytest.raises(StoreUnavailable):
        watchdog.sweep()


@pytest.mark.parametrize("how", ["it failed", "its worker was lost"])
def test_a_message_that_is_lost_late_is_waited_for_as_long_as_the_first(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, how: str
) -> None:
    ref = begin(client, LINE, {}).orders[0].ref

    for _ in range(5):  # each time the message arrives: there is no backlog
        held = claim(steps, ref)
        if how == "it failed":
            steps.retry(held, describe(ValueError("again")), 0)
        else:
            expire_lease(connection, ref)
            rewrite(connection, ref, losses=0)
        make_due(connection, ref)
        watchdog.sweep()

    assert (due_ms(connection, ref) or 0) <= now_ms(connection) + 2 * connection.settings.queue_wait_ms
