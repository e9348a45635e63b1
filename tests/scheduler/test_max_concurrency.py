"""As many of a superstep's steps as the run may have at a time go first, and each that ends lets the next one go."""

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import Inline
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import THREAD, begin, claim, fan, finish, make_due, play, refs, state, wrote

FAN = fan("a", "b", "c", "d")


def states(client: Client) -> dict[str, str]:
    return {step.node: step.state for step in client.threads.pending(THREAD)}


def test_the_steps_beyond_the_limit_have_no_message_and_no_due_entry(
    client: Client, dispatcher: RecordingDispatcher
) -> None:
    begin(client, FAN, {}, max_concurrency=2)

    assert dispatcher.nodes == ["a", "b"]
    assert states(client) == {"a": "queued", "b": "queued", "c": "held", "d": "held"}
    assert {step.node for step in client.threads.pending(THREAD) if step.due_ms is None} == {"c", "d"}


def test_a_step_that_ends_lets_the_next_one_go(client: Client, steps: Steps, dispatcher: RecordingDispatcher) -> None:
    at = refs(begin(client, FAN, {}, max_concurrency=2).orders)
    held = claim(steps, at["b"])

    steps.commit(held, FAN, wrote(held, said=["b"]))

    assert dispatcher.nodes == ["a", "b", "c"]
    assert states(client) == {"a": "queued", "b": "done", "c": "queued", "d": "held"}
    assert all(step.due_ms for step in client.threads.pending(THREAD) if step.node in ("a", "c"))


def test_a_step_that_is_held_cannot_be_claimed(client: Client, steps: Steps) -> None:
    at = refs(begin(client, FAN, {}, max_concurrency=2).orders)

    assert steps.claim(at["c"], "too early") is None


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
def test_a_run_ends_as_it_would_without_a_limit(
    client: Client, steps: Steps, dispatcher: RecordingDispatcher, limit: int
) -> None:
    begin(client, FAN, {}, max_concurrency=limit)

    while dispatcher.sent:
        order = dispatcher.sent.pop(0)
        finish(steps, FAN, order.ref, said=[order.node])

    assert state(client, FAN)["said"] == ["a", "b", "c", "d", "join"]
    assert client.threads.pending(THREAD) == []


def test_a_message_of_a_released_step_that_is_lost_is_sent_again(
    client: Client, steps: Steps, connection: Connection, dispatcher: RecordingDispatcher, watchdog: Watchdog
) -> None:
    at = refs(begin(client, FAN, {}, max_concurrency=1).orders)
    finish(steps, FAN, at["a"], said=["a"])
    dispatcher.sent.clear()
    make_due(connection, at["b"])

    watchdog.sweep()

    assert dispatcher.nodes == ["b"]


def test_what_was_held_of_a_run_that_was_cancelled_does_not_go_with_the_next_one(
    client: Client, steps: Steps, dispatcher: RecordingDispatcher
) -> None:
    first = begin(client, FAN, {}, max_concurrency=1)
    client.runs.cancel(THREAD, first.run.id)
    dispatcher.sent.clear()
    at = refs(begin(client, FAN, {}, max_concurrency=3).orders)

    finish(steps, FAN, at["a"], said=["a"])

    assert [order.ref for order in dispatcher.sent] == [at[node] for node in "abcd"]


def test_what_was_held_of_a_cancelled_run_does_not_disturb_an_inline_one(client: Client, redis: Redis) -> None:
    client.runs.cancel(THREAD, begin(client, FAN, {}, max_concurrency=2).run.id)
    inline = open_connection(redis, Settings(), Inline())
    here = Client(inline, lambda call: call())

    play(Steps(inline, here.runs, "inline"), FAN, begin(here, FAN, {}).orders)

    assert state(here, FAN)["said"] == ["a", "b", "c", "d", "join"]
