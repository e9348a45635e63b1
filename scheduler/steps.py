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

from graphs.checkpoint import Result
from graphs.commands import Interrupt
from graphs.errors import GraphError, GraphRecursionError
from graphs.graph import Graph
from graphs.planner import Verdict, plan_next, verdict

from .claim import Claim, Progress
from .dialogue import waiting
from .errors import LeaseLost, NotSerializable, StateTooLarge
from .failure import Failure, describe, lost, status_of, timed_out
from .ids import new_checkpoint_id
from .leases import Leases
from .lifecycle import RunStatus
from .moves import Move, Orders, ended, finish_entries
from .run import Run
from .scripts import Request

logger = logging.getLogger(__name__)

#: Errors of what a node returned, found when it is committed: they are the node's failure, not the worker's.
REFUSED = (GraphError, NotSerializable, StateTooLarge)


class Steps(Leases):
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

    def ask(self, claim: Claim, graph: Graph, questions: Sequence[Interrupt]) -> Progress:
        """Store what a step asks; the run pauses when its siblings have ended too.

        Raises:
            LeaseLost: the lease is no longer ours, and nothing was stored.
            NotSerializable: a question cannot be stored.
        """
        dialogue = claim.dialogue.asking(questions)
        asked = self._connection.checkpoints.encode_questions(claim.step.node, dialogue)
        return self._put(claim, graph, "interrupted", asked, questions=[question.id for question in questions])

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

    def close(self, claim: Claim, graph: Graph | None) -> Progress:
        """Close a superstep whose steps have all finished; harmless when somebody else is faster."""
        steps = claim.stored.checkpoint.steps
        found = self._connection.checkpoints.results(self._place(claim).keys, claim.ns, steps)
        failures = [found[step.id]["error"] for step in steps if "error" in found.get(step.id, {})]
        if failures:
            return self.end(claim, failures[0], closing=True)
        if any(waiting(result) for result in found.values()):
            return self._end(claim, RunStatus.INTERRUPTED, None, closing=True)
        if graph is None or not all("updates" in found.get(step.id, {}) for step in steps):
            return Progress()  # another worker is in the middle of it
        results = [Result(step, tuple(found[step.id]["updates"]), tuple(found[step.id]["goto"])) for step in steps]
        try:
            return self._advance(claim, graph, results, single=False)
        except REFUSED as error:
            return self.end(claim, describe(error), closing=True)

    def end(self, claim: Claim, failure: Failure, *, closing: bool = False) -> Progress:
        """End the run where it stands: its cursor stays, and it can be taken up again."""
        return self._end(claim, status_of(failure), failure, closing=closing)

    def _end(self, claim: Claim, status: RunStatus, failure: Failure | None, *, closing: bool) -> Progress:
        why = {} if failure is None else {"error": failure["repr"][:2000]}
        request = Request(
            {
                "token": self._place(claim).keys.token,
                "run": claim.run.id,
                "closing": closing,
                "ended": ended(status, error=failure is not None),
                "entries": finish_entries(claim.run.id, status, **why),
            },
            [] if failure is None else [self._connection.serde.dumps(failure)],
        )
        answer, _ = self._connection.scripts.end_run(self._place(claim), request)
        return Progress(ended=status) if answer == "ended" else Progress()

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

    def _advance(self, claim: Claim, graph: Graph, results: Sequence[Result], *, single: bool) -> Progress:
        checkpoints, run = self._connection.checkpoints, claim.run
        after = plan_next(
            graph, claim.stored.checkpoint, results, new_checkpoint_id(claim.stored.checkpoint.id), claim.ns
        )
        next_verdict = verdict(
            after, (run.interrupt_before, run.interrupt_after), run.first_number + run.recursion_limit
        )
        goes_on = next_verdict is Verdict.GO_ON
        steps = after.steps if goes_on else ()
        move = Move(
            self._place(claim),
            claim.stored.checkpoint.id,
            [checkpoints.encode(after, claim.stored, run.id, run.metadata)],
            {results[0].step.id: checkpoints.encode_result(results[0], claim.dialogue)} if single else {},
            [step.id for step in claim.stored.checkpoint.steps],
            Orders(graph, run, claim.ns, self._connection.settings.grace_ms).of(steps, after.id),
            [_advanced_entry(claim, after.id, single=single), *_ending_entries(run, next_verdict)],
        )
        if not self._commit(claim, move, next_verdict, single=single):
            return Progress()  # somebody else closed it first
        if goes_on:
            return Progress(tuple(move.orders))
        return Progress(ended=_STATUS[next_verdict])

    def _commit(self, claim: Claim, move: Move, next_verdict: Verdict, *, single: bool) -> bool:
        more: dict[str, Any] = {"fence": claim.fence, "step": claim.ref.step_id} if single else {}
        error = self._run_error(claim.run, next_verdict)
        if next_verdict is not Verdict.GO_ON:
            more["ended"] = ended(_STATUS[next_verdict], error=error is not None)
        request = move.request(self._connection, **more)
        if error is not None:
            request.blobs.append(error)
        answer = self._connection.scripts.commit_superstep(move.place, request)
        if answer != "committed" and single:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        if answer == "committed":
            move.done(self._connection)
        return answer == "committed"

    def _run_error(self, run: Run, next_verdict: Verdict) -> bytes | None:
        if next_verdict is not Verdict.OUT_OF_STEPS:
            return None
        return self._connection.serde.dumps(describe(GraphRecursionError(run.recursion_limit)))


_STATUS: Mapping[Verdict, RunStatus] = {
    Verdict.FINISHED: RunStatus.SUCCESS,
    Verdict.PAUSE_BEFORE: RunStatus.INTERRUPTED,
    Verdict.PAUSE_AFTER: RunStatus.INTERRUPTED,
    Verdict.OUT_OF_STEPS: RunStatus.ERROR,
}


def _advanced_entry(claim: Claim, checkpoint_id: str, *, single: bool) -> dict[str, Any]:
    if single:
        return {"kind": "committed", **claim.ids, "checkpoint": checkpoint_id}
    return {"kind": "advanced", "run": claim.run.id, "checkpoint": checkpoint_id}


def _ending_entries(run: Run, next_verdict: Verdict) -> list[dict[str, Any]]:
    if next_verdict is Verdict.GO_ON:
        return []
    why = {"why": next_verdict.value} if next_verdict is not Verdict.FINISHED else {}
    return finish_entries(run.id, _STATUS[next_verdict], **why)
