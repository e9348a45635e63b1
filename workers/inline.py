"""Runs a run's steps in the caller's process, parallel ones side by side."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from uuid import uuid4

from graphs.graph import Graph
from scheduler.dispatch import StepOrder, StepRef
from scheduler.errors import LeaseLost
from scheduler.runs import RunStore
from scheduler.starting import Started

from .executor import Executor, Outcome
from .heartbeat import Heartbeat
from .loop import Abandoned, Calls

_MAX_PARALLEL = 32


class InlineRunner:
    """Takes a run from its first steps to its end; the same protocol as on workers, without a queue.

    Args:
        executor: runs one step.
        runs: the store of runs.
        running: where the steps that run now are kept, for the heartbeat to see.
        heartbeat: keeps their leases, where other processes could take them.
    """

    def __init__(
        self, executor: Executor, runs: RunStore, running: dict[StepRef, str], heartbeat: Heartbeat | None = None
    ) -> None:
        self._executor = executor
        self._runs = runs
        self._running = running
        self._heartbeat = heartbeat

    def run(self, graph: Graph, started: Started) -> Exception | None:
        """Run everything a run has due until it ends; return the exception of the node that failed, if one did."""
        if self._heartbeat is not None:
            self._heartbeat.hold_run(started.run.thread_id, started.run.id)
        try:
            return self._drain(graph, started)
        except BaseException:  # interrupted from the keyboard, as a rule: nobody else would take the run on
            self._runs.cancel(started.run.thread_id, started.run.id, "its process gave it up")
            raise
        finally:
            if self._heartbeat is not None:
                self._heartbeat.drop_run(started.run.thread_id, started.run.id)

    def _drain(self, graph: Graph, started: Started) -> Exception | None:
        ready: Sequence[StepOrder] = started.orders
        limit = started.run.config.get("max_concurrency") or _MAX_PARALLEL
        failed: Exception | None = None
        while ready:
            outcomes = self._superstep(graph, ready, limit)
            failed = next((outcome.error for outcome in outcomes if outcome.error is not None), failed)
            ready = [order for outcome in outcomes for order in outcome.progress.orders]
        return failed

    def _superstep(self, graph: Graph, orders: Sequence[StepOrder], limit: int) -> list[Outcome]:
        if len(orders) == 1:
            return self._step(graph, orders[0])
        workers = min(limit, len(orders))
        with ThreadPoolExecutor(workers, thread_name_prefix="treadle-step") as pool, Calls() as siblings:
            futures = [pool.submit(copy_context().run, self._step, graph, order) for order in orders]
            for future in as_completed(futures):
                if future.exception() or any(outcome.error for outcome in future.result()):
                    siblings.cancel()
        return self._gathered(orders[0].ref, futures)

    def _gathered(self, ref: StepRef, steps: Sequence[Future[list[Outcome]]]) -> list[Outcome]:
        ended = [step for step in steps if not isinstance(step.exception(), Abandoned)]
        outcomes = [outcome for step in ended for outcome in step.result()]
        if len(ended) < len(steps):
            failure = next((outcome.failure for outcome in outcomes if outcome.failure), None)
            if failure is None:  # given up by the caller, and not because a sibling failed
                raise Abandoned
            self._runs.end(ref.thread_id, ref.run_id, failure)  # the step that was abandoned would keep it open
        return outcomes

    def _step(self, graph: Graph, order: StepOrder) -> list[Outcome]:
        while True:
            delivery = self._running[order.ref] = uuid4().hex
            try:
                outcome = self._executor.run(order.ref, delivery, {graph.name: graph})
            except LeaseLost:
                continue  # cancelled: then there is nothing to claim any more; out of time: then that is to be recorded
            finally:
                self._running.pop(order.ref, None)
            if outcome is None:
                return []
            if outcome.progress.retry_ms is None:
                if outcome.error is not None:
                    outcome.error.add_note(f"During task with name {order.node!r} and id {order.ref.step_id!r}")
                return [outcome]
            time.sleep(outcome.progress.retry_ms / 1000)
