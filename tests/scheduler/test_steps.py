"""What comes of a step: who may commit it, what is stored with it, and what a failure or a retry leaves."""

import pytest
from redis import Redis

from scheduler.claim import Progress
from scheduler.client import Client
from scheduler.connection import Connection, open_connection
from scheduler.errors import LeaseLost, NotSerializable, RunCancelled
from scheduler.excess import StateTooLarge
from scheduler.failure import describe, parked, revived
from scheduler.lifecycle import RunStatus
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
    finish,
    line,
    make_due,
    now_ms,
    overtime,
    pass_deadline,
    record,
    refs,
    rewrite,
    state,
    wrote,
)

LINE = line("a", "b")
LIMITED = line("a", "b", a={"timeout": 5})


def test_a_worker_that_lost_its_lease_cannot_commit(
    client: Client, connection: Connection, steps: Steps, rival: Steps
) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    slow = claim(steps, step)
    expire_lease(connection, step)
    fast = claim(rival, step)

    with pytest.raises(LeaseLost, match=step.step_id):
        steps.commit(slow, LINE, wrote(slow, answer="slow"))
    rival.commit(fast, LINE, wrote(fast, answer="fast"))
    with pytest.raises(LeaseLost):
        steps.commit(slow, LINE, wrote(slow, answer="slow"))

    assert state(client, LINE) == {"said": [], "answer": "fast"}


def test_a_worker_that_lost_its_lease_can_neither_fail_nor_retry_nor_renew_nor_release_the_step(
    client: Client, connection: Connection, steps: Steps, rival: Steps, redis: Redis
) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    slow = claim(steps, step, "slow")
    expire_lease(connection, step)
    claim(rival, step, "fast")
    before = everything(redis)

    with pytest.raises(LeaseLost):
        steps.fail(slow, LINE, describe(ValueError("slow")))
    with pytest.raises(LeaseLost):
        steps.retry(slow, describe(ValueError("slow")), 100)
    assert not steps.renew({step: "slow"})[step]
    assert not steps.release(step, "slow", "released")

    assert everything(redis) == before


def test_a_lease_that_ran_out_but_that_nobody_took_is_still_good(
    client: Client, connection: Connection, steps: Steps
) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    expire_lease(connection, held.ref)

    steps.commit(held, LINE, wrote(held, answer="late"))

    assert state(client, LINE)["answer"] == "late"


def test_a_worker_whose_step_was_dispatched_again_cannot_end_it_before_the_next_one_has_it(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog
) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    expire_lease(connection, held.ref)
    watchdog.sweep()

    with pytest.raises(LeaseLost):
        steps.commit(held, LINE, wrote(held, answer="late"))
    with pytest.raises(LeaseLost):
        steps.fail(held, LINE, describe(ValueError("late")))
    with pytest.raises(LeaseLost):
        steps.retry(held, describe(ValueError("late")), 0)

    assert record(connection, held.ref)["state"] == "queued"


def test_two_workers_cannot_both_move_the_cursor(client: Client, steps: Steps) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)

    steps.commit(held, LINE, wrote(held, said=["once"]))
    with pytest.raises(LeaseLost):
        steps.commit(held, LINE, wrote(held, said=["twice"]))

    assert state(client, LINE)["said"] == ["once"]
    assert client.threads.get(THREAD).cursor is not None
    assert [step.node for step in client.threads.pending(THREAD)] == ["b"]


def test_a_commit_stores_state_log_and_next_steps_together(
    client: Client, connection: Connection, steps: Steps
) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)

    progress = steps.commit(held, LINE, wrote(held, said=["a"]))

    (order,) = progress.orders
    *_, entry = client.log.read(THREAD)
    waiting = connection.settings.queue_wait_ms
    assert (order.node, order.attempt, progress.ended) == ("b", 1, None)
    assert (entry.kind, entry.data["node"], entry.data["checkpoint"]) == ("committed", "a", order.checkpoint_id)
    assert entry.data["token"] == held.fence and entry.data["ms"] >= 0
    assert [(step.node, step.state) for step in client.threads.pending(THREAD)] == [("b", "queued")]
    assert 0 < (due_ms(connection, order.ref) or 0) - now_ms(connection) <= waiting
    assert due_ms(connection, held.ref) is None


@pytest.mark.one_server
def test_the_script_that_commits_pushes_the_next_messages_into_the_queue(redis: Redis) -> None:
    client = Client(open_connection(redis, Settings(), RecordingDispatcher("queue")), lambda call: call())
    started = begin(client, LINE, {})
    steps = Steps(client.connection, client.runs, "w1")

    progress = finish(steps, LINE, started.orders[0].ref)

    ids = [order.ref.step_id.encode() for order in (*started.orders, *progress.orders)]
    assert redis.lrange("queue", 0, -1) == ids[::-1]


def test_the_messages_of_a_commit_that_was_refused_are_not_sent(
    client: Client, connection: Connection, steps: Steps, dispatcher: RecordingDispatcher
) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    client.runs.cancel(THREAD, held.run.id)

    with pytest.raises(LeaseLost):
        steps.commit(held, LINE, wrote(held))

    assert dispatcher.nodes == ["a"]


def test_the_last_step_of_a_run_ends_it(client: Client, connection: Connection, steps: Steps) -> None:
    started = begin(client, LINE, {})
    second = finish(steps, LINE, started.orders[0].ref, said=["a"]).orders[0].ref

    progress = finish(steps, LINE, second, said=["b"])

    assert progress == Progress(ended=RunStatus.SUCCESS)
    assert client.output(LINE, THREAD, started.run.id).value == {"said": ["a", "b"]}
    assert client.threads.get(THREAD).status == "idle"
    assert connection.redis.zmscore(connection.place(THREAD).keys.due, ["x"]) == [None]
    assert client.threads.pending(THREAD) == []


def test_a_run_that_takes_more_supersteps_than_it_may_ends_as_an_error(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {}, recursion_limit=1)

    progress = finish(steps, LINE, started.orders[0].ref, said=["a"])

    assert progress.ended is RunStatus.ERROR
    with pytest.raises(RecursionError, match="Recursion limit of 1"):
        client.outcome(THREAD, started.run.id)
    assert state(client, LINE)["said"] == ["a"]


@pytest.mark.parametrize(
    ("value", "error"), [(object(), NotSerializable), ("x" * 2_000, StateTooLarge)], ids=["strange", "large"]
)
def test_a_result_that_cannot_be_stored_is_refused_and_changes_nothing(
    redis: Redis, value: object, error: type[Exception]
) -> None:
    settings = Settings(max_value_bytes=1024)
    client = Client(open_connection(redis, settings, RecordingDispatcher()), lambda call: call())
    steps = Steps(client.connection, client.runs, "w1")
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    before = everything(redis)

    with pytest.raises(error):
        steps.commit(held, LINE, wrote(held, answer=value))

    assert everything(redis) == before


def test_a_failure_ends_the_run_and_leaves_the_cursor_where_it_was(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {"answer": 1})
    held = claim(steps, started.orders[0].ref)
    cursor = client.threads.get(THREAD).cursor

    progress = steps.fail(held, LINE, describe(ValueError("no"), "a"))

    assert progress.ended is RunStatus.ERROR
    assert (client.threads.get(THREAD).status, client.threads.get(THREAD).cursor) == ("failed", cursor)
    with pytest.raises(ValueError, match="no"):
        client.outcome(THREAD, started.run.id)


def test_the_commit_of_a_cancelled_run_is_refused(client: Client, steps: Steps, redis: Redis) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    client.runs.cancel(THREAD, held.run.id)
    before = everything(redis)

    with pytest.raises(LeaseLost):
        steps.commit(held, LINE, wrote(held, answer="late"))
    with pytest.raises(LeaseLost):
        steps.fail(held, LINE, describe(ValueError("late")))

    assert everything(redis) == before


def test_what_a_cancelled_run_computed_cannot_be_committed_to_the_run_that_took_over(
    client: Client, steps: Steps, rival: Steps
) -> None:
    old = claim(steps, begin(client, LINE, {}).orders[0].ref)
    client.runs.cancel(THREAD, old.run.id)
    new = claim(rival, begin(client, LINE).orders[0].ref)

    with pytest.raises(LeaseLost):
        steps.commit(old, LINE, wrote(old, answer="old"))
    rival.commit(new, LINE, wrote(new, answer="new"))

    assert state(client, LINE)["answer"] == "new"


def test_past_its_deadline_a_step_can_be_neither_renewed_nor_committed(
    client: Client, connection: Connection, steps: Steps
) -> None:
    held = claim(steps, begin(client, LIMITED, {}).orders[0].ref, "d")
    pass_deadline(connection, held.ref)

    assert not steps.renew({held.ref: "d"})[held.ref]
    with pytest.raises(LeaseLost):
        steps.commit(held, LIMITED, wrote(held, answer="late"))
    with pytest.raises(LeaseLost):
        steps.fail(held, LIMITED, describe(ValueError("late")))


def test_a_step_that_waits_for_its_next_attempt_waits_in_the_store(
    client: Client, connection: Connection, steps: Steps
) -> None:
    held = claim(steps, begin(client, LIMITED, {}).orders[0].ref)

    progress = steps.retry(held, describe(ValueError("again")), 60_000)

    assert progress == Progress(retry_ms=60_000)
    assert 0 < (due_ms(connection, held.ref) or 0) - now_ms(connection) <= 60_000
    assert steps.claim(held.ref, "early") is None
    rewrite(connection, held.ref, due=1)
    again = claim(steps, held.ref)
    assert (again.verdict, again.attempt, again.first_ms) == ("run", 2, held.first_ms)


def test_a_step_that_timed_out_and_is_tried_again_gets_its_whole_time(
    client: Client, connection: Connection, steps: Steps
) -> None:
    step = begin(client, LIMITED, {}).orders[0].ref
    claim(steps, step)
    pass_deadline(connection, step)
    late = claim(steps, step)
    steps.retry(late, overtime("a"), 0)

    again = claim(steps, step)

    assert (again.verdict, again.attempt) == ("run", 2)
    assert record(connection, step)["deadline"] > now_ms(connection)


def test_a_run_that_is_parked_can_be_taken_up_again(client: Client, steps: Steps) -> None:
    held = claim(steps, begin(client, LINE, {"answer": 1}).orders[0].ref)

    progress = steps.end(held, parked("No graph 'line' here."))

    assert progress.ended is RunStatus.INTERRUPTED
    assert client.threads.get(THREAD).status == "paused"
    assert isinstance(revived(client.runs.get(THREAD, held.run.id).error or {}, THREAD, "r"), Exception)
    assert refs(begin(client, LINE).orders)["a"].step_id == held.ref.step_id


def test_what_a_node_writes_is_published_only_while_its_run_is_active(
    client: Client, connection: Connection, steps: Steps
) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    events = connection.place(THREAD).keys.events

    steps.publish(held, b"one")
    client.runs.cancel(THREAD, held.run.id)
    steps.publish(held, b"two")

    assert [fields[b"event"] for _, fields in connection.redis.xrange(events, "-", "+")] == [b"one"]


def test_a_cancelled_run_says_so(client: Client, steps: Steps) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)

    client.runs.cancel(THREAD, held.run.id, "no longer wanted")

    with pytest.raises(RunCancelled, match="no longer wanted"):
        client.outcome(THREAD, held.run.id)
    make_due(client.connection, held.ref)
    assert steps.claim(held.ref, "d") is None
