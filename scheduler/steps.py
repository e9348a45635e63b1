"""The life of a step on the worker's side: claim it, then commit what came of it.

Whoever reads one file to learn the protocol should read this one. A claim is a lease with a fencing token; a commit
is good only while the token is. A superstep of one step commits and closes in one script. Of several parallel steps
each keeps its result, and whoever brings in the last one closes; should that one die in between, the step's due
entry leads the next worker to the closing.
"""

import logging
from collections.abc import Mapping
from typing import Any

from graphs.checkpoint import Result, handler_step
from graphs.graph import Graph
from graphs.interrupts import GraphInterrupt
from graphs.planner import stops
from graphs.sleeping import Asleep

from .budget import words_of
from .claim import Claim, Progress
from .closing import REFUSED, Closing, breakpoints
from .deadlines import deadline_record, default_field
from .dispatch import StepOrder
from .errors import LeaseLost
from .failure import Failure
from .json_text import encoded, unfinished
from .moves import Orders, committed_entry, hand_out
from .scripts import Request

__all__ = ["REFUSED", "Steps"]

logger = logging.getLogger(__name__)

#: What put_result is told of a step that does not wait for anybody.
_ENDED: Mapping[str, bytes | str] = {"deadline": b"", "default": b"", "breach": ""}


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
        kept = self._connection.checkpoints.encode_result(result, claim.dialogue)
        return self._put(claim, graph, committed_entry(result), kept)

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
        kept = self._connection.checkpoints.encode_error(failure, claim.dialogue, name)
        entry = {"kind": kind, "error": self._connection.words(self._place(claim).keys, failure["repr"])} | (
            {"handler": name} if name else {}
        )
        if graph is None or name is None or stops(breakpoints(claim, graph)[0], [name]):
            return self._put(claim, graph, entry, kept)
        return self._hand_over(claim, graph, name, entry, kept)

    def ask(self, claim: Claim, graph: Graph, asked: GraphInterrupt, refused: Failure | None = None) -> Progress:
        """Store what a step asks; the run pauses when its siblings have ended too.

        Args:
            claim: the step.
            graph: its graph.
            asked: what it, or a graph that it called, asks; nothing where that one stands at a breakpoint, or where the
                run has reached a limit.
            refused: why the answer does not fit that it had; the run ends with it.

        Raises:
            LeaseLost: the lease is no longer ours, and nothing was stored.
            NotSerializable, StateTooLarge: a question, or its default answer, cannot be stored; and nothing was.
        """
        node, ids = claim.step.node, [question.id for question in asked.interrupts]
        more = {"paused": True} if not ids else {"refused": {**refused, "run": claim.run.id}} if refused else {}
        known = claim.dialogue.asking(asked.interrupts).record() | more
        result = self._connection.checkpoints.encode_known(known, f"What node {node!r} asks")
        kind = {"kind": "refused", "error": self._words(claim, refused)} if refused else {"kind": "interrupted"}
        why = {"why": words_of(asked.breach)} if asked.breach else {}
        entry = {**kind, "questions": ids, **why}
        return self._put(claim, graph, entry, result, {**self._deadline(claim, asked), "breach": asked.breach})

    def give_up(self, claim: Claim) -> Progress:
        """Store that a step was given up because a sibling failed; it has no result, and is open when the run goes on.

        Raises:
            LeaseLost: the lease is no longer ours, and nothing was stored.
        """
        known = self._connection.checkpoints.encode_known(claim.dialogue.record())
        return self._put(claim, None, {"kind": "cancelled"}, known)

    def retry(self, claim: Claim, failure: Failure, delay_ms: int) -> Progress:
        """Let a step wait for its next attempt, in the store and not in a worker.

        Raises:
            LeaseLost: the lease is no longer ours.
        """
        entry = {"kind": "retried", **claim.ids, "after_ms": delay_ms, "error": self._words(claim, failure)}
        inline = self._connection.dispatcher.inline
        place = self._place(claim)
        given_back = self._connection.scripts.retry_step(
            place,
            step=claim.ref.step_id,
            member=self._member(place, claim.ref.step_id),
            fence=claim.fence,
            delay_ms=0 if inline else delay_ms,  # inline, the process itself waits
            entry=unfinished(entry),
            spending=_encoded(claim.spending(steps=0)),
        )
        if not given_back:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        return Progress(retry_ms=delay_ms)

    def sleep(self, claim: Claim, asleep: Asleep) -> Progress:
        """Let a step sleep in the store and not in a worker; until when is kept, whatever becomes of the run.

        Raises:
            LeaseLost: the lease is no longer ours.
        """
        place = self._place(claim)
        known = self._connection.checkpoints.encode_known(claim.dialogue.sleeping(asleep.moments).record())
        fell_asleep = self._connection.scripts.sleep_step(
            place,
            step=claim.ref.step_id,
            member=self._member(place, claim.ref.step_id),
            fence=claim.fence,
            until_ms=asleep.until_ms,
            entry=unfinished({"kind": "slept", **claim.ids, "until_ms": asleep.until_ms}),
            result=self._connection.sealing.seal(known, place.named("results"), claim.ref.step_id),
            spending=_encoded(claim.spending(steps=0)),
        )
        if not fell_asleep:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        return Progress()

    def _hand_over(self, claim: Claim, graph: Graph, handler: str, entry: Mapping[str, Any], result: bytes) -> Progress:
        """Open the step of an error handler in the superstep of the step that failed."""
        place = self._place(claim)
        orders = Orders(self._connection, graph, claim.run, claim.frame)
        (order,) = orders.of([handler_step(claim.step, handler)], claim.stored.checkpoint.id)
        message = self._connection.dispatcher.envelope(order)
        kept = self._connection.sealing.seal(result, place.named("results"), claim.ref.step_id)
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
                **claim.spending(),
            },
            [kept] if message is None else [kept, message.payload],
        )
        if not self._connection.scripts.hand_over_step(place, request):
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        self._connection.dispatcher.send([order])
        return Progress((order,))

    def _words(self, claim: Claim, failure: Failure) -> Any:
        return self._connection.words(self._place(claim).keys, failure["repr"][:500])

    def _deadline(self, claim: Claim, asked: GraphInterrupt) -> Mapping[str, bytes | str]:
        """Return until when a question waits and its default answer, as the script takes them."""
        if asked.deadline is None:
            return _ENDED
        id_, where = asked.interrupts[0].id, f"The default of node {claim.step.node!r}"
        key = self._place(claim).keys.deadlines
        default = self._connection.stored(asked.deadline.default, where, key, default_field(id_))
        return {"deadline": encoded(deadline_record(id_, asked.deadline)), "default": default}

    def _put(
        self,
        claim: Claim,
        graph: Graph | None,
        entry: Mapping[str, Any],
        result: bytes,
        waits: Mapping[str, bytes | str] = _ENDED,
    ) -> Progress:
        place = self._place(claim)
        remaining, gone = self._connection.scripts.put_result(
            place,
            step=claim.ref.step_id,
            token=place.keys.token,
            member=self._member(place, claim.ref.step_id),
            fence=claim.fence,
            close_ms=self._connection.settings.lease_ms,
            wait_ms=self._connection.settings.queue_wait_ms,
            entry=unfinished({**entry, **claim.ids}),
            result=self._connection.sealing.seal(result, place.named("results"), claim.ref.step_id),
            spending=_encoded(claim.spending()),
            **waits,
        )
        if remaining < 0:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        hand_out(self._connection, *(StepOrder.from_record(claim.ref.thread_id, one) for one in gone))
        return self.close(claim, graph) if remaining == 0 else Progress()


def _encoded(spending: Mapping[str, Any]) -> bytes:
    return encoded(spending["spending"]) if spending else b""
