"""Runs steps in the caller's process, each as soon as it is due, several side by side."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from queue import SimpleQueue
from uuid import uuid4

from graphs.node import Node
from scheduler.dispatch import StepOrder, StepRef
from scheduler.errors import LeaseLost
from scheduler.runs import RunStore
from scheduler.starting import Started

from .attempt import Local
from .executor import Executor, Outcome, Root
from .heartbeat import Heartbeat
from .loop import run as run_anywhere

#: A thread each; the connections of a Redis client are a hundred.
_MAX_PARALLEL = 64


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

    def run(self, root: Root, started: Started, local: Local) -> None:
        """Run everything a run has due until it ends."""
        if self._heartbeat is not None:
            self._heartbeat.hold_run(started.run.thread_id, started.run.id)
        try:
            self.drain(root, started.orders, local, started.run.config.get("max_concurrency"))
        except BaseException:  # interrupted from the keyboard, as a rule: nobody else would take the run on
            self._runs.cancel(started.run.thread_id, started.run.id, "its process gave it up")
            raise
        finally:
            if self._heartbeat is not None:
                self._heartbeat.drop_run(started.run.thread_id, started.run.id)

    def drain(self, root: Root, orders: Sequence[StepOrder], local: Local, limit: int | None = None) -> None:
        """Run steps, and what they make due, until nothing is due any more; at the most ``limit`` at the same time."""
        due, running, ended = list(orders), 0, SimpleQueue[Future[list[Outcome]]]()
        with ExitStack() as closing:
            pool: ThreadPoolExecutor | None = None
            while due or running:
                if not running and len(due) == 1:
                    outcomes = self._step(root, due.pop(), local)
                else:
                    pool = pool or closing.enter_context(ThreadPoolExecutor(limit or _MAX_PARALLEL, "treadle-step"))
                    for order in due:
                        pool.submit(copy_context().run, self._step, root, order, local).add_done_callback(ended.put)
                    running += len(due) - 1
                    outcomes = ended.get().result()
                local.errors.update({one.failure["id"]: one.error for one in outcomes if one.failure and one.error})
                due = [order for outcome in outcomes for order in outcome.progress.orders]

    def _step(self, root: Root, order: StepOrder, local: Local) -> list[Outcome]:
        while True:
            delivery = self._running[order.ref] = uuid4().hex
            try:
                outcome = self._executor.run(order.ref, delivery, lambda _: root, local)
            except LeaseLost:
                continue  # cancelled: then there is nothing to claim any more; out of time: then that is to be recorded
            finally:
                self._running.pop(order.ref, None)
            if outcome is None or outcome.retry_s is None:
                return [] if outcome is None else [outcome]
            _pause(outcome.retry_s, root.at(order.frame.ns).node(order.node))


def _pause(delay_s: float, node: Node) -> None:
    """Wait between two attempts, in the way in which the node itself would."""
    run_anywhere(asyncio.sleep(delay_s)) if node.is_async else time.sleep(delay_s)
