"""Runs one step: claim it, call its node, commit what came of it."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from graphs.checkpoint import Result
from graphs.errors import NodeCancelledError, NodeTimeoutError
from graphs.frames import Root, frame_ns
from graphs.graph import Child, Graph
from graphs.interrupts import GraphInterrupt
from graphs.retry import retry_delay_s
from graphs.signals import ParentCommand
from scheduler.calls import Call, Calls
from scheduler.claim import Claim, Progress
from scheduler.dispatch import StepRef
from scheduler.errors import LeaseLost, StoreUnavailable
from scheduler.failure import Failure, describe, parked, refused, revived, timed_out
from scheduler.frame import Outcome as FrameOutcome
from scheduler.run import Run
from scheduler.steps import REFUSED

from .attempt import Attempt, Means, command_of
from .limits import TimeUp, within
from .loop import Abandoned

logger = logging.getLogger(__name__)


#: Returns the graph of a run, or None where this process does not have it.
FindRoot = Callable[[Run], Root | None]


class Nesting(Protocol):
    """Runs what a node calls in its body."""

    def call(self, attempt: Attempt) -> Result:
        """Call the node of an attempt, and see through what it calls."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step: the progress it made, and the exception where it failed."""

    progress: Progress
    error: BaseException | None = None
    #: The record of that failure; by its id a caller in the same process finds the very exception.
    failure: Failure | None = None
    #: The claim of an attempt that nobody waits for any more; nothing of it is stored.
    abandoned: Claim | None = None


class Executor:
    """Runs steps; the same in a Celery worker and in the process of the caller.

    Args:
        means: what attempts work with.
        calls: opens the frames of the graphs that stand as nodes.
        nesting: runs the graphs and tasks that nodes call in their bodies.
        limits: whether this class keeps the time limits; False where the pool does (prefork).
        time_limit_errors: what the pool raises in a node whose soft time limit is up.
    """

    def __init__(
        self,
        means: Means,
        calls: Calls,
        nesting: Nesting | None = None,
        *,
        limits: bool = True,
        time_limit_errors: tuple[type[Exception], ...] = (),
    ) -> None:
        self._means = means
        self._steps = means.steps
        self._calls = calls
        self._nesting = nesting
        self._limits = limits
        self._time_up: tuple[type[BaseException], ...] = (TimeUp, *time_limit_errors)
        #: What the call of a graph meets that is not the graph's own doing.
        self._not_its_own: tuple[type[BaseException], ...] = (LeaseLost, StoreUnavailable, *self._time_up)

    def run(self, ref: StepRef, delivery: str, find: FindRoot) -> Outcome | None:
        """Run a step, if it is there to be run; None for a stale or doubled message.

        Raises:
            LeaseLost: the lease ended meanwhile; nothing of this attempt was stored.
        """
        claim = self._steps.claim(ref, delivery)
        if claim is None:
            return None
        root = find(claim.run)
        reason = _why_parked(claim, root)
        if root is None or reason:
            return Outcome(self._steps.end(claim, parked(reason, claim.step.node)))
        graph = root.at(claim.ns)
        if claim.verdict == "close":
            return Outcome(self._steps.close(claim, graph))
        if claim.verdict != "run":
            return self._doomed(claim, graph)
        child = graph.children.get(claim.step.node)
        attempt = Attempt(claim, graph, self._means)
        if child is None or child.keeps is False:
            return self._attempt(attempt, lambda: self._called(attempt))
        return self._attempt(attempt, lambda: self._framed(attempt, child))

    def give_up(self, claim: Claim) -> Progress:
        """Store that a step was given up because a sibling failed; it runs again when the run is taken up."""
        return self._steps.give_up(claim)

    def _attempt(self, attempt: Attempt, step: Callable[[], Outcome]) -> Outcome:
        claim, graph, began = attempt.claim, attempt.graph, time.monotonic()
        try:
            return step()
        except GraphInterrupt as asked:
            return self._asked(claim, graph, asked)
        except self._time_up:
            return self._overran(claim, graph)
        except ParentCommand as up:
            return self._up(claim, graph, up)
        except Abandoned:
            return Outcome(Progress(), abandoned=claim)
        except asyncio.CancelledError:  # the node's own; one from the outside abandons the step
            gave_up = NodeCancelledError(claim.step.node)
            return self._failed(claim, graph, describe(gave_up, claim.step.node), gave_up)
        except (SystemExit, KeyboardInterrupt):  # the pool kills this process: hand the step back before it is gone
            ran_ms = (time.monotonic() - began) * 1000
            overran = claim.soft_ms is not None and ran_ms >= claim.soft_ms
            self._steps.release(claim.ref, claim.delivery, "timed out" if overran else "released")
            raise

    def _called(self, attempt: Attempt) -> Outcome:
        """Run a node that is a function."""
        call = attempt.call if self._nesting is None else partial(self._nesting.call, attempt)

        return self._committed(attempt, lambda: within(self._limit_s(attempt), call))

    def _framed(self, attempt: Attempt, child: Child) -> Outcome:
        """Run a node that is a graph: call it, or take what it gave back."""
        claim = attempt.claim
        ns = frame_ns(claim.ns, claim.step, keeps=child.keeps)
        if not claim.returned:
            entered = self._entered(attempt, child, ns)
            if entered.failure is not None or not entered.progress.left:
                return entered
        back = self._calls.outcome(claim, ns)
        if back is None:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        error = None if back.failure is None else revived(back.failure, claim.ref.thread_id, claim.ref.run_id)
        if back.kind == "interrupted":
            raise GraphInterrupt(back.questions, refused=error)
        if back.failure is not None and error is not None:
            return self._failed(claim, attempt.graph, back.failure, error)
        left = self._calls.left(claim, ns, back.cursor, keeps=child.keeps)
        if back.command is not None:
            command = command_of(back.command)
            return self._committed(attempt, lambda: attempt.take(command, left.children))
        return self._committed(attempt, lambda: attempt.take(child.graph.output_of(left.values), left.children))

    def _entered(self, attempt: Attempt, child: Child, ns: str) -> Outcome:
        claim = attempt.claim
        try:
            update = child.graph.input.known(attempt.called_with)
            return Outcome(self._calls.enter(Call(claim, child.graph, ns, child.keeps, update)))
        except self._not_its_own:
            raise
        except Exception as error:  # its own routers are asked where it begins
            return self._failed(claim, attempt.graph, describe(error, claim.step.node), error)

    def _asked(self, claim: Claim, graph: Graph, asked: GraphInterrupt) -> Outcome:
        """Keep what a step asks; whoever gave it an answer that does not fit gets the error."""
        failure = None if asked.refused is None else refused(asked.refused, claim.step.node)
        try:
            return Outcome(self._steps.ask(claim, graph, asked, failure), asked.refused, failure)
        except REFUSED as error:
            return self._failed(claim, graph, describe(error, claim.step.node), error)

    def _committed(self, attempt: Attempt, result: Callable[[], Result]) -> Outcome:
        claim, graph = attempt.claim, attempt.graph
        try:
            written = result()
        except self._time_up:
            raise  # with a pool's limits an Exception like any other
        except Exception as error:  # whatever a node raises is the node's failure, and a durable fact
            return self._failed(claim, graph, describe(error, claim.step.node), error)
        try:
            return Outcome(self._steps.commit(claim, graph, written))
        except REFUSED as error:
            failure = describe(error, claim.step.node)
            return Outcome(self._steps.fail(claim, graph, failure), error, failure)

    def _up(self, claim: Claim, graph: Graph, up: ParentCommand) -> Outcome:
        """Leave the frame with a Command for the graph above; at the root there is none."""
        if claim.frame.caller is None:
            failure = describe(up, claim.step.node)
            return Outcome(self._steps.fail(claim, graph, failure), up, failure)
        command = {"update": up.command.update, "goto": list(up.command.targets)}
        return Outcome(self._steps.leave(claim, FrameOutcome("command", command=command)))

    def _limit_s(self, attempt: Attempt) -> float | None:
        """Return for how long a node may run, as far as this class keeps the limits."""
        node, run = attempt.node, attempt.claim.run
        of_node = [node.timeout_s] if self._limits and node.timeout_s is not None else []
        of_run = [max(0.001, run.left_s(time.time()))] if run.inline and run.deadline_ms else []
        return min(of_node + of_run, default=None)

    def _overran(self, claim: Claim, graph: Graph) -> Outcome:
        run, node = claim.run, graph.node(claim.step.node)
        if run.inline and run.deadline_ms is not None and run.left_s(time.time()) <= 0:
            return Outcome(self._steps.end(claim, timed_out("The run", run.limit_s)))
        limit_s = node.timeout_s or 0.0
        failure = timed_out(f"Node {node.name!r}", limit_s, node.name)
        return self._failed(claim, graph, failure, NodeTimeoutError(node.name, limit_s))

    def _doomed(self, claim: Claim, graph: Graph) -> Outcome:
        failure = self._steps.doomed(claim)
        if claim.verdict != "timed_out":
            return Outcome(self._steps.fail(claim, graph, failure))
        return self._failed(claim, graph, failure, NodeTimeoutError(claim.step.node, (claim.soft_ms or 0) / 1000))

    def _failed(self, claim: Claim, graph: Graph, failure: Failure, error: Exception) -> Outcome:
        delay_s = retry_delay_s(graph.node(claim.step.node).retry, error, claim.attempt, random.random())
        if delay_s is not None:
            return Outcome(self._steps.retry(claim, failure, round(delay_s * 1000)), error, failure)
        return Outcome(self._steps.fail(claim, graph, failure), error, failure)


def _why_parked(claim: Claim, root: Root | None) -> str:
    """Return why this process must not go on with a run, or nothing."""
    if root is None:
        return (
            f"No graph {claim.run.graph!r} is registered in worker {claim.worker}: name it in TREADLE_GRAPHS, "
            "restart the worker, and go on with invoke(None, config)."
        )
    if not root.ns and root.graph.fingerprint != claim.run.fingerprint:
        return (
            f"Graph {root.graph.name!r} changed since the run began "
            f"({claim.run.fingerprint} -> {root.graph.fingerprint}): "
            "deploy the version it began with, or go on with the new one by invoke(None, config)."
        )
    return ""
