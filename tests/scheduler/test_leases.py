"""Leases on steps: who may run one, for how long, and what becomes of an attempt whose worker is lost."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from graphs.checkpoint import Step
from graphs.errors import NodeTimeoutError
from scheduler.client import Client
from scheduler.connection import Connection, open_connection
from scheduler.errors import WorkerLost
from scheduler.failure import lost
from scheduler.lifecycle import RunStatus
from scheduler.lua_files import load
from scheduler.scripts import Leased, Place, Scripts
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
    now_ms,
    overtime,
    pass_deadline,
    record,
    wrote,
)

LINE = line("a", "b")
LIMITED = line("a", "b", a={"timeout": 5})


@pytest.fixture
def every_trip(redis: Redis, round_trips: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that were sent one by one, and the pipelines, each of which is one round trip as well."""
    make: Any = redis.pipeline

    def noted(*args: Any, **options: Any) -> Any:
        round_trips.append("pipeline")
        return make(*args, **options)

    monkeypatch.setattr(redis, "pipeline", noted)
    return round_trips


class Counted(tuple[Step, ...]):
    """Steps that count how often they are gone through."""

    walks = 0

    def __iter__(self) -> Iterator[Step]:
        self.walks += 1
        return super().__iter__()


def test_a_claim_brings_the_state_and_a_fencing_token_that_only_rises(client: Client, steps: Steps) -> None:
    step = begin(client, LINE, {"answer": 1}).orders[0].ref

    first = claim(steps, step)
    progress = steps.commit(first, LINE, wrote(first, answer=2))
    second = claim(steps, progress.orders[0].ref)

    assert (first.verdict, first.attempt, first.stored.checkpoint.values["answer"]) == ("run", 1, 1)
    assert (second.verdict, second.attempt, second.stored.checkpoint.values["answer"]) == ("run", 1, 2)
    assert second.fence > first.fence


def test_claiming_all_steps_of_a_superstep_goes_through_them_once(
    client: Client, connection: Connection, steps: Steps
) -> None:
    orders = begin(client, fan("a", "b", "c", "d"), {}).orders
    keys, id_ = connection.place(THREAD).keys, orders[0].checkpoint_id
    stored = connection.checkpoints.load(keys, "", id_, THREAD)
    counted = Counted(stored.checkpoint.steps)
    connection.checkpoints.remember(keys, "", replace(stored, checkpoint=replace(stored.checkpoint, steps=counted)))

    claimed = [claim(steps, order.ref).step.node for order in orders]

    assert (claimed, counted.walks) == (["a", "b", "c", "d"], 1)


def test_the_first_claim_makes_a_pending_run_a_running_one(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})

    before = client.runs.status(THREAD, started.run.id)
    claim(steps, started.orders[0].ref)

    assert (before, client.runs.status(THREAD, started.run.id)) == (RunStatus.PENDING, RunStatus.RUNNING)


def test_a_step_that_somebody_runs_cannot_be_claimed(client: Client, steps: Steps, rival: Steps) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    claim(steps, step, "first delivery")

    assert rival.claim(step, "second delivery") is None
    assert steps.claim(step, "first delivery") is None


@pytest.mark.parametrize("finished", [False, True], ids=["held", "finished"])
def test_a_doubled_message_is_dropped_in_one_round_trip_and_changes_nothing(
    client: Client, steps: Steps, redis: Redis, round_trips: list[str], finished: bool
) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    held = claim(steps, step)
    if finished:
        steps.commit(held, LINE, wrote(held))
    before = everything(redis)
    round_trips.clear()

    assert steps.claim(step, "doubled") is None

    assert round_trips == ["EVALSHA"]
    assert everything(redis) == before


def test_a_message_of_an_earlier_run_takes_nothing_from_the_run_that_has_the_step_now(
    client: Client, steps: Steps, redis: Redis
) -> None:
    late = begin(client, LINE, {}).orders[0].ref
    client.runs.cancel(THREAD, late.run_id)
    step = begin(client, LINE).orders[0].ref
    before = everything(redis)

    assert late.step_id == step.step_id
    assert steps.claim(late, "late") is None

    assert everything(redis) == before
    assert claim(steps, step).run.id == step.run_id


def test_a_lease_that_ran_out_goes_to_whoever_asks_first(
    client: Client, connection: Connection, steps: Steps, rival: Steps
) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    slow = claim(steps, step)
    expire_lease(connection, step)

    taken = claim(rival, step)

    assert (taken.verdict, taken.attempt, taken.losses) == ("run", 2, 1)
    assert taken.fence > slow.fence
    assert kinds(client)[-3:] == ["leased", "lost worker", "leased"]


def test_a_renewal_prolongs_the_lease_and_moves_its_due_time(
    client: Client, connection: Connection, steps: Steps
) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    claim(steps, step, "d")
    expire_lease(connection, step)

    assert steps.renew({step: "d"})[step]

    until = record(connection, step)["until"]
    assert 0 < until - now_ms(connection) <= connection.settings.lease_ms
    assert due_ms(connection, step) == until


def test_many_leases_are_renewed_in_one_round_trip_and_a_broken_one_stops_no_other(
    client: Client, steps: Steps, redis: Redis, every_trip: list[str]
) -> None:
    orders = begin(client, fan("a", "b", "c"), {}).orders
    first, broken, last = (claim(steps, order.ref, "d").ref for order in orders)
    redis.hset(client.connection.place(THREAD).keys.steps, broken.step_id, "{")
    redis.script_load(load("renew_step").text)
    every_trip.clear()

    renewed = steps.renew({first: "d", broken: "d", last: "d"})

    assert renewed == {first: True, broken: False, last: True}
    assert every_trip == ["pipeline"]


def test_only_the_delivery_that_holds_a_lease_renews_it(client: Client, steps: Steps, rival: Steps) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    claim(steps, step, "d")

    assert not steps.renew({step: "another delivery"})[step]
    assert not rival.renew({step: "d"})[step]


def test_no_renewal_goes_past_the_deadline_of_the_attempt(redis: Redis) -> None:
    settings = Settings(lease_ms=60_000, grace_ms=1_000)
    client = Client(open_connection(redis, settings, RecordingDispatcher()), lambda call: call())
    steps = Steps(client.connection, client.runs, "w1")
    step = begin(client, LIMITED, {}).orders[0].ref
    claim(steps, step, "d")
    claimed = record(client.connection, step)

    assert steps.renew({step: "d"})[step]

    renewed = record(client.connection, step)
    assert renewed["deadline"] == claimed["deadline"] == claimed["started"] + 6_000
    assert renewed["until"] == claimed["until"] == due_ms(client.connection, step) == claimed["deadline"]


def test_a_step_past_its_deadline_is_claimed_to_record_its_failure(
    client: Client, connection: Connection, steps: Steps, rival: Steps
) -> None:
    started = begin(client, LIMITED, {})
    claim(steps, started.orders[0].ref)
    pass_deadline(connection, started.orders[0].ref)

    late = claim(rival, started.orders[0].ref)
    rival.fail(late, LIMITED, overtime("a"))

    assert (late.verdict, late.attempt, late.losses) == ("timed_out", 1, 0)
    assert client.runs.status(THREAD, started.run.id) is RunStatus.TIMEOUT
    with pytest.raises(NodeTimeoutError, match="'a' ran longer than its time limit of 5 s"):
        client.outcome(THREAD, started.run.id)


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "dispatched again"])
def test_a_time_out_is_not_forgotten_when_the_worker_that_should_record_it_is_lost(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, seen: bool
) -> None:
    step = begin(client, LIMITED, {}).orders[0].ref
    claim(steps, step)
    pass_deadline(connection, step)
    claim(steps, step)
    expire_lease(connection, step)
    if seen:
        watchdog.sweep()

    assert claim(steps, step).verdict == "timed_out"
    assert "deadline" not in record(connection, step)  # recording it takes the time it takes


def test_a_step_that_takes_its_workers_down_is_given_up_after_so_many_losses(
    client: Client, connection: Connection, steps: Steps
) -> None:
    started = begin(client, LINE, {})
    step = started.orders[0].ref
    attempts = []
    for _ in range(connection.settings.max_attempts):
        attempts.append(claim(steps, step).attempt)
        expire_lease(connection, step)

    last = claim(steps, step)
    steps.fail(last, LINE, lost("a", last.losses))

    assert (attempts, last.verdict, last.losses) == ([1, 2, 3], "lost", 3)
    with pytest.raises(WorkerLost, match="lost its worker 3 times"):
        client.outcome(THREAD, started.run.id)


def test_a_lease_handed_back_is_taken_at_once_and_the_attempt_does_not_count(
    client: Client, connection: Connection, steps: Steps, rival: Steps
) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    claim(steps, step, "d")

    assert steps.release(step, "d", "released")

    assert (due_ms(connection, step) or 0) <= now_ms(connection)
    taken = claim(rival, step)
    assert (taken.verdict, taken.attempt, taken.losses) == ("run", 1, 0)


@pytest.mark.parametrize(
    ("kind", "known"), [("lost worker", ("run", 2, 1)), ("timed out", ("timed_out", 1, 0))], ids=["lost", "timed out"]
)
def test_a_lease_that_its_pool_hands_back_says_what_became_of_the_attempt(
    client: Client, steps: Steps, rival: Steps, kind: str, known: tuple[str, int, int]
) -> None:
    step = begin(client, LIMITED, {}).orders[0].ref
    claim(steps, step, "d")

    assert steps.release(step, "d", kind)

    taken = claim(rival, step)
    assert (taken.verdict, taken.attempt, taken.losses) == known
    assert kinds(client)[-2:] == [kind, "leased"]


def test_a_worker_that_is_new_to_a_thread_gets_its_state_with_the_lease(
    client: Client, rival: Steps, round_trips: list[str]
) -> None:
    claim(rival, begin(client, LINE, {}, "other").orders[0].ref)  # Redis has seen the script
    due = begin(client, LINE, {"said": ["hi"]}).orders[0].ref
    round_trips.clear()

    held = claim(rival, due)

    assert (held.stored.checkpoint.values["said"], held.run.graph) == (["hi"], LINE.name)
    assert round_trips == ["EVALSHA"]


def test_a_state_too_large_to_travel_is_loaded_apart(client: Client, rival: Steps, round_trips: list[str]) -> None:
    claim(rival, begin(client, LINE, {}, "other").orders[0].ref)
    text = "x" * 100_000
    due = begin(client, LINE, {"said": [text]}).orders[0].ref
    round_trips.clear()

    held = claim(rival, due)

    assert held.stored.checkpoint.values["said"] == [text]
    assert round_trips == ["EVALSHA", "XRANGE", "HMGET"]


def test_a_worker_that_holds_the_state_is_not_sent_it_again(
    client: Client, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = begin(client, LINE, {"said": ["hi"]}).orders[0].ref
    lease, told = Scripts.lease_step, list[Leased]()

    def noted(scripts: Scripts, place: Place, **args: str | int) -> Leased:
        told.append(lease(scripts, place, **args))
        return told[-1]

    monkeypatch.setattr(Scripts, "lease_step", noted)

    claim(steps, finish(steps, LINE, due).orders[0].ref)

    assert [(leased.run is None, leased.state is None) for leased in told] == [(False, True), (True, True)]


@pytest.mark.parametrize(
    "hint", [{"ns": "", "checkpoint_id": ""}, {"ns": "elsewhere"}, {"checkpoint_id": "1-1"}], ids=str
)
def test_a_message_with_other_hints_leads_to_its_step_all_the_same(
    client: Client, rival: Steps, hint: dict[str, str]
) -> None:
    due = begin(client, LINE, {"said": ["hi"]}).orders[0].ref

    held = claim(rival, replace(due, **hint))

    assert held.stored.checkpoint.values["said"] == ["hi"]
