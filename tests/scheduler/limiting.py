"""Limits on the scheduler's stage: what one node of a graph keeps to, and a worker's hand on it."""

from contextlib import ExitStack
from typing import Any

from graphs.concurrency import Concurrency
from scheduler.admission import Admission, Limit
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.dispatch import StepRef
from scheduler.steps import Steps

from .stage import begin, claim, due_ms, line, record

LINE = line("a", "b")
HOUR_MS = 3_600_000.0
HOURLY = Limit("line", "a", HOUR_MS)


def at_most(steps: int | None = None, key: str | None = None, per_key: int | None = None) -> Limit:
    return Limit("line", "a", concurrency=Concurrency(steps, key, per_key))


ONE, TWO, TENANTS = at_most(1), at_most(2), at_most(3, "tenant", 1)


class Limiting:
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
        """Return the moment until which a step waits; it looks by itself before that, now and then."""
        moment: int = record(self.connection, ref)["limited"]["turn"]
        assert (due_ms(self.connection, ref) or 0) <= moment
        return moment

    def key(self, name: str) -> str:
        """Return a key of the graph's limits."""
        return self.connection.keys.of_limits("line", "a").named(name)

    def until_ms(self, ref: StepRef) -> float | None:
        """Return until when a step has a slot."""
        member = self.connection.place(ref.thread_id).member(ref.step_id)
        return self.connection.redis.zmscore(self.key("slots"), [member])[0]
