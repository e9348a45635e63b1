"""The life of a step on the worker's side: claim it, then commit what came of it.

Whoever reads one file to learn the protocol should read this one. A claim is a lease with a fencing token; a commit
is good only while the token is. A superstep of one step commits and closes in one script. Of several parallel steps
each keeps its result, and whoever brings in the last one closes; should that one die in between, the step's due
entry leads the next worker to the closing.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from graphs.checkpoint import Result, handler_step
from graphs.commands import Interrupt
from graphs.graph import Graph
from graphs.planner import stops

from .claim import Claim, Progress
from .closing import REFUSED, Closing, breakpoints
from .errors import LeaseLost
from .failure import Failure
from .moves import Orders
from .scripts import Request

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
        """Store that a step failed for good; its node's error handler takes over, at once or after a breakpoint.

        Where there is none, the run ends when the step's siblings have ended too.

        Args:
            claim: the step.
            graph: its graph; None: nothing handles this failure.
            failure: what happened.

        Raises:
            LeaseLost: the lease is no longer ours, and nothing was stored.
        """
        logger.info("step failed", extra={**claim.ids, "thread_id": claim.ref.thread_id, "kind": failure["kind"]})
        kind = "timed out" if failure["kind"] == "timeout" else "failed"
        handler = None if graph is None else graph.node(claim.step.node).handler
        name = None if handler is None else handler.name
        result = self._connection.checkpoints.encode_error(failure, claim.dialogue, name)
        said = {"error": failure["repr"]} | ({"handler": name} if name else {})
        if graph is None or name is None or stops(breakpoints(claim, graph)[0], [name]):
            return self._put(claim, graph, kind, result, **said)
        return self._hand_over(claim, graph, name, {"kind": kind, **said}, result)

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

    def retry(self, claim: Claim, failure: Failure, delay_ms: int) -> Progress:
        """Let a step wait for its next attempt, in the store and not in a worker.

        Raises:
            LeaseLost: the lease is no longer ours.
        """
        entry = {"kind": "retried", **claim.ids, "after_ms": delay_ms, "error": failure["repr"][:500]}
        inline = self._connection.dispatcher.inline
        place = self._place(claim)
        given_back = self._connection.scripts.retry_step(
            place,
            step=claim.ref.step_id,
            member=self._member(place, claim.ref.step_id),
            fence=claim.fence,
            delay_ms=0 if inline else delay_ms,  # inline, the process itself waits
            entry=json.dumps(entry),
        )
        if not given_back:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        return Progress(retry_ms=delay_ms)

    def _hand_over(self, claim: Claim, graph: Graph, handler: str, entry: Mapping[str, Any], result: bytes) -> Progress:
        """Open the step of an error handler in the superstep of the step that failed."""
        place = self._place(claim)
        orders = Orders(graph, claim.run, claim.frame, self._connection.settings.grace_ms)
        (order,) = orders.of([handler_step(claim.step, handler)], claim.stored.checkpoint.id)
        message = self._connection.dispatcher.envelope(order)
        request = Request(
            {
                "token": place.keys.token,
                "step": claim.ref.step_id,
                "fence": claim.fence,
                "handler": order.record(),
                "queue": None if message is None else message.queue_key,
                "wait_ms": self._connection.settings.queue_wait_ms,
                "inline": self._connection.dispatcher.inline,
                "entry": {**claim.ids, **entry},
            },
            [result] if message is None else [result, message.payload],
        )
        if not self._connection.scripts.hand_over_step(place, request):
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        self._connection.dispatcher.send([order])
        return Progress((order,))

    def _put(self, claim: Claim, graph: Graph | None, kind: str, result: bytes, **more: Any) -> Progress:
        place = self._place(claim)
        remaining = self._connection.scripts.put_result(
            place,
            step=claim.ref.step_id,
            member=self._member(place, claim.ref.step_id),
            fence=claim.fence,
            close_ms=self._connection.settings.lease_ms,
            entry=json.dumps({"kind": kind, **claim.ids, **more}),
            result=result,
        )
        if remaining < 0:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        return self.close(claim, graph) if remaining == 0 else Progress()
