"""The life of a step on the worker's side: claim it, then commit what came of it.

Whoever reads one file to learn the protocol should read this one. A claim is a lease with a fencing token; a commit
is good only while the token is. A superstep of one step commits and closes in one script. Of several parallel steps
each keeps its result, and whoever brings in the last one closes; should that one die in between, the step's due
entry leads the next worker to the closing.
"""

import json
import logging
from collections.abc import Sequence
from typing import Any

from graphs.checkpoint import Result
from graphs.commands import Interrupt
from graphs.graph import Graph

from .claim import Claim, Progress
from .closing import REFUSED, Closing
from .dispatch import StepOrder
from .errors import LeaseLost
from .failure import Failure, lost, timed_out
from .moves import hand_out

__all__ = ["REFUSED", "Steps"]

logger = logging.getLogger(__name__)


class Steps(Closing):
    """One worker's hand on steps: it takes leases and commits what came of them, in this process or on Celery."""

    def commit(self, claim: Claim, graph: Graph, result: Result) -> Progress:
        """Store what a step wrote; the last step of a superstep closes it.

        Raises:
            LeaseLost: the lease is no longer ours, and nothing was stored.
            GraphError, NotSerializable, StateTooLarge: the state cannot take the result, and nothing was stored.
        """
        if len(claim.stored.checkpoint.steps) == 1:
            return self._advance(claim, graph, [result], single=True)
        return self._put(claim, graph, "committed", self._connection.checkpoints.encode_result(result, claim.dialogue))

    def fail(self, claim: Claim, graph: Graph | None, failure: Failure) -> Progress:
        """Store that a step failed for good; the run ends when its siblings have ended too.

        Raises:
            LeaseLost: the lease is no longer ours, and nothing was stored.
        """
        logger.info("step failed", extra={**claim.ids, "thread_id": claim.ref.thread_id, "kind": failure["kind"]})
        kind = "timed out" if failure["kind"] == "timeout" else "failed"
        return self._put(
            claim,
            graph,
            kind,
            self._connection.checkpoints.encode_error(failure, claim.dialogue),
            error=failure["repr"],
        )

    def ask(self, claim: Claim, graph: Graph, questions: Sequence[Interrupt], *, paused: bool = False) -> Progress:
        """Store what a step asks; the run pauses when its siblings have ended too.

        Args:
            claim: the step.
            graph: its graph.
            questions: what it, or a graph that it called, asks.
            paused: whether a graph that it called stands at a breakpoint, which asks nothing.

        Raises:
            LeaseLost: the lease is no longer ours, and nothing was stored.
            NotSerializable: a question cannot be stored.
        """
        dialogue = claim.dialogue.asking(questions)
        asked = self._connection.checkpoints.encode_questions(claim.step.node, dialogue, paused=paused)
        return self._put(claim, graph, "interrupted", asked, questions=[question.id for question in questions])

    def give_up(self, claim: Claim) -> Progress:
        """Store that a step was given up because a sibling failed; it has no result, and is open when the run goes on.

        Raises:
            LeaseLost: the lease is no longer ours, and nothing was stored.
        """
        known = self._connection.checkpoints.encode_known(claim.dialogue.record())
        return self._put(claim, None, "cancelled", known)

    def retry(self, claim: Claim, failure: Failure, delay_ms: int) -> Progress:
        """Let a step wait for its next attempt, in the store and not in a worker.

        Raises:
            LeaseLost: the lease is no longer ours.
        """
        entry = {"kind": "retried", **claim.ids, "after_ms": delay_ms, "error": failure["repr"][:500]}
        place = self._place(claim)
        given_back = self._connection.scripts.retry_step(
            place,
            step=claim.ref.step_id,
            member=self._member(place, claim.ref.step_id),
            fence=claim.fence,
            delay_ms=delay_ms,
            entry=json.dumps(entry),
        )
        if not given_back:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        return Progress(retry_ms=delay_ms)

    def doomed(self, claim: Claim) -> Failure:
        """Return the failure of a step that must not run: it is past its time limit, or it killed its workers."""
        if claim.verdict == "timed_out":
            return timed_out(f"Node {claim.step.node!r}", (claim.soft_ms or 0) / 1000, claim.step.node)
        return lost(claim.step.node, claim.losses)

    def _put(self, claim: Claim, graph: Graph | None, kind: str, result: bytes, **more: Any) -> Progress:
        place = self._place(claim)
        remaining, held = self._connection.scripts.put_result(
            place,
            step=claim.ref.step_id,
            token=place.keys.token,
            member=self._member(place, claim.ref.step_id),
            fence=claim.fence,
            close_ms=self._connection.settings.lease_ms,
            wait_ms=self._connection.settings.queue_wait_ms,
            entry=json.dumps({"kind": kind, **claim.ids, **more}),
            result=result,
        )
        if remaining < 0:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        if held is not None:
            hand_out(self._connection, StepOrder.from_record(claim.ref.thread_id, held))
        return self.close(claim, graph) if remaining == 0 else Progress()
