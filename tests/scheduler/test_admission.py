"""Limits of a whole deployment: slots of a graph and of a key, and the pace of a node."""

from contextlib import ExitStack
from typing import Any

import pytest
from redis import Redis

from graphs.concurrency import Concurrency
from scheduler.admission import Admission, Limit
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.dispatch import StepRef
from tests.fakes import RecordingDispatcher

from .stage import begin, line, rewrite

LINE = line("a", "b")
HOUR_MS = 3_600_000.0


def limit(steps: int | None = None, key: str | None = None, per_key: int | None = None, **more: Any) -> Limit:
    return Limit("line", "a", concurrency=Concurrency(steps, key, per_key) if steps or key else None, **more)


class Stage:
    """A worker that lets steps in and holds them until it is told otherwise."""

    def __init__(self, connection: Connection, client: Client) -> None:
        self.connection, self.client = connection, client
        self.admission = Admission(connection, client.runs)
        self.held: dict[StepRef, ExitStack] = {}

    def begin(self, thread_id: str, **configurable: str) -> StepRef:
        """Begin a run and return its first step."""
        (order,) = begin(self.client, LINE, {}, thread_id, configurable=configurable).orders
        return order.ref

    def enter(self, ref: StepRef, limit: Limit, delivery: str = "d") -> StepRef | None:
        """Ask for a step; where it is let in, hold what it has."""
        stack = ExitStack()
        admitted = stack.enter_context(self.admission.of(ref, delivery, limit))
        if admitted is not None:
            self.held[ref] = stack
        return admitted

    def leave(self, ref: StepRef) -> None:
        """Give back what a step has."""
        self.held.pop(ref).close()

    def place(self, ref: StepRef) -> str:
        """Return how the keys of limits name a step."""
        return self.connection.place(ref.thread_id).member(ref.step_id)


@pytest.fixture
def stage(connection: Connection, client: Client) -> Stage:
    return Stage(connection, client)


def sent(dispatcher: RecordingDispatcher) -> list[StepRef]:
    """Take what was sent."""
    refs = [order.ref for order in dispatcher.sent]
    dispatcher.sent.clear()
    return refs


def state(stage: Stage, ref: StepRef) -> str:
    (step,) = stage.client.threads.pending(ref.thread_id)
    return step.state


def test_of_a_graph_no_more_steps_are_let_in_than_it_may_have(stage: Stage, dispatcher: RecordingDispatcher) -> None:
    first, second, third = (stage.begin(name) for name in "abc")
    sent(dispatcher)

    assert stage.enter(first, limit(2))
    assert stage.enter(second, limit(2))
    assert stage.enter(third, limit(2)) is None

    assert state(stage, third) == "limited"
    assert not sent(dispatcher)


def test_a_slot_that_is_given_back_goes_to_those_that_wait_in_their_order(
    stage: Stage, dispatcher: RecordingDispatcher
) -> None:
    first, second, third = (stage.begin(name) for name in "abc")
    stage.enter(first, limit(1))
    stage.enter(second, limit(1))
    stage.enter(third, limit(1))
    sent(dispatcher)

    stage.leave(first)
    assert sent(dispatcher) == [second]
    assert stage.enter(third, limit(1)) is None  # the slot waits for the one before it
    assert stage.enter(second, limit(1))
    stage.leave(second)

    assert sent(dispatcher) == [third]


def test_a_slot_is_free_again_when_the_time_of_a_lease_is_over(stage: Stage, redis: Redis) -> None:
    first, second = stage.begin("a"), stage.begin("b")
    stage.enter(first, limit(1))
    stage.enter(second, limit(1))

    redis.zadd(stage.connection.keys.of_limits("line").named("slots"), {stage.place(first): 1})

    rewrite(stage.connection, second, due=1)
    assert stage.enter(second, limit(1))
