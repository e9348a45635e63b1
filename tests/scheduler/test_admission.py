"""Limits of a whole deployment: how many steps are let in at once, of a graph and of a key, and when they may start."""

from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import pytest
from redis import Redis

from graphs.concurrency import Concurrency
from scheduler.admission import Admission, Limit
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.dispatch import StepRef
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import begin, claim, due_ms, expire_lease, kinds, line, make_due, now_ms, record, rewrite, wrote

LINE = line("a", "b")
HOUR_MS = 3_600_000.0
HOURLY = Limit("line", "a", HOUR_MS)


def at_most(steps: int | None = None, key: str | None = None, per_key: int | None = None) -> Limit:
    return Limit("line", "a", concurrency=Concurrency(steps, key, per_key))


ONE, TWO, TENANTS = at_most(1), at_most(2), at_most(3, "tenant", 1)


class Stage:
    """A worker that holds what it was let in to until it is told otherwise."""

    def __init__(self, connection: Connection, client: Client) -> None:
        self.connection, self.client = connection, client
        self.admission = Admission(connection, client.runs)
        self.held: dict[tuple[StepRef, str], ExitStack] = {}

    def begin(self, thread_id: str, **configurable: Any) -> StepRef:
        """Begin a run and return its first step."""
        (order,) = begin(self.client, LINE, {}, thread_id, configurable=configurable).orders
        return order.ref

    def enter(self, ref: StepRef, limit: Limit = ONE, delivery: str = "d") -> StepRef | None:
        """Ask for a step; where it is let in, hold what it has."""
        stack = ExitStack()
        admitted = stack.enter_context(self.admission.of(ref, delivery, limit))
        if admitted is not None:
            self.held[ref, delivery] = stack
        return admitted

    def leave(self, ref: StepRef, delivery: str = "d") -> None:
        """Give back what a step has."""
        self.held.pop((ref, delivery)).close()

    def claim(self, steps: Steps, ref: StepRef, delivery: str = "d") -> Any:
        """Let a step in and lease it."""
        admitted = self.enter(ref, delivery=delivery)
        assert admitted is not None
        return claim(steps, admitted, delivery)

    def state(self, ref: StepRef) -> str:
        """Return the state of a step in flight, as people see it."""
        (step,) = self.client.threads.pending(ref.thread_id)
        return step.state

    def turn_ms(self, ref: StepRef) -> int:
        """Return the moment until which a step waits."""
        moment: int = record(self.connection, ref)["limited"]["turn"]
        assert due_ms(self.connection, ref) == moment
        return moment

    def key(self, name: str) -> str:
        """Return a key of the graph's limits."""
        return self.connection.keys.of_limits("line", "a").named(name)

    def until_ms(self, ref: StepRef) -> float | None:
        """Return until when a step has a slot."""
        member = self.connection.place(ref.thread_id).member(ref.step_id)
        return self.connection.redis.zmscore(self.key("slots"), [member])[0]


@pytest.fixture
def stage(connection: Connection, client: Client) -> Stage:
    return Stage(connection, client)


def sent(dispatcher: RecordingDispatcher) -> list[StepRef]:
    """Take what was sent."""
    refs = [order.ref for order in dispatcher.sent]
    dispatcher.sent.clear()
    return refs


# Slots


def test_of_a_graph_no_more_steps_are_let_in_than_it_may_have(stage: Stage, dispatcher: RecordingDispatcher) -> None:
    first, second, third = (stage.begin(name) for name in "abc")
    sent(dispatcher)

    assert stage.enter(first, TWO)
    assert stage.enter(second, TWO)
    assert stage.enter(third, TWO) is None

    assert stage.state(third) == "limited"
    assert not sent(dispatcher)


def test_a_step_that_waits_says_so_once_however_often_it_looks(stage: Stage) -> None:
    first, second = stage.begin("a"), stage.begin("b")
    stage.enter(first)

    for _ in range(3):
        assert stage.enter(second) is None
        rewrite(stage.connection, second, due=1)

    assert kinds(stage.client, "b") == ["created", "started", "limited"]


def test_slots_that_are_given_back_go_to_those_that_wait_in_their_order(
    stage: Stage, dispatcher: RecordingDispatcher
) -> None:
    first, second, third = (stage.begin(name) for name in "abc")
    for ref in (first, second, third):
        stage.enter(ref)
    sent(dispatcher)

    stage.leave(first)
    assert sent(dispatcher) == [second]
    rewrite(stage.connection, third, due=1)
    assert stage.enter(third) is None  # the slot waits for the one before it
    assert stage.enter(second)
    stage.leave(second)

    assert sent(dispatcher) == [third]


def test_a_key_that_has_all_its_slots_leaves_the_others_theirs(stage: Stage, dispatcher: RecordingDispatcher) -> None:
    big = [stage.begin(f"big{number}", tenant="big") for number in range(5)]
    small, nobody = stage.begin("small", tenant="small"), stage.begin("nobody")

    assert [stage.enter(ref, TENANTS) is not None for ref in big] == [True, False, False, False, False]
    assert stage.enter(small, TENANTS)
    assert stage.enter(nobody, TENANTS)  # whose run it is nobody says: it counts for the graph alone
    sent(dispatcher)
    stage.leave(big[0])

    assert sent(dispatcher) == [big[1]]


def test_keys_that_wait_are_served_in_turn(stage: Stage, dispatcher: RecordingDispatcher) -> None:
    limit = at_most(1, "tenant", 1)
    big = [stage.begin(f"big{number}", tenant="big") for number in range(3)]
    small = stage.begin("small", tenant="small")
    for ref in (*big, small):
        stage.enter(ref, limit)
    sent(dispatcher)

    order = [big[0]]
    for _ in range(3):
        stage.leave(order[-1])
        order += sent(dispatcher)
        assert stage.enter(order[-1], limit)

    assert order == [big[0], big[1], small, big[2]]


def test_a_step_that_is_gone_leaves_its_slot_to_the_next(stage: Stage, dispatcher: RecordingDispatcher) -> None:
    first, second, third = (stage.begin(name) for name in "abc")
    for ref in (first, second, third):
        stage.enter(ref)
    stage.client.runs.cancel("b", second.run_id)
    sent(dispatcher)

    stage.leave(first)

    assert sent(dispatcher) == [third]


def test_a_slot_is_free_again_when_the_time_of_a_lease_is_over(stage: Stage, redis: Redis) -> None:
    first, second = stage.begin("a"), stage.begin("b")
    stage.enter(first)
    stage.enter(second)

    member = stage.connection.place("a").member(first.step_id)
    redis.zadd(stage.key("slots"), {member: 1})

    rewrite(stage.connection, second, due=1)
    assert stage.enter(second)


def test_a_slot_that_waits_for_its_step_is_free_again_as_well(stage: Stage, redis: Redis) -> None:
    first, second, third = (stage.begin(name) for name in "abc")
    for ref in (first, second):
        stage.enter(ref)
    stage.leave(first)  # whoever sent the second one on died before it did

    member = stage.connection.place("b").member(second.step_id)
    redis.zadd(stage.key("slots"), {member: 1})

    assert stage.enter(third)
    assert stage.enter(second) is None


def test_whoever_is_given_a_slot_before_it_waits_goes_on_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = stage.begin("a"), stage.begin("b")
    stage.enter(first)
    put_off = Admission._put_off

    def late(admission: Admission, *told: Any) -> str:
        if (first, "d") in stage.held:
            stage.leave(first)
        return put_off(admission, *told)

    monkeypatch.setattr(Admission, "_put_off", late)

    assert stage.enter(second)


def test_of_two_messages_of_a_step_one_is_let_in(stage: Stage) -> None:
    ref = stage.begin("a")

    assert stage.enter(ref, delivery="one")
    assert stage.enter(ref, delivery="another") is None

    assert stage.until_ms(ref)


def test_a_step_whose_worker_died_has_its_slot_still(stage: Stage, steps: Steps) -> None:
    ref = stage.begin("a")
    stage.claim(steps, ref, "dead")
    steps.release(ref, "dead", "lost worker")

    assert stage.enter(ref, delivery="alive")
    stage.leave(ref, "dead")  # it was only thought to be

    assert stage.until_ms(ref)


def test_a_slot_is_kept_as_long_as_the_lease(stage: Stage, steps: Steps, redis: Redis) -> None:
    ref = stage.begin("a")
    stage.claim(steps, ref)
    member = stage.connection.place("a").member(ref.step_id)
    redis.zadd(stage.key("slots"), {member: 1})

    assert steps.renew({ref: "d"}) == {ref: True}

    assert (stage.until_ms(ref) or 0) > now_ms(stage.connection)
    assert steps.renew({ref: "another"}) == {ref: False}


def test_a_step_without_a_slot_renews_its_lease_alone(stage: Stage, steps: Steps, redis: Redis) -> None:
    ref = stage.begin("a")
    claim(steps, ref, "d")

    assert steps.renew({ref: "d"}) == {ref: True}

    assert not redis.exists(stage.key("slots"))


def test_a_finished_step_needs_no_slot_to_be_closed(stage: Stage) -> None:
    first, second = stage.begin("a"), stage.begin("b")
    stage.enter(first)
    rewrite(stage.connection, second, state="done")

    assert stage.enter(second) == second


@pytest.mark.parametrize("found", ["leased", "called", "held"])
def test_a_step_that_is_not_there_to_be_run_takes_nothing(stage: Stage, found: str, redis: Redis) -> None:
    ref = stage.begin("a")
    rewrite(stage.connection, ref, state=found)

    assert stage.enter(ref) is None

    assert not redis.exists(stage.key("slots"))


def test_a_step_without_limits_asks_nobody(stage: Stage, round_trips: list[str]) -> None:
    ref = stage.begin("a")
    round_trips.clear()

    with stage.admission.of(ref, "d", None) as admitted:
        assert admitted is ref

    assert not round_trips


def test_limits_leave_no_key_for_ever(stage: Stage, redis: Redis) -> None:
    both = Limit("line", "a", HOUR_MS, Concurrency(1, "tenant", 1))
    for name in "abc":
        stage.enter(stage.begin(name, tenant=name), both)

    keys = [stage.key(name) for name in ("slots", "places", "used", "line", "ready", "pace")]

    assert all(redis.pttl(key) > 0 for key in keys if redis.exists(key))
    assert sum(redis.exists(key) for key in keys) >= 5


# Turns


def test_the_first_step_starts_and_the_others_have_a_moment_each(stage: Stage) -> None:
    first, second, third = (stage.begin(name) for name in "abc")

    assert stage.enter(first, HOURLY)
    assert stage.enter(second, HOURLY) is None
    assert stage.enter(third, HOURLY) is None

    assert stage.turn_ms(second) == pytest.approx(now_ms(stage.connection) + HOUR_MS, abs=60_000)
    assert stage.turn_ms(third) - stage.turn_ms(second) == pytest.approx(HOUR_MS, abs=2)
    assert stage.state(second) == "limited"


def test_a_step_keeps_its_turn_however_often_it_asks(stage: Stage) -> None:
    first, second = stage.begin("a"), stage.begin("b")
    stage.enter(first, HOURLY)
    stage.enter(second, HOURLY)
    turn_ms = stage.turn_ms(second)

    rewrite(stage.connection, second, state="queued")
    assert stage.enter(second, HOURLY) is None

    assert stage.turn_ms(second) == turn_ms
    assert kinds(stage.client, "b").count("limited") == 1


def test_a_step_whose_turn_has_come_starts(
    stage: Stage, watchdog: Watchdog, dispatcher: RecordingDispatcher, redis: Redis
) -> None:
    first, second = stage.begin("a"), stage.begin("b")
    stage.enter(first, HOURLY)
    stage.enter(second, HOURLY)
    sent(dispatcher)

    kept = record(stage.connection, second)["limited"]
    rewrite(stage.connection, second, due=1, limited={**kept, "turn": 1})
    make_due(stage.connection, second)
    redis.hset(stage.key("pace"), "started", 0)  # an hour has passed
    watchdog.sweep()

    assert sent(dispatcher) == [second]
    assert stage.enter(second, HOURLY)


def test_steps_that_come_late_together_start_one_after_the_other_all_the_same(stage: Stage) -> None:
    refs = [stage.begin(name) for name in "abcd"]
    for ref in refs:
        rewrite(stage.connection, ref, limited={"what": "turn", "fence": 0, "turn": 1})

    let_in = [stage.enter(ref, HOURLY) is not None for ref in refs]

    assert let_in == [True, False, False, False]
    moments = [stage.turn_ms(ref) for ref in refs[1:]]
    assert [after - before for before, after in pairwise(moments)] == pytest.approx([HOUR_MS] * 2, abs=2)


def test_another_attempt_takes_another_turn(stage: Stage, steps: Steps) -> None:
    ref = stage.begin("a")
    admitted = stage.enter(ref, HOURLY)
    assert admitted is not None
    claim(steps, admitted, "d")
    expire_lease(stage.connection, ref)
    steps.release(ref, "d", "lost worker")

    assert stage.enter(ref, HOURLY) is None


def test_a_step_that_a_graph_inside_has_given_back_takes_no_turn(stage: Stage) -> None:
    first, second = stage.begin("a"), stage.begin("b")
    stage.enter(first, HOURLY)
    rewrite(stage.connection, second, returned=True)

    assert stage.enter(second, HOURLY)


def test_a_message_that_comes_too_early_takes_no_turn(stage: Stage, redis: Redis) -> None:
    ref = stage.begin("a")
    rewrite(stage.connection, ref, state="waiting", due=now_ms(stage.connection) + HOUR_MS)

    assert stage.enter(ref, HOURLY) is None

    assert not redis.exists(stage.key("pace"))


def test_a_step_that_waits_for_its_turn_has_no_slot(stage: Stage) -> None:
    both = Limit("line", "a", HOUR_MS, Concurrency(1))
    first, second, third = (stage.begin(name) for name in "abc")
    stage.enter(first, both)
    stage.leave(first)
    assert stage.enter(second, both) is None

    assert stage.until_ms(second) is None
    assert stage.enter(third, ONE)  # by another node of the graph


def test_a_step_that_finds_no_slot_takes_no_turn(stage: Stage) -> None:
    both = Limit("line", "b", HOUR_MS, Concurrency(1))
    first, second = stage.begin("a"), stage.begin("b")
    stage.enter(first, ONE)

    assert stage.enter(second, both) is None

    assert "turn" not in record(stage.connection, second)["limited"]


def test_a_step_that_was_let_in_is_run_like_any_other(stage: Stage, steps: Steps) -> None:
    ref = stage.begin("a")
    claimed = stage.claim(steps, ref)

    steps.commit(claimed, LINE, wrote(claimed, said=["a"]))
    stage.leave(ref)

    assert kinds(stage.client, "a")[-2:] == ["leased", "committed"]
    assert stage.until_ms(ref) is None
