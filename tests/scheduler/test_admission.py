"""Limits of a whole deployment: how many steps are let in at once, of a graph and of a key, and when they may start."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from redis import Redis

from graphs.concurrency import Concurrency
from scheduler.admission import Admission, Limit
from scheduler.client import Client
from scheduler.dispatch import StepRef
from scheduler.errors import InvalidConfig
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .limiting import HOUR_MS, HOURLY, LINE, ONE, TENANTS, TWO, Limiting, at_most
from .stage import begin, claim, everything, expire_lease, kinds, make_due, now_ms, record, rewrite, wrote


def sent(dispatcher: RecordingDispatcher) -> list[StepRef]:
    """Take what was sent."""
    refs = [order.ref for order in dispatcher.sent]
    dispatcher.sent.clear()
    return refs


# Slots


def test_of_a_graph_no_more_steps_are_let_in_than_it_may_have(
    limiting: Limiting, dispatcher: RecordingDispatcher
) -> None:
    first, second, third = (limiting.begin(name) for name in "abc")
    sent(dispatcher)

    assert limiting.enter(first, TWO)
    assert limiting.enter(second, TWO)
    assert limiting.enter(third, TWO) is None

    assert limiting.state(third) == "limited"
    assert not sent(dispatcher)


def test_a_step_that_waits_says_so_once_however_often_it_looks(limiting: Limiting) -> None:
    first, second = limiting.begin("a"), limiting.begin("b")
    limiting.enter(first)

    for _ in range(3):
        assert limiting.enter(second) is None
        rewrite(limiting.connection, second, due=1)

    assert kinds(limiting.client, "b") == ["created", "started", "limited"]


def test_slots_that_are_given_back_go_to_those_that_wait_in_their_order(
    limiting: Limiting, dispatcher: RecordingDispatcher
) -> None:
    first, second, third = (limiting.begin(name) for name in "abc")
    for ref in (first, second, third):
        limiting.enter(ref)
    sent(dispatcher)

    limiting.leave(first)
    assert sent(dispatcher) == [second]
    rewrite(limiting.connection, third, due=1)
    assert limiting.enter(third) is None  # the slot waits for the one before it
    assert limiting.enter(second)
    limiting.leave(second)

    assert sent(dispatcher) == [third]


def test_a_key_that_has_all_its_slots_leaves_others_theirs(limiting: Limiting, dispatcher: RecordingDispatcher) -> None:
    big = [limiting.begin(f"big{number}", tenant="big") for number in range(5)]
    small, nobody = limiting.begin("small", tenant="small"), limiting.begin("nobody")

    assert [limiting.enter(ref, TENANTS) is not None for ref in big] == [True, False, False, False, False]
    assert limiting.enter(small, TENANTS)
    assert limiting.enter(nobody, TENANTS)  # whose run it is nobody says: it counts for the graph alone
    sent(dispatcher)
    limiting.leave(big[0])

    assert sent(dispatcher) == [big[1]]


@pytest.mark.parametrize("tenant", [1.5, True, ["acme"], {"name": "acme"}, "x" * 257, 2**70])
def test_what_cannot_be_a_name_is_refused_before_anything_is_written(client: Client, redis: Redis, tenant: Any) -> None:
    graph = replace(LINE, concurrency=TENANTS.concurrency)

    with pytest.raises(InvalidConfig, match=r"configurable\['tenant'\]"):
        begin(client, graph, {}, configurable={"tenant": tenant})

    assert everything(redis) == {}


def test_numbers_and_names_of_any_letters_are_keys(limiting: Limiting) -> None:
    for number, tenant in enumerate([7, "a b!", "ü"]):
        first, second = (limiting.begin(f"{name}{number}", tenant=tenant) for name in "ab")
        assert limiting.enter(first, at_most(9, "tenant", 1))
        assert limiting.enter(second, at_most(9, "tenant", 1)) is None


def test_keys_that_wait_are_served_in_turn(limiting: Limiting, dispatcher: RecordingDispatcher) -> None:
    limit = at_most(1, "tenant", 1)
    big = [limiting.begin(f"big{number}", tenant="big") for number in range(3)]
    small = limiting.begin("small", tenant="small")
    for ref in (*big, small):
        limiting.enter(ref, limit)
    sent(dispatcher)

    order = [big[0]]
    for _ in range(3):
        limiting.leave(order[-1])
        order += sent(dispatcher)
        assert limiting.enter(order[-1], limit)

    assert order == [big[0], big[1], small, big[2]]


def test_a_step_that_is_gone_leaves_its_slot_to_the_next(limiting: Limiting, dispatcher: RecordingDispatcher) -> None:
    first, second, third = (limiting.begin(name) for name in "abc")
    for ref in (first, second, third):
        limiting.enter(ref)
    limiting.client.runs.cancel("b", second.run_id)
    sent(dispatcher)

    limiting.leave(first)

    assert sent(dispatcher) == [third]


def test_a_slot_is_free_again_when_the_time_of_a_lease_is_over(limiting: Limiting, redis: Redis) -> None:
    first, second = limiting.begin("a"), limiting.begin("b")
    limiting.enter(first)
    limiting.enter(second)

    member = limiting.connection.place("a").member(first.step_id)
    redis.zadd(limiting.key("slots"), {member: 1})

    rewrite(limiting.connection, second, due=1)
    assert limiting.enter(second)


def test_a_slot_that_waits_for_its_step_is_free_again_as_well(limiting: Limiting, redis: Redis) -> None:
    first, second, third = (limiting.begin(name) for name in "abc")
    for ref in (first, second):
        limiting.enter(ref)
    limiting.leave(first)  # whoever sent the second one on died before it did

    member = limiting.connection.place("b").member(second.step_id)
    redis.zadd(limiting.key("slots"), {member: 1})

    assert limiting.enter(third)
    assert limiting.enter(second) is None


def test_a_step_that_is_given_a_slot_before_it_waits_goes_on(
    limiting: Limiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = limiting.begin("a"), limiting.begin("b")
    limiting.enter(first)
    put_off = Admission._put_off

    def late(admission: Admission, *told: Any) -> str:
        if (first, "d") in limiting.held:
            limiting.leave(first)
        return put_off(admission, *told)

    monkeypatch.setattr(Admission, "_put_off", late)

    assert limiting.enter(second)


def test_of_two_messages_of_a_step_one_is_let_in(limiting: Limiting) -> None:
    ref = limiting.begin("a")

    assert limiting.enter(ref, delivery="one")
    assert limiting.enter(ref, delivery="another") is None

    assert limiting.until_ms(ref)


def test_a_step_whose_worker_died_has_its_slot_still(limiting: Limiting, steps: Steps) -> None:
    ref = limiting.begin("a")
    limiting.claim(steps, ref, "dead")
    steps.release(ref, "dead", "lost worker")

    assert limiting.enter(ref, delivery="alive")
    limiting.leave(ref, "dead")  # it was only thought to be

    assert limiting.until_ms(ref)


def test_a_slot_is_kept_as_long_as_the_lease(limiting: Limiting, steps: Steps, redis: Redis) -> None:
    ref = limiting.begin("a")
    limiting.claim(steps, ref)
    member = limiting.connection.place("a").member(ref.step_id)
    redis.zadd(limiting.key("slots"), {member: 1})

    assert steps.renew({ref: "d"}) == {ref: True}

    assert (limiting.until_ms(ref) or 0) > now_ms(limiting.connection)
    assert steps.renew({ref: "another"}) == {ref: False}


def test_a_step_without_a_slot_renews_its_lease_alone(limiting: Limiting, steps: Steps, redis: Redis) -> None:
    ref = limiting.begin("a")
    claim(steps, ref, "d")

    assert steps.renew({ref: "d"}) == {ref: True}

    assert not redis.exists(limiting.key("slots"))


def test_a_finished_step_needs_no_slot_to_be_closed(limiting: Limiting) -> None:
    first, second = limiting.begin("a"), limiting.begin("b")
    limiting.enter(first)
    rewrite(limiting.connection, second, state="done")

    assert limiting.enter(second) == second


@pytest.mark.parametrize("found", ["leased", "called", "held"])
def test_a_step_that_is_not_there_to_be_run_takes_nothing(limiting: Limiting, found: str, redis: Redis) -> None:
    ref = limiting.begin("a")
    rewrite(limiting.connection, ref, state=found)

    assert limiting.enter(ref) is None

    assert not redis.exists(limiting.key("slots"))


def test_a_step_without_limits_asks_nobody(limiting: Limiting, round_trips: list[str]) -> None:
    ref = limiting.begin("a")
    round_trips.clear()

    with limiting.admission.of(ref, "d", None) as admitted:
        assert admitted is ref

    assert not round_trips


def test_limits_leave_no_key_for_ever(limiting: Limiting, redis: Redis) -> None:
    both = Limit("line", "a", HOUR_MS, Concurrency(1, "tenant", 1))
    for name in "abc":
        limiting.enter(limiting.begin(name, tenant=name), both)

    keys = [limiting.key(name) for name in ("slots", "places", "used", "line", "ready", "pace")]

    assert all(redis.pttl(key) > 0 for key in keys if redis.exists(key))
    assert sum(redis.exists(key) for key in keys) >= 5


# Turns


def test_the_first_step_starts_and_the_others_have_a_moment_each(limiting: Limiting) -> None:
    first, second, third = (limiting.begin(name) for name in "abc")

    assert limiting.enter(first, HOURLY)
    assert limiting.enter(second, HOURLY) is None
    assert limiting.enter(third, HOURLY) is None

    assert limiting.turn_ms(second) == pytest.approx(now_ms(limiting.connection) + HOUR_MS, abs=60_000)
    assert limiting.turn_ms(third) - limiting.turn_ms(second) == pytest.approx(HOUR_MS, abs=2)
    assert limiting.state(second) == "limited"


def test_a_step_keeps_its_turn_however_often_it_asks(limiting: Limiting) -> None:
    first, second = limiting.begin("a"), limiting.begin("b")
    limiting.enter(first, HOURLY)
    limiting.enter(second, HOURLY)
    turn_ms = limiting.turn_ms(second)

    rewrite(limiting.connection, second, state="queued")
    assert limiting.enter(second, HOURLY) is None

    assert limiting.turn_ms(second) == turn_ms
    assert kinds(limiting.client, "b").count("limited") == 1


def test_a_step_whose_turn_has_come_starts(
    limiting: Limiting, watchdog: Watchdog, dispatcher: RecordingDispatcher, redis: Redis
) -> None:
    first, second = limiting.begin("a"), limiting.begin("b")
    limiting.enter(first, HOURLY)
    limiting.enter(second, HOURLY)
    sent(dispatcher)

    kept = record(limiting.connection, second)["limited"]
    rewrite(limiting.connection, second, due=1, limited={**kept, "turn": 1})
    make_due(limiting.connection, second)
    redis.hset(limiting.key("pace"), "started", 0)  # an hour has passed
    watchdog.sweep()

    assert sent(dispatcher) == [second]
    assert limiting.enter(second, HOURLY)


def test_steps_that_come_late_together_start_one_after_the_other_all_the_same(limiting: Limiting) -> None:
    refs = [limiting.begin(name) for name in "abcd"]
    for ref in refs:
        rewrite(limiting.connection, ref, limited={"what": "turn", "fence": 0, "turn": 1, "pace": str(HOUR_MS)})

    let_in = [limiting.enter(ref, HOURLY) is not None for ref in refs]

    assert let_in == [True, False, False, False]
    moments = [limiting.turn_ms(ref) for ref in refs[1:]]
    assert [after - before for before, after in pairwise(moments)] == pytest.approx([HOUR_MS] * 2, abs=2)


def test_a_pace_that_was_changed_begins_anew(limiting: Limiting) -> None:
    first, second, third = (limiting.begin(name) for name in "abc")
    for ref in (first, second, third):
        limiting.enter(ref, HOURLY)
    faster = Limit("line", "a", 60_000.0)

    for ref in (second, third):
        rewrite(limiting.connection, ref, due=1)
        assert limiting.enter(ref, faster) is None

    now = now_ms(limiting.connection)
    assert [limiting.turn_ms(ref) - now for ref in (second, third)] == pytest.approx([60_000, 120_000], abs=10_000)


def test_another_attempt_takes_another_turn(limiting: Limiting, steps: Steps) -> None:
    ref = limiting.begin("a")
    admitted = limiting.enter(ref, HOURLY)
    assert admitted is not None
    claim(steps, admitted, "d")
    expire_lease(limiting.connection, ref)
    steps.release(ref, "d", "lost worker")

    assert limiting.enter(ref, HOURLY) is None


def test_a_step_that_a_graph_inside_has_given_back_takes_no_turn(limiting: Limiting) -> None:
    first, second = limiting.begin("a"), limiting.begin("b")
    limiting.enter(first, HOURLY)
    rewrite(limiting.connection, second, returned=True)

    assert limiting.enter(second, HOURLY)


def test_a_message_that_comes_too_early_takes_no_turn(limiting: Limiting, redis: Redis) -> None:
    ref = limiting.begin("a")
    rewrite(limiting.connection, ref, state="waiting", due=now_ms(limiting.connection) + HOUR_MS)

    assert limiting.enter(ref, HOURLY) is None

    assert not redis.exists(limiting.key("pace"))


def test_a_step_that_waits_for_its_turn_has_no_slot(limiting: Limiting) -> None:
    both = Limit("line", "a", HOUR_MS, Concurrency(1))
    first, second, third = (limiting.begin(name) for name in "abc")
    limiting.enter(first, both)
    limiting.leave(first)
    assert limiting.enter(second, both) is None

    assert limiting.until_ms(second) is None
    assert limiting.enter(third, ONE)  # by another node of the graph


def test_a_step_that_finds_no_slot_takes_no_turn(limiting: Limiting) -> None:
    both = Limit("line", "b", HOUR_MS, Concurrency(1))
    first, second = limiting.begin("a"), limiting.begin("b")
    limiting.enter(first, ONE)

    assert limiting.enter(second, both) is None

    assert "turn" not in record(limiting.connection, second)["limited"]


def test_a_step_that_was_let_in_is_run_like_any_other(limiting: Limiting, steps: Steps) -> None:
    ref = limiting.begin("a")
    claimed = limiting.claim(steps, ref)

    steps.commit(claimed, LINE, wrote(claimed, said=["a"]))
    limiting.leave(ref)

    assert kinds(limiting.client, "a")[-2:] == ["leased", "committed"]
    assert limiting.until_ms(ref) is None
