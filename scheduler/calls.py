"""A step calls a graph: the graph gets a frame of its own on the thread, with its own steps and checkpoints.

The step that calls waits as a record and holds no worker; when the frame comes to its end or to a stop, the step is
due again and finds the outcome. A step that cannot wait so, because its function is in the middle of its work, runs
the frame itself, under its own lease.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphs.graph import Graph
from graphs.planner import stops
from graphs.routing import Caller
from graphs.updates import Update

from .beginnings import Beginnings, Stand
from .checkpoints import StoredCheckpoint
from .claim import Claim, Progress
from .connection import Connection
from .errors import LeaseLost
from .frame import Frame, Outcome
from .lifecycle import ThreadEvent
from .moves import Move, Orders
from .openings import Beginning


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


class Calls:
    """Opens frames, and reads how they gave control back."""

    def __init__(self, connection: Connection, caller: Caller) -> None:
        self.connection = connection
        self._beginnings = Beginnings(connection, caller)

    def enter(self, call: Call) -> Progress:
        """Open a frame: with its input, or, when this step called it before, where it stands.

        Raises:
            LeaseLost: the step's lease is no longer ours, and nothing was stored.
            EmptyInputError, InvalidUpdateError, NotSerializable, StateTooLarge: the graph cannot take its input.
        """
        beginning = self._beginning(call)
        place, claim = self.connection.place(call.claim.ref.thread_id, call.claim.run.id, call.ns), call.claim
        outcome = _at_once(call.graph, beginning)
        frame = Frame(call.ns, claim.ref.step_id, beginning.head.number)
        orders = Orders(self.connection, call.graph, claim.run, frame)
        move = Move(
            place,
            "",
            beginning.encoded,
            beginning.results,
            orders=orders.begun(beginning, () if outcome else beginning.steps),
            entries=[_entry(call, beginning), *_returned_entries(call, outcome)],
        )
        request = move.request(
            self.connection,
            call=secrets.token_hex(8),
            caller=claim.ref.step_id,
            fence=claim.fence,
            parks=call.parks,
            ns=call.ns,
            **({"returned": {"caller": claim.ref.step_id}} if outcome else {}),
        )
        if outcome is not None:
            request.blobs.append(self.connection.serde.dumps(outcome.record()))
        if self.connection.scripts.call_frame(place, request) != "called":
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)
        move.done(self.connection)
        return Progress(tuple(move.orders), left=outcome is not None)

    def outcome(self, claim: Claim, ns: str) -> Outcome | None:
        """Return how a frame gave control back; None while it has not."""
        frame = self.connection.place(claim.ref.thread_id).keys.frame(ns)
        outcome, cursor = self.connection.redis.hmget(frame, ["outcome", "cursor"])
        if outcome is None or cursor is None:
            return None
        return Outcome.of(self.connection.serde.loads(outcome), cursor.decode())

    def state(self, claim: Claim, ns: str, checkpoint_id: str) -> Mapping[str, Any]:
        """Return the values of a frame's checkpoint."""
        return self._load(claim, ns, checkpoint_id).checkpoint.values

    def _beginning(self, call: Call) -> Beginning:
        claim, ns = call.claim, call.ns
        frame = self.connection.place(claim.ref.thread_id).keys.frame(ns)
        caller, cursor, left = _texts(self.connection.redis.hmget(frame, ["caller", "cursor", "left"]))
        above = {**claim.stored.origin.parents, claim.ns: claim.stored.checkpoint.id}
        if cursor is not None and caller == claim.ref.step_id and call.keeps is not False:
            left_at = self._load(claim, ns, cursor)
            stand = Stand(call.graph, claim.run, left_at, cursor, ns=ns, parents=above)
            return self._beginnings.resumed(stand, left_at.checkpoint, claim.dialogue.answers)
        known = claim.stored.checkpoint.children.get(ns) if call.keeps else None
        # Somebody may have written to its state since it was left here; another branch of history left it elsewhere.
        start = cursor if known is not None and known == left else known
        head = None if start is None else self._load(claim, ns, start)
        stand = Stand(call.graph, claim.run, head, cursor, ns=ns, parents=above)
        return self._beginnings.entered(stand, call.input or {})

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
    return [{"kind": "returned", "run": call.claim.run.id, "ns": call.ns, "outcome": outcome.kind}]


def _texts(found: list[bytes | None]) -> list[str | None]:
    return [None if value is None else value.decode() for value in found]
