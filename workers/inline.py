"""Runs steps in the caller's process, each as soon as it is due, several side by side."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from uuid import uuid4

from graphs.frames import Root
from graphs.node import Node
from graphs.sleeping import Asleep
from scheduler.dispatch import StepOrder, StepRef
from scheduler.errors import LeaseLost
from scheduler.runs import RunStore
from scheduler.storing import Started

from .attempt import Local
from .executor import Executor
from .heartbeat import Heartbeat
from .loop import Abandoned, Calls
from .loop import run as run_anywhere
from .outcome import Outcome
from .sleepers import Sleepers

#: How many steps run at the same time where the config does not say: a thread each.
_MAX_PARALLEL = 100


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
            self._see_through(root, started, local)
        except BaseException:  # interrupted from the keyboard, as a rule: nobody else would take the run on
            self._runs.cancel(started.run.thread_id, started.run.id, "its process gave it up")
            raise
        finally:
            if self._heartbeat is not None:
                self._heartbeat.drop_run(started.run.thread_id, started.run.id)

    def drain(self, root: Root, orders: Sequence[StepOrder], local: Local, limit: int | None = None) -> None:
        """Run steps, and what they make due, until nothing is due any more; at the most ``limit`` at the same time.

        Raises:
            Asleep: what is left sleeps.
        """
        sleepers = Sleepers()
        self._drain(root, orders, local, limit, sleepers)
        if sleepers:
            raise Asleep(sleepers.until_ms)

    def _see_through(self, root: Root, started: Started, local: Local) -> None:
        """Run a run's steps, and wait while all that are left sleep."""
        due, sleepers, run = list(started.orders), Sleepers(), started.run
        while due:
            self._drain(root, due, local, run.config.get("max_concurrency"), sleepers)
            due = sleepers.wait(lambda: self._runs.status(run.thread_id, run.id).is_final)

    def _drain(
        self, root: Root, orders: Sequence[StepOrder], local: Local, limit: int | None, sleepers: Sleepers
    ) -> None:
        """Run steps until nothing is due any more but those that sleep."""
        due, ended = list(orders), SimpleQueue[Future[list[Outcome]]]()
        running: dict[Future[list[Outcome]], StepOrder] = {}
        supersteps: dict[tuple[str, str], Calls] = {}
        with ExitStack() as closing:
            pool: ThreadPoolExecutor | None = None
            while due or running:
                if not running and not sleepers and len(due) == 1:
                    order = due.pop()
                    outcomes = self._step(root, order, local, Calls())
                else:
                    if pool is None:
                        pool = closing.enter_context(ThreadPoolExecutor(limit or _MAX_PARALLEL, "treadle-step"))
                        closing.enter_context(Calls())  # an exception that leaves here cancels what the pool waits for
                    for order in due:
                        siblings = supersteps.setdefault((order.frame.ns, order.checkpoint_id), Calls())
                        own = Calls() if order.handles else siblings  # a handler runs although a sibling has failed
                        step = pool.submit(own.context().run, self._step, root, order, local, siblings)
                        running[step] = order
                        step.add_done_callback(ended.put)
                    try:
                        step = ended.get(timeout=sleepers.left_s())
                    except Empty:
                        due = sleepers.woken()
                        continue
                    order, outcomes = running.pop(step), step.result()
                due = _taken(order, outcomes, local, sleepers)

    def _step(self, root: Root, order: StepOrder, local: Local, siblings: Calls) -> list[Outcome]:
        while True:
            delivery = self._running[order.ref] = uuid4().hex
            try:
                outcome = self._executor.run(order.ref, delivery, lambda _: root, local)
            except LeaseLost:
                continue  # cancelled: then there is nothing to claim any more; out of time: then that is to be recorded
            finally:
                self._running.pop(order.ref, None)
            if outcome is None or outcome.retry_s is None:
                return [] if outcome is None else [self._ended(order, outcome, siblings)]
            _pause(outcome.retry_s, root.at(order.frame.ns).node(order.node))

    def _ended(self, order: StepOrder, outcome: Outcome, siblings: Calls) -> Outcome:
        """Return what came of a step; one that failed, and is not handled, cancels its async siblings."""
        if outcome.abandoned is not None:
            if siblings.cancelled_from_above:
                raise Abandoned
            return Outcome(self._executor.give_up(outcome.abandoned))
        if outcome.error is not None and not outcome.handled:
            outcome.error.add_note(f"During task with name {order.node!r} and id {order.ref.step_id!r}")
            siblings.cancel()
        return outcome


def _taken(order: StepOrder, outcomes: Sequence[Outcome], local: Local, sleepers: Sleepers) -> list[StepOrder]:
    """Take in what came of a step; return what is due with it."""
    for outcome in outcomes:  # the step that raised comes before those that pass its failure on
        if outcome.failure and outcome.error:
            local.errors.setdefault(outcome.failure["id"], outcome.error)
        if outcome.rest:
            sleepers.add(order, outcome.rest)
    return [due for outcome in outcomes for due in outcome.progress.orders]


def _pause(delay_s: float, node: Node) -> None:
    """Wait between two attempts, in the way in which the node itself would."""
    if not node.is_async:
        time.sleep(delay_s)
        return
    with suppress(Abandoned):  # then the next attempt is given up before it begins
        run_anywhere(asyncio.sleep(delay_s))
