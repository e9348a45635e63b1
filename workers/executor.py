"""Runs one step: claim it, call its node, commit what came of it."""

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from graphs.checkpoint import Result
from graphs.errors import LimitKind, NodeCancelledError, NodeExitedError, NodeTimeoutError
from graphs.frames import Root, frame_ns
from graphs.graph import Child, Graph
from graphs.interrupts import GraphInterrupt
from graphs.retry import retry_delay_s
from graphs.signals import ParentCommand
from graphs.sleeping import Asleep
from graphs.timeouts import UNLIMITED
from scheduler.calls import Call, Calls
from scheduler.claim import Claim, Progress
from scheduler.dispatch import StepRef
from scheduler.errors import LeaseLost, StoreUnavailable
from scheduler.failure import Failure, describe, lost, overran, parked, refused, revived, timed_out
from scheduler.frame import Outcome as FrameOutcome
from scheduler.mistrust import KeyMissing, SealBroken
from scheduler.run import Run
from scheduler.steps import REFUSED

from .attempt import Attempt, Local, Means, command_of
from .host import Host
from .limits import Clock, TimeUp, within
from .loop import Abandoned
from .outcome import Outcome
from .sleepers import Rest
from .versioning import judged

#: Returns the graph of a run, or None where this process does not have it.
FindRoot = Callable[[Run], Root | None]


class Nesting(Protocol):
    """Runs what a node calls in its body."""

    def call(self, attempt: Attempt) -> Result:
        """Call the node of an attempt, and see through what it calls."""


class Executor:
    """Runs steps; the same in a Celery worker and in the process of the caller.

    Args:
        means: what attempts work with.
        calls: opens the frames of the graphs that stand as nodes.
        nesting: runs the graphs and tasks that nodes call in their bodies.
        host: the process; without one, that of the caller.
    """

    def __init__(self, means: Means, calls: Calls, nesting: Nesting | None = None, host: Host | None = None) -> None:
        self._means = means
        self._steps = means.steps
        self._calls = calls
        self._nesting = nesting
        self._host = host or Host()
        self._time_up: tuple[type[BaseException], ...] = (TimeUp, *self._host.time_limit_errors)
        #: What the call of a node or a graph meets that is not its own doing.
        self._not_its_own: tuple[type[BaseException], ...] = (LeaseLost, StoreUnavailable, *self._time_up)

    def run(self, ref: StepRef, delivery: str, find: FindRoot, local: Local | None = None) -> Outcome | None:
        """Run a step, if it is there to be run; None for a stale or doubled message.

        Args:
            ref: which step.
            delivery: under which delivery of its message.
            find: finds its graph.
            local: what this process knows of its run.

        Raises:
            LeaseLost: the lease ended meanwhile; nothing of this attempt was stored.
        """
        try:
            return self._in_turn(ref, delivery, find, local or Local())
        except (KeyMissing, SealBroken) as error:  # whoever has the key, or the true value, can go on
            self._steps.park(ref, error)
            return None

    def give_up(self, claim: Claim) -> Progress:
        """Store that a step was given up because a sibling failed; it runs again when the run is taken up."""
        return self._steps.give_up(claim)

    def _in_turn(self, ref: StepRef, delivery: str, find: FindRoot, local: Local) -> Outcome | None:
        """Run a step beside others, or alone, where it may be the one that kills its process."""
        with self._host.turns.together():
            claim = self._steps.claim(ref, delivery)
            if claim is None or not self._host.suspects(claim.losses):
                return None if claim is None else self._claimed(claim, find, local)
            self._steps.put_off(claim)  # whoever runs alone before it may kill this process
        with self._host.turns.alone():
            claim = self._steps.claim(ref, delivery)
            return None if claim is None else self._claimed(claim, find, local)

    def _claimed(self, claim: Claim, find: FindRoot, local: Local) -> Outcome | None:
        """Run a step that this process may have to leave to others."""
        root = find(claim.run)
        judgement = judged(claim, root, self._host.is_newer)
        if judgement.parked:
            return Outcome(self._steps.end(claim, parked(judgement.parked, claim.step.node)), word="parked")
        upgraded = self._steps.upgrade(claim, root.graph.fingerprint) if root and judgement.upgrades else claim
        if root is None or upgraded is None or judgement.passed_on:
            self._steps.pass_on(claim)
            return None
        return self._judged(upgraded, root, local)

    def _judged(self, claim: Claim, root: Root, local: Local) -> Outcome:
        """Run a step whose run may go on here."""
        graph = root.at(claim.ns)
        if claim.verdict == "close":
            return Outcome(self._steps.close(claim, graph), word="closed")
        attempt = Attempt(claim, graph, self._means, local, self._clock(claim, graph))
        if claim.verdict != "run":
            self._means.tracing.given_up(claim, self._steps.cut_short)
            return self._doomed(attempt)
        with attempt.local.control.heard_by(lambda reason: self._steps.drain(claim, reason)):
            child = graph.children.get(claim.step.node)
            return self._means.tracing.attempt(claim, lambda: self._attempt(attempt, child), self._steps.cut_short)

    def _attempt(self, attempt: Attempt, child: Child | None) -> Outcome:
        claim = attempt.claim
        try:
            return self._called(attempt) if child is None or child.keeps is False else self._framed(attempt, child)
        except (GraphInterrupt, Asleep) as waits:
            return self._asked(attempt, waits) if isinstance(waits, GraphInterrupt) else self._asleep(attempt, waits)
        except self._time_up as up:
            return self._overran(attempt, up.kind if isinstance(up, TimeUp) else "run")
        except ParentCommand as up:
            return self._up(attempt, up)
        except Abandoned:
            return Outcome(Progress(), abandoned=claim)
        except BaseException as error:  # no Exception of the node's: that is committed as its failure
            return self._quit(attempt, error)

    def _quit(self, attempt: Attempt, error: BaseException) -> Outcome:
        """Take what ends a coroutine or a process for a failure of the node, where that was its own idea."""
        claim, name = attempt.claim, attempt.node.name
        if isinstance(error, Exception):  # the store's, as a rule
            raise error
        if isinstance(error, asyncio.CancelledError):  # one from the outside abandons the step
            cancelled = NodeCancelledError(name)
            return self._failed(attempt, describe(cancelled, name), cancelled)
        if self._host.is_ending(error):  # hand the step back before this process is gone
            overran = claim.soft_ms is not None and attempt.clock.elapsed_s * 1000 >= claim.soft_ms
            self._steps.release(claim.ref, claim.delivery, "timed out" if overran else "released")
            raise error
        exited = NodeExitedError(name, repr(error))
        return self._failed(attempt, describe(exited, name), exited)

    def _called(self, attempt: Attempt) -> Outcome:
        """Run a node that is a function."""
        call = attempt.call if self._nesting is None else partial(self._nesting.call, attempt)
        return self._committed(attempt, call if attempt.node.is_async else partial(within, attempt.clock, call))

    def _framed(self, attempt: Attempt, child: Child) -> Outcome:
        """Run a node that is a graph: call it, or take what it gave back."""
        claim = attempt.claim
        ns = frame_ns(claim.ns, claim.step, keeps=child.keeps)
        if not claim.returned:
            entered = self._entered(attempt, child, ns)
            if entered is None:
                return self._called(attempt)
            if entered.failure is not None or not entered.progress.left:
                return entered
        back = self._calls.outcome(claim, ns)
        if back is None:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        error = _raised(attempt, back)
        if back.kind == "interrupted":
            raise GraphInterrupt(back.questions, refused=error)
        if back.failure is not None and error is not None:
            return self._failed(attempt, back.failure, error)
        left = self._calls.left(claim, ns, back.cursor, keeps=child.keeps)
        if back.command is not None:
            command = command_of(back.command)
            return self._committed(attempt, lambda: attempt.take(command, left.children))
        return self._committed(attempt, lambda: attempt.take(child.graph.output_of(left.values), left.children))

    def _entered(self, attempt: Attempt, child: Child, ns: str) -> Outcome | None:
        """Call a graph; None where a cache has the step's result."""
        claim = attempt.claim
        try:
            if attempt.found is not None:
                return None
            update = child.graph.input.known(attempt.called_with)
            return Outcome(self._calls.enter(Call(claim, child.graph, ns, child.keeps, update)), word="called")
        except self._not_its_own:
            raise
        except Exception as error:  # its own routers are asked where it begins
            return self._failed(attempt, describe(error, claim.step.node), error)

    def _asked(self, attempt: Attempt, asked: GraphInterrupt) -> Outcome:
        """Keep what a step asks; whoever gave it an answer that does not fit gets the error."""
        claim, name = attempt.claim, attempt.node.name
        failure = None if asked.refused is None else refused(asked.refused, name)
        try:
            progress = self._steps.ask(claim, attempt.graph, asked, failure)
            word = "spent" if asked.breach and not asked.interrupts else "interrupted"
            return Outcome(progress, asked.refused, failure, word=word)
        except REFUSED as error:
            return self._failed(attempt, describe(error, name), error)

    def _asleep(self, attempt: Attempt, asleep: Asleep) -> Outcome:
        """Let a step sleep; inline, no longer than its run or superstep may go on."""
        left_s = [limit for limit in _left_s(attempt.claim) if limit is not None]
        if min(left_s, default=1) <= 0:
            return self._overran(attempt, "run")
        seconds = (asleep.until_ms - attempt.now_ms()) / 1000
        rest = Rest(asleep.until_ms, min([seconds, *left_s]))
        return Outcome(self._steps.sleep(attempt.claim, asleep), rest=rest, word="slept")

    def _committed(self, attempt: Attempt, result: Callable[[], Result]) -> Outcome:
        name = attempt.node.name
        try:
            written = attempt.kept(result)
        except self._not_its_own:
            raise  # with a pool's limits the end of its time is an Exception like any other
        except Exception as error:  # whatever a node raises is the node's failure, and a durable fact
            return self._failed(attempt, describe(error, name), error)
        try:
            return Outcome(self._steps.commit(attempt.claim, attempt.graph, written))
        except REFUSED as error:
            return self._given_up(attempt, describe(error, name), error)

    def _up(self, attempt: Attempt, up: ParentCommand) -> Outcome:
        """Leave the frame with a Command for the graph above; at the root there is none, and nothing handles that."""
        claim, name = attempt.claim, attempt.node.name
        command = {"update": up.command.update, "goto": list(up.command.targets)}
        failure = describe(up, name) | {"command": command}
        try:
            if claim.frame.caller is not None:
                return Outcome(self._steps.leave(claim, FrameOutcome("command", command=command)))
            return Outcome(self._steps.fail(claim, None, failure), up, failure)
        except REFUSED as error:  # the update cannot be stored
            return self._given_up(attempt, describe(error, name), error)

    def _clock(self, claim: Claim, graph: Graph) -> Clock:
        """Return the time that an attempt has, as far as this class keeps the limits."""
        own = claim.step.timeout or graph.node(claim.step.node).timeout or UNLIMITED
        of_node = own.run_timeout_s if self._host.limits else None
        limits = [limit for limit in (of_node, *_left_s(claim)) if limit is not None]
        return Clock(min(limits, default=None), own.idle_timeout_s, explicit=own.refresh_on == "heartbeat")

    def _overran(self, attempt: Attempt, kind: LimitKind) -> Outcome:
        claim, run = attempt.claim, attempt.claim.run
        of_run, of_superstep = _left_s(claim)
        if of_run is not None and of_run <= 0:
            return Outcome(self._steps.end(claim, timed_out("The run", run.limit_s)))
        if of_superstep is not None and of_superstep <= 0:
            return Outcome(self._steps.end(claim, timed_out("A superstep", run.step_timeout_s or 0)))
        return self._timed_out(attempt, kind, attempt.clock.elapsed_s)

    def _doomed(self, attempt: Attempt) -> Outcome:
        claim = attempt.claim
        if claim.verdict == "timed_out":
            return self._timed_out(attempt, "run")
        return self._given_up(attempt, lost(claim.step.node, claim.losses, claim.lost_by))

    def _timed_out(self, attempt: Attempt, kind: LimitKind, elapsed_s: float | None = None) -> Outcome:
        limits, name = attempt.limits, attempt.node.name
        error = NodeTimeoutError(name, limits.run_timeout_s, limits.idle_timeout_s, kind, elapsed_s)
        return self._failed(attempt, overran(error), error)

    def _failed(self, attempt: Attempt, failure: Failure, error: Exception) -> Outcome:
        claim = attempt.claim
        noise = random.uniform(0, 1)  # nosec B311  # spreads retries, guards nothing
        delay_s = retry_delay_s(attempt.node.retry, error, claim.attempt, noise)
        if delay_s is not None:
            progress = self._steps.retry(claim, failure, round(delay_s * 1000))
            return Outcome(progress, error, failure, retry_s=delay_s)
        return self._given_up(attempt, failure, error)

    def _given_up(self, attempt: Attempt, failure: Failure, error: Exception | None = None) -> Outcome:
        progress = self._steps.fail(attempt.claim, attempt.graph, failure)
        return Outcome(progress, error, failure, handled=attempt.node.handler is not None)


def _raised(attempt: Attempt, back: FrameOutcome) -> Exception | None:
    """Return what a graph failed with: the very exception, where it was raised in this process."""
    if back.failure is None:
        return None
    ref = attempt.claim.ref
    return attempt.local.raised(back.failure) or revived(back.failure, ref.thread_id, ref.run_id)


def _left_s(claim: Claim) -> tuple[float | None, float | None]:
    """Return for how long an inline run, and the superstep, may go on; of others the schedulers keep these limits."""
    run, now_s = claim.run, time.time()
    of_run = run.left_s(now_s) if run.inline and run.deadline_ms else None
    limit_s = run.step_timeout_s if run.inline else None
    return of_run, None if limit_s is None else claim.since_ms / 1000 + limit_s - now_s
