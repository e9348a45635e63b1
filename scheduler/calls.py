"""A step calls a graph: the graph gets a frame of its own on the thread, with its own steps and checkpoints.

The step that calls waits as a record and holds no worker; when the frame comes to its end or to a stop, the step is
due again and finds the outcome. A step that cannot wait so, because its function is in the middle of its work, runs
the frame itself, under its own lease.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphs.errors import SubgraphBusy
from graphs.frames import path_of, step_ns
from graphs.graph import Graph
from graphs.planner import Verdict, stops
from graphs.routing import Caller
from graphs.updates import Update

from .beginnings import Beginnings, Stand
from .checkpoints import StoredCheckpoint
from .claim import Claim, Progress
from .connection import Connection
from .errors import LeaseLost, RunNotFound
from .excess import TooMany
from .frame import Frame, Outcome
from .lifecycle import ThreadEvent
from .moves import Move, Orders
from .openings import Beginning
from .run import Run
from .runs import RunStore
from .scripts import Request


@dataclass(frozen=True, slots=True)
class Call:
    """What a step calls."""

    claim: Claim
    graph: Graph
    ns: str
    #: As Child.keeps: True, the graph's state over all calls; None, that of this call; False, nothing.
    keeps: bool | None = None
    #: The keys of the graph's input; None: it goes on from where it stands.
    input: Update | None = field(default_factory=dict)
    #: Whether the step waits in the store until the frame gives control back.
    parks: bool = True


@dataclass(frozen=True, slots=True)
class Left:
    """What a frame left behind at its end."""

    values: Mapping[str, Any]
    #: Frame -> checkpoint, of the graphs in it, and itself, that keep their state.
    children: Mapping[str, str]


class Calls:
    """Opens frames, and reads how they gave control back."""

    def __init__(self, connection: Connection, caller: Caller) -> None:
        self.connection = connection
        self._beginnings = Beginnings(connection, caller)
        self._runs = RunStore(connection)

    def enter(self, call: Call) -> Progress:
        """Open a frame: with its input, or, when this step called it before, where it stands.

        A frame that has nothing to run is left at once, and its step goes on under its lease; so is one that this
        step, when its worker was lost, had run already.

        Raises:
            LeaseLost: the step's lease is no longer ours, and nothing was stored.
            SubgraphBusy: the graph keeps its state, and another step of the superstep calls it too.
            TooMany: it would lie deeper than the deployment allows.
            EmptyInputError, InvalidUpdateError, NotSerializable, StateTooLarge: the graph cannot take its input.
        """
        depth, limit = len(path_of(call.ns)), self.connection.settings.max_depth
        if depth > limit:
            raise TooMany("Graphs inside of each other", depth, limit, "TREADLE_MAX_DEPTH")
        if not call.parks and self._is_back(call):
            return Progress(left=True)
        cursor, beginning = self._beginning(call)
        outcome = _at_once(call.graph, beginning)
        move = self._move(call, cursor, beginning, outcome)
        answer = self.connection.scripts.call_frame(move.place, self._request(call, move, outcome))
        if answer == "moved":  # by a worker that lost this step, and ran the frame itself, just now
            return self.enter(call)
        if answer == "busy":
            raise SubgraphBusy(call.claim.step.node)
        if answer != "called":
            raise LeaseLost(call.claim.ref.thread_id, call.claim.ref.step_id)
        move.done(self.connection)
        return Progress(tuple(move.orders), left=outcome is not None)

    def outcome(self, claim: Claim, ns: str) -> Outcome | None:
        """Return how a frame gave control back; None while it has not."""
        frame = self.connection.place(claim.ref.thread_id).keys.frame(ns)
        outcome, cursor = self.connection.redis.hmget(frame, ["outcome", "cursor"])
        if outcome is None or cursor is None:
            return None
        return Outcome.of(self.connection.restored(outcome, frame, "outcome"), cursor.decode())

    def left(self, claim: Claim, ns: str, cursor: str, *, keeps: bool | None) -> Left:
        """Return what a frame left behind for the step that called it."""
        before, end = claim.stored.checkpoint.children, self._load(claim, ns, cursor).checkpoint
        below = {inner: at for inner, at in end.children.items() if before.get(inner) != at}
        return Left(end.values, below | {ns: cursor} if keeps else below)

    def _move(self, call: Call, cursor: str | None, beginning: Beginning, outcome: Outcome | None) -> Move:
        claim = call.claim
        frame = Frame(call.ns, claim.ref.step_id, beginning.head.number)
        orders = Orders(self.connection, call.graph, claim.run, frame)
        return Move(
            self.connection.place(claim.ref.thread_id, claim.run.id, call.ns),
            cursor or "",
            beginning.encoded,
            beginning.results,
            orders=orders.begun(beginning, () if outcome else beginning.steps),
            entries=[_entry(call, beginning), *_returned_entries(call, outcome)],
        )

    def _request(self, call: Call, move: Move, outcome: Outcome | None) -> Request:
        caller = call.claim.ref.step_id
        request = move.request(
            self.connection,
            call=secrets.token_hex(8),
            round=_round(call.claim),
            caller=caller,
            fence=call.claim.fence,
            parks=call.parks,
            ns=call.ns,
            **({} if outcome is None else {"returned": {"caller": caller}}),
        )
        if outcome is not None:
            key = move.place.named("frame")
            request.blobs.append(self.connection.stored(outcome.record(), "The outcome", key, "outcome"))
        return request

    def _is_back(self, call: Call) -> bool:
        """Return whether the frame has given control back to the step in this round."""
        frame = self.connection.place(call.claim.ref.thread_id).keys.frame(call.ns)
        *found, outcome = self.connection.redis.hmget(frame, ["caller", "round", "outcome"])
        return outcome is not None and _texts(found) == [call.claim.ref.step_id, _round(call.claim)]

    def _beginning(self, call: Call) -> tuple[str | None, Beginning]:
        """Return where the frame stands now, and how it begins."""
        claim, ns = call.claim, call.ns
        frame = self.connection.place(claim.ref.thread_id).keys.frame(ns)
        caller, cursor, left = _texts(self.connection.redis.hmget(frame, ["caller", "cursor", "left"]))
        above = {**claim.stored.origin.parents, claim.ns: claim.stored.checkpoint.id}
        goes_on = call.keeps is not False or claim.dialogue.answers  # an answer is for the very step that asked
        if cursor is not None and caller == claim.ref.step_id and goes_on:
            left_at = self._load(claim, ns, cursor)
            stand = Stand(call.graph, claim.run, left_at, cursor, ns=ns, parents=above)
            return cursor, self._beginnings.resumed(stand, left_at.checkpoint, claim.dialogue.answers)
        replayed = self._replayed(call)
        if replayed is not None:
            run, old, old_ns = replayed
            stand = Stand(call.graph, run, None, cursor, ns=ns, parents=above)
            return cursor, self._beginnings.replayed(stand, old, old_ns)
        known = claim.stored.checkpoint.children.get(ns) if call.keeps else None
        # Somebody may have written to its state since it was left here; another branch of history left it elsewhere.
        start = cursor if known is not None and known == left else known
        head = None if start is None else self._load(claim, ns, start)
        inside = claim.stored.checkpoint.children
        stand = Stand(call.graph, claim.run, head, cursor, ns=ns, parents=above, children=inside)
        return cursor, self._beginnings.entered(stand, call.input or {})

    def _replayed(self, call: Call) -> tuple[Run, StoredCheckpoint, str] | None:
        """Return the checkpoint at which the frame begins again, its frame, and the run that asked for it.

        A run that replays a checkpoint of a frame forks the checkpoints of all the frames above. So a step of such a
        fork stands for one of the old checkpoint, and the frame that it calls for the one that that step called; also
        in a later run, where the first one did not come that far.
        """
        claim, fork = call.claim, call.claim.stored
        if fork.checkpoint.source != "fork" or not fork.origin.run_id:
            return None
        try:
            run = self._runs.load(claim.ref.thread_id, fork.origin.run_id)
        except RunNotFound:  # a copied thread has the checkpoints, and no runs
            return None
        replays = run.replays
        above = next((ns for ns in replays if path_of(ns) == path_of(claim.ns)), None)
        if above is None:
            return None
        steps = self._load(claim, above, replays[above]).checkpoint.steps
        old = next(step for step in steps if step.path == claim.step.path)
        caller, old_caller = step_ns(claim.ns, old.node, claim.step.id), step_ns(above, old.node, old.id)
        ns = old_caller + call.ns.removeprefix(caller) if call.ns.startswith(caller) else call.ns
        return (run, self._load(claim, ns, replays[ns]), ns) if ns in replays else None

    def _load(self, claim: Claim, ns: str, checkpoint_id: str) -> StoredCheckpoint:
        keys = self.connection.place(claim.ref.thread_id).keys
        return self.connection.checkpoints.load(keys, ns, checkpoint_id, claim.ref.thread_id)


def _at_once(graph: Graph, beginning: Beginning) -> Outcome | None:
    """Return the outcome of a frame that has nothing to run: it is finished, or pauses before its first nodes."""
    if not beginning.steps:
        return Outcome("finished")
    starts = beginning.event is ThreadEvent.START
    return (
        Outcome("interrupted")
        if starts and stops(graph.interrupt_before, (step.node for step in beginning.steps))
        else None
    )


def _entry(call: Call, beginning: Beginning) -> dict[str, Any]:
    return {
        "kind": "called",
        "run": call.claim.run.id,
        "step": call.claim.ref.step_id,
        "node": call.claim.step.node,
        "ns": call.ns,
        "graph": call.graph.name,
        "checkpoint": beginning.head.id,
        "checkpoints": [encoded.stored.checkpoint.id for encoded in beginning.encoded],
        "steps": [] if beginning.done else [step.id for step in beginning.steps],
    }


def _returned_entries(call: Call, outcome: Outcome | None) -> list[dict[str, Any]]:
    if outcome is None:
        return []
    kind = Verdict.PAUSE_BEFORE.value if outcome.kind == "interrupted" else outcome.kind
    return [{"kind": "returned", "run": call.claim.run.id, "ns": call.ns, "outcome": kind}]


def _round(claim: Claim) -> str:
    """Return what stays the same when a step's worker is lost, but not when the step is tried again."""
    return f"{claim.run.id} {claim.attempt - claim.losses}"


def _texts(found: list[bytes | None]) -> list[str | None]:
    return [None if value is None else value.decode() for value in found]
