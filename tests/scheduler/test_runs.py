"""Runs as they are stored: what is known of them, and how they are ended from the outside."""

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.errors import RunCancelled, RunNotFound
from scheduler.failure import lost
from scheduler.lifecycle import RunStatus
from scheduler.run import Run
from scheduler.steps import Steps

from .stage import THREAD, begin, claim, due_ms, everything, fan, finish, kinds, line, play, refs, state

LINE = line("a", "b")
FAN = fan("a", "b")


def test_a_run_is_read_back_as_it_was_begun(client: Client, elsewhere: Client) -> None:
    started = begin(
        client,
        LINE,
        {},
        timeout=60,
        recursion_limit=7,
        interrupt_before=["b"],
        metadata={"user": "u1", "deep": {"not": "kept"}},
        configurable={"model": "m"},
    )

    run = elsewhere.runs.get(THREAD, started.run.id)

    assert (run.status, run.graph, run.fingerprint, run.inline) == (RunStatus.PENDING, "line", LINE.fingerprint, False)
    assert (run.limit_s, run.recursion_limit, run.interrupt_before) == (60, 7, ("b",))
    assert run.metadata == {"user": "u1", "model": "m"}
    assert run.config["configurable"] == {"model": "m", "thread_id": THREAD}
    assert (run.ended_ms, run.error, run.checkpoint) == (None, None, None)
    assert run.deadline_ms == (run.started_ms or 0) + 60_000


def test_a_run_knows_the_checkpoint_on_which_it_left_the_thread(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    play(steps, LINE, started.orders)

    run = client.runs.get(THREAD, started.run.id)

    assert run.checkpoint == client.threads.get(THREAD).cursor
    assert (run.ended_ms or 0) >= (run.started_ms or 0) > 0


def test_the_output_of_a_run_is_its_own_when_the_thread_has_gone_on(client: Client, steps: Steps) -> None:
    first = begin(client, LINE, {"said": ["one"]})
    play(steps, LINE, first.orders)
    second = begin(client, LINE, {"said": ["two"]})

    while_active = client.output(LINE, THREAD, first.run.id).value
    play(steps, LINE, second.orders)

    assert while_active == client.output(LINE, THREAD, first.run.id).value == {"said": ["one", "a", "b"]}
    assert client.output(LINE, THREAD, second.run.id).value == {"said": ["one", "a", "b", "two", "a", "b"]}


def test_the_plan_of_a_run_is_loaded_once_and_its_status_every_time(
    client: Client, steps: Steps, redis: Redis, round_trips: list[str]
) -> None:
    started = begin(client, LINE, {})
    plan = client.runs.load(THREAD, started.run.id)
    play(steps, LINE, started.orders)
    round_trips.clear()

    assert client.runs.load(THREAD, started.run.id) is plan
    assert round_trips == []
    assert client.runs.status(THREAD, started.run.id) is RunStatus.SUCCESS


def test_runs_are_listed_the_newest_first(client: Client) -> None:
    begun = []
    for _ in range(3):
        begun.append(begin(client, LINE, {}).run.id)
        client.runs.cancel(THREAD, begun[-1])

    assert [run.id for run in client.runs.recent(THREAD)] == begun[::-1]
    assert [run.id for run in client.runs.recent(THREAD, 1)] == begun[-1:]
    assert client.runs.recent(THREAD, 0) == client.runs.recent("nobody") == []


@pytest.mark.parametrize("ask", ["get", "status", "load"])
def test_a_run_that_is_not_there_is_named(client: Client, ask: str) -> None:
    client.threads.create(THREAD)

    with pytest.raises(RunNotFound, match="Thread 't' has no run 'r'"):
        getattr(client.runs, ask)(THREAD, "r")


def test_cancelling_a_run_takes_back_all_that_is_in_flight(
    client: Client, connection: Connection, steps: Steps
) -> None:
    started = begin(client, FAN, {}, timeout=60)
    due = refs(started.orders)
    claim(steps, due["a"])

    was_active = client.runs.cancel(THREAD, started.run.id, "enough")

    assert was_active
    assert client.threads.pending(THREAD) == []
    assert [due_ms(connection, ref) for ref in due.values()] == [None, None]
    assert client.threads.get(THREAD).status == "cancelled"
    assert kinds(client)[-1] == "finished"
    with pytest.raises(RunCancelled, match="enough"):
        client.outcome(THREAD, started.run.id)
    assert [steps.claim(ref, "late") for ref in due.values()] == [None, None]


def test_cancelling_a_run_that_is_over_changes_nothing(client: Client, steps: Steps, redis: Redis) -> None:
    started = begin(client, LINE, {})
    play(steps, LINE, started.orders)
    before = everything(redis)

    assert not client.runs.cancel(THREAD, started.run.id)

    assert everything(redis) == before


def test_cancelling_an_earlier_run_leaves_the_active_one_alone(client: Client, steps: Steps) -> None:
    earlier = begin(client, LINE, {})
    client.runs.cancel(THREAD, earlier.run.id)
    active = begin(client, LINE, {})

    assert not client.runs.cancel(THREAD, earlier.run.id)

    assert client.runs.status(THREAD, active.run.id) is RunStatus.PENDING
    play(steps, LINE, active.orders)
    assert state(client, LINE) == {"said": ["a", "b"]}


def test_a_cancelled_thread_takes_a_new_input_and_goes_on_where_it_stood(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {"said": ["hi"]})
    finish(steps, LINE, started.orders[0].ref, said=["a"])
    client.runs.cancel(THREAD, started.run.id)

    play(steps, LINE, begin(client, LINE).orders)

    assert state(client, LINE) == {"said": ["hi", "a", "b"]}


def test_a_reason_that_is_no_proper_text_is_no_obstacle(client: Client) -> None:
    started = begin(client, LINE, {})

    assert client.runs.cancel(THREAD, started.run.id, "caf\udce9")

    with pytest.raises(RunCancelled, match="caf"):
        client.outcome(THREAD, started.run.id)


def test_a_run_whose_process_may_still_live_does_not_end_as_lost(client: Client) -> None:
    started = begin(client, LINE, {})

    assert not client.runs.end(THREAD, started.run.id, lost("(inline)", 1), lapsed=True)

    assert client.runs.status(THREAD, started.run.id) is RunStatus.PENDING


@pytest.mark.parametrize(("deadline_ms", "limit_s", "left_s"), [(None, 0.0, -10.0), (15_000, 5.0, 5.0)])
def test_a_run_knows_its_time_limit_and_what_is_left_of_it(
    deadline_ms: int | None, limit_s: float, left_s: float
) -> None:
    run = Run("r", "t", "g", "f", started_ms=10_000, deadline_ms=deadline_ms)

    assert (run.limit_s, run.left_s(10)) == (limit_s, left_s)
