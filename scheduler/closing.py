"""Closing a superstep: the cursor moves on, or the run, or the frame inside of it, comes to its end or to a stop."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphs.checkpoint import Checkpoint, Result
from graphs.errors import GraphError, GraphRecursionError
from graphs.graph import Graph
from graphs.planner import Verdict, plan_next, verdict

from .budget import words_of
from .checkpoints import Origin, in_place, result_of
from .claim import Claim, Progress
from .dialogue import waiting
from .errors import LeaseLost, NotSerializable
from .excess import StateTooLarge, TooMany
from .failure import Failure, describe, drained, status_of
from .frame import Outcome, OutcomeKind
from .ids import new_checkpoint_id
from .leases import Leases
from .lifecycle import RunStatus
from .moves import Move, Orders, committed_entry, ended, finish_entries
from .scripts import Request

#: Errors of what a node returned, found when it is committed: they are the node's failure, not the worker's.
REFUSED = (GraphError, NotSerializable, StateTooLarge, TooMany)


class Closing(Leases):
    """Closes supersteps, at the root of a thread and in the frames inside of it alike."""

    def close(self, claim: Claim, graph: Graph | None) -> Progress:
        """Close a superstep whose steps have all finished; harmless when somebody else is faster."""
        doubled = claim.verdict == "close" and not self._is_complete(claim)  # the message; the step's siblings go on
        return Progress() if doubled else self._close(claim, graph)

    def end(self, claim: Claim, failure: Failure) -> Progress:
        """End the run where it stands: its cursor stays, and it can be taken up again."""
        return self._end(claim, Outcome("failed", failure=failure), closing=False)

    def drain(self, claim: Claim, reason: str) -> None:
        """Let the step's run stop when its superstep closes."""
        self._runs.drain(claim.ref.thread_id, claim.run.id, reason)

    def leave(self, claim: Claim, outcome: Outcome) -> Progress:
        """Leave a frame at once, with a step's Command for the graph above; its other steps are dropped.

        Raises:
            LeaseLost: the lease is no longer ours, and nothing was stored.
        """
        answer = self._return(
            claim, outcome, {"kind": "returned", **claim.ids, "outcome": "command"}, fence=claim.fence
        )
        if answer != "returned":
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        return _given_back(claim)

    def _is_complete(self, claim: Claim) -> bool:
        """Return whether nothing of a superstep is open any more: only then do its results stay as they are."""
        return int(self._connection.redis.hget(self._place(claim).named("frame"), "remaining") or 0) == 0

    def _close(self, claim: Claim, graph: Graph | None) -> Progress:
        due = claim.stored.checkpoint.steps
        found = self._connection.checkpoints.results(self._place(claim).keys, claim.ns, due)
        steps = in_place(due, found)
        known = [found.get(step.id, {}) for step in steps]
        failures = [one["error"] for one in known if "error" in one]
        if failures:
            return self._stop(claim, Outcome("failed", failure=failures[0]))
        asked = tuple(question for one in known for question in waiting(one))
        if asked or any(one.get("paused") for one in known):
            refused = (one["refused"] for one in known if "refused" in one)
            now = next((failure for failure in refused if failure["run"] == claim.run.id), None)
            return self._stop(claim, Outcome("interrupted", questions=asked, failure=now))
        if any(step.handles and step.id not in found for step in steps):  # a breakpoint, if nothing is open any more
            return self._stop(claim, Outcome("interrupted"), why=Verdict.PAUSE_BEFORE.value)
        if graph is None or not all("updates" in one for one in known) or self._left_to_newer(claim):
            return Progress()  # another worker is in the middle of it
        try:
            return self._advance(claim, graph, [result_of(step, found[step.id]) for step in steps], single=False)
        except REFUSED as error:
            return self._stop(claim, Outcome("failed", failure=describe(error)))

    def _stop(self, claim: Claim, outcome: Outcome, **why: str) -> Progress:
        """Stop where a complete superstep cannot be closed: it has failed, or it asks."""
        if claim.frame.caller is not None:
            entry = {"kind": "returned", "run": claim.run.id, **claim.where, "outcome": outcome.kind}
            return _given_back(claim) if self._return(claim, outcome, entry) == "returned" else Progress()
        silent = outcome.failure is None and not outcome.questions and not why  # a frame paused, or was drained
        failure = self._drained(claim) if silent else None
        breach = self._runs.breach(claim.ref.thread_id, claim.run.id) if silent and failure is None else ""
        why |= {"why": words_of(breach)} if breach else {}
        return self._end(claim, Outcome("failed", failure=failure) if failure else outcome, closing=True, **why)

    def _return(self, claim: Claim, outcome: Outcome, entry: Mapping[str, Any], **more: Any) -> str:
        returned, blobs = self._returned(claim, outcome)
        request = Request(
            {
                "token": self._place(claim).keys.token,
                "run": claim.run.id,
                "ns": claim.ns,
                "expected": claim.stored.checkpoint.id,
                "step": claim.ref.step_id,
                "returned": returned,
                "closer": _closer(claim),
                "wait_ms": self._connection.settings.queue_wait_ms,
                "inline": self._connection.dispatcher.inline,
                "entries": [entry],
                **more,
            },
            blobs,
        )
        return self._connection.scripts.return_frame(self._place(claim), request)

    def _returned(self, claim: Claim, outcome: Outcome) -> tuple[dict[str, Any], list[bytes]]:
        """Return what a script is told about the caller of a frame, and the blobs that it takes for that."""
        frame = self._place(claim).named("frame")
        blobs = [self._connection.stored(outcome.record(), "What the graph above gets", frame, "outcome")]
        message = self._connection.dispatcher.envelope(claim.waiting) if claim.waiting is not None else None
        if message is None:
            return {"caller": claim.frame.caller}, blobs
        return {"caller": claim.frame.caller, "queue": message.queue_key}, [*blobs, message.payload]

    def _end(self, claim: Claim, outcome: Outcome, *, closing: bool, **why: Any) -> Progress:
        failure, asks = outcome.failure, outcome.kind == "interrupted"
        status = RunStatus.INTERRUPTED if failure is None else status_of(failure)
        if failure is not None and not asks:  # steps say themselves what they ask
            why |= {"error": self._connection.words(self._place(claim).keys, failure["repr"][:2000])}
        place = self._connection.place(claim.ref.thread_id, claim.run.id)
        request = Request(
            {
                "token": place.keys.token,
                "run": claim.run.id,
                **({"closer": _closer(claim)} if closing else {}),
                "inline": self._connection.dispatcher.inline,
                **({"waiting": [question.id for question in outcome.questions]} if asks else {}),
                "ended": ended(status, error=failure is not None),
                "entries": finish_entries(claim.run.id, status, **why),
            },
            [] if failure is None else [self._connection.stored(failure, "The failure", place.named("run"), "error")],
        )
        answer, _ = self._connection.scripts.end_run(place, request)
        return self._ended(claim, status) if answer == "ended" else Progress()

    def _advance(self, claim: Claim, graph: Graph, results: Sequence[Result], *, single: bool) -> Progress:
        before, run = claim.stored.checkpoint, claim.run
        after = plan_next(graph, before, results, new_checkpoint_id(before.id), claim.ns)
        origin = Origin(run.id, run.metadata, claim.stored.origin.parents)
        made_by = (results[0], claim.dialogue) if single else None
        last = verdict(after, breakpoints(claim, graph), claim.frame.first_number + run.recursion_limit)
        orders = Orders(self._connection, graph, run, claim.frame)
        move = Move(
            self._place(claim),
            before.id,
            [self._connection.checkpoints.encode(after, claim.stored, origin, made_by=made_by)],
            closed=[*(step.id for step in before.steps), *(one.step.id for one in results if one.step.handles)],
            orders=orders.of(after.steps, after.id) if last is Verdict.GO_ON else (),
            entries=[_advanced_entry(claim, after, results[0] if single else None)],
        )
        if last is Verdict.GO_ON:
            limit = run.superstep_ms if claim.frame.caller is None else {}
            answer, _, breach = self._commit(claim, move, single=single, goes_on=True, **limit).partition(" ")
            if answer not in _STOPPED:
                return Progress(tuple(move.orders)) if answer == "committed" else Progress()
            return self._advance_to_end(claim, replace(move, orders=()), _STOPPED[answer], breach, single=single)
        return self._advance_to_end(claim, move, last, single=single)

    def _advance_to_end(self, claim: Claim, move: Move, last: Verdict, breach: str = "", *, single: bool) -> Progress:
        failure = self._ended_by(claim, last)
        ending, blobs = self._ending(claim, last, failure)
        ending |= {"breach": breach} if breach else {}
        move = replace(move, entries=[*move.entries, *self._ending_entries(claim, last, failure, breach)])
        if self._commit(claim, move, blobs, single=single, **ending) != "committed":
            return Progress()  # somebody else closed it first
        return self._ended(claim, _STATUS[last]) if claim.frame.caller is None else _given_back(claim)

    def _ended(self, claim: Claim, status: RunStatus) -> Progress:
        self._connection.witness.ended(lambda: claim.run, status)
        return Progress(ended=status)

    def _commit(self, claim: Claim, move: Move, blobs: Sequence[bytes] = (), *, single: bool, **more: Any) -> str:
        fenced = _closer(claim) if single else {"closer": _closer(claim)}
        spending = claim.spending(steps=int(single)) if single else _closing(claim)
        request = move.request(self._connection, **fenced, **spending, **more)
        request.blobs += blobs
        answer = self._connection.scripts.commit_superstep(move.place, request)
        if answer == "committed":
            move.done(self._connection)
        elif answer.partition(" ")[0] not in _STOPPED and single:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        return answer

    def _ended_by(self, claim: Claim, last: Verdict) -> Failure | None:
        """Return why a run, or a frame, ends before its graph has; a frame that is drained pauses."""
        if last is Verdict.OUT_OF_STEPS:
            return describe(GraphRecursionError(claim.run.recursion_limit))
        return self._drained(claim) if last is Verdict.DRAINED and claim.frame.caller is None else None

    def _left_to_newer(self, claim: Claim) -> bool:
        """Pass a closing on where a newer version has taken over: the routers of a sibling may know more nodes."""
        run = claim.run
        if run.versioning != "auto_upgrade" or self._connection.dispatcher.inline:
            return False
        outdated = self._runs.get(run.thread_id, run.id).fingerprint != run.fingerprint
        if outdated:
            self.pass_on(claim)
        return outdated

    def _drained(self, claim: Claim) -> Failure | None:
        """Return that somebody asked the run to stop, or None."""
        reason = self._runs.drain_reason(claim.ref.thread_id, claim.run.id)
        return None if reason is None else drained(reason)

    def _ending(self, claim: Claim, last: Verdict, failure: Failure | None) -> tuple[dict[str, Any], list[bytes]]:
        """Return what a script is told about the end of a run, or of a frame, and the blobs that it takes for that."""
        if claim.frame.caller is not None:
            kind: OutcomeKind = "failed" if failure else "finished" if last is Verdict.FINISHED else "interrupted"
            returned, blobs = self._returned(claim, Outcome(kind, failure=failure))
            return {"returned": returned}, blobs
        key = self._place(claim).named("run")
        blobs = [] if failure is None else [self._connection.stored(failure, "The failure", key, "error")]
        return {"ended": ended(_STATUS[last], error=failure is not None)}, blobs

    def _ending_entries(
        self, claim: Claim, last: Verdict, failure: Failure | None, breach: str
    ) -> list[dict[str, Any]]:
        if claim.frame.caller is not None:
            return [{"kind": "returned", "run": claim.run.id, **claim.where, "outcome": last.value}]
        why = {} if last in (Verdict.FINISHED, Verdict.DRAINED) else {"why": words_of(breach) or last.value}
        error = {} if failure is None else {"error": self._connection.words(self._place(claim).keys, failure["repr"])}
        return finish_entries(claim.run.id, _STATUS[last], **why, **error)


_STATUS: Mapping[Verdict, RunStatus] = {
    Verdict.FINISHED: RunStatus.SUCCESS,
    Verdict.PAUSE_BEFORE: RunStatus.INTERRUPTED,
    Verdict.PAUSE_AFTER: RunStatus.INTERRUPTED,
    Verdict.OUT_OF_STEPS: RunStatus.ERROR,
    Verdict.DRAINED: RunStatus.INTERRUPTED,
    Verdict.SPENT: RunStatus.INTERRUPTED,
}
#: What a script says that stored nothing, because the run shall not go on.
_STOPPED: Mapping[str, Verdict] = {"drained": Verdict.DRAINED, "spent": Verdict.SPENT}


def breakpoints(claim: Claim, graph: Graph) -> tuple[Sequence[str], Sequence[str]]:
    """Return where a frame pauses: the run says so for the root, further down each graph for itself."""
    at_root = claim.frame.caller is None
    return (
        (claim.run.interrupt_before, claim.run.interrupt_after)
        if at_root
        else (graph.interrupt_before, graph.interrupt_after)
    )


def _closer(claim: Claim) -> dict[str, Any]:
    """Return the step by which a worker closes a superstep, as it claimed it."""
    return {"step": claim.ref.step_id, "fence": claim.fence}


def _closing(claim: Claim) -> dict[str, Any]:
    """Return what a script is told that closes a superstep whose steps have been counted, each for itself."""
    told = claim.spending(steps=0)
    return {"spending": {**told["spending"], "amounts": {}}} if told else {}


def _given_back(claim: Claim) -> Progress:
    """Return the progress at a frame's end: its caller is due, where it waits in the store."""
    return Progress(() if claim.waiting is None else (claim.waiting,), left=True)


def _advanced_entry(claim: Claim, after: Checkpoint, single: Result | None) -> dict[str, Any]:
    if single is not None:
        return {**committed_entry(single), **claim.ids, "checkpoint": after.id}
    return {"kind": "advanced", "run": claim.run.id, **claim.where, "checkpoint": after.id}
