"""A step calls a graph: the graph gets a frame of its own on the thread, with its own steps and checkpoints.

The step that calls waits as a record and holds no worker; when the frame comes to its end or to a stop, the step is
due again and finds the outcome. A step that cannot wait so, because its function is in the middle of its work, runs
the frame itself, under its own lease.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphs.frames import below, kept_ns, path_of, step_ns
from graphs.graph import Graph
from graphs.planner import stops
from graphs.routing import Caller
from graphs.updates import Update

from .beginnings import Beginning, Beginnings, Stand
from .checkpoints import StoredCheckpoint
from .claim import Claim, Progress
from .connection import Connection
from .errors import LeaseLost, RunNotFound
from .frame import Frame, Outcome
from .lifecycle import ThreadEvent
from .moves import Move, Orders
from .run import Run
from .runs import RunStore


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
        self._runs = RunStore(connection)

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
            parks=call.parks and outcome is None,
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

    def children(self, claim: Claim, ns: str, checkpoint_id: str, *, keeps: bool | None) -> Mapping[str, str]:
        """Return where the graphs stand that keep their state, when a frame has ended: its own, or those inside."""
        return {ns: checkpoint_id} if keeps else self._load(claim, ns, checkpoint_id).checkpoint.children

    def _beginning(self, call: Call) -> Beginning:
        claim, ns = call.claim, call.ns
        frame = self.connection.place(claim.ref.thread_id).keys.frame(ns)
        caller, cursor, left = _texts(self.connection.redis.hmget(frame, ["caller", "cursor", "left"]))
        above = {**claim.stored.origin.parents, claim.ns: claim.stored.checkpoint.id}
        if cursor is not None and caller == claim.ref.step_id and call.keeps is not False:
            left_at = self._load(claim, ns, cursor)
            stand = Stand(call.graph, claim.run, left_at, cursor, ns=ns, parents=above)
            return self._beginnings.resumed(stand, left_at.checkpoint, claim.dialogue.answers)
        replayed = self._replayed(call)
        if replayed is not None:
            run, old, old_ns = replayed
            return self._beginnings.replayed(Stand(call.graph, run, None, cursor, ns=ns, parents=above), old, old_ns)
        known = claim.stored.checkpoint.children.get(ns) if call.keeps else None
        # Somebody may have written to its state since it was left here; another branch of history left it elsewhere.
        start = cursor if known is not None and known == left else known
        head = None if start is None else self._load(claim, ns, start)
        stand = Stand(call.graph, claim.run, head, cursor, ns=ns, parents=above, children=_inside(claim, ns))
        return self._beginnings.entered(stand, call.input or {})

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


def _inside(claim: Claim, ns: str) -> dict[str, str]:
    """Return where the graphs inside of a frame stand that keep their state, though the frame itself keeps none."""
    kept = kept_ns(ns)
    return {of: id_ for of, id_ in claim.stored.checkpoint.children.items() if below(of, kept)}


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
