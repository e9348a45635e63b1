"""Moving a cursor, prepared: the request that stores a checkpoint, opens its steps and pushes their messages."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from graphs.checkpoint import Result, Step
from graphs.graph import Graph
from graphs.lean_values import lean

from .checkpoints import Encoded
from .chunks import chunk_names
from .connection import Connection
from .dispatch import StepOrder, StepRef
from .excess import StateTooLarge, TooMany
from .frame import Frame
from .json_text import unfinished
from .lifecycle import RunStatus, after_run
from .openings import Beginning
from .run import Run
from .scripts import Place, Request


@lean(frozen=True, slots=True)
class Move:
    """Everything one script writes when a cursor moves."""

    place: Place
    #: The checkpoint that the cursor stands on now; "" for a thread without any.
    expected: str
    encoded: Sequence[Encoded] = ()
    results: Mapping[str, bytes] = field(default_factory=dict)
    #: Steps that end with this move.
    closed: Sequence[str] = ()
    orders: Sequence[StepOrder] = ()
    entries: Sequence[Mapping[str, Any]] = ()

    def request(self, connection: Connection, **more: Any) -> Request:
        """Return the script's request; ``more`` is what only one of the scripts asks for.

        Raises:
            StateTooLarge: it is more than may be written at once.
        """
        sealed, place = connection.sealing.sealed, self.place
        chunks = {name: data for encoded in self.encoded for name, data in encoded.chunks.items()}
        written = sum(map(len, chunks.values())) + sum(map(len, self.results.values()))
        limit = connection.settings.max_write_bytes
        if written > limit:
            raise StateTooLarge("What is written at once", written, limit, "TREADLE_MAX_WRITE_BYTES")
        records = {encoded.stored.checkpoint.id: encoded.record for encoded in self.encoded}
        envelopes = [envelope for order in self._sent if (envelope := connection.dispatcher.envelope(order))]
        body = {
            "token": self.place.keys.token,
            "run": self.place.run_id,
            "expected": self.expected,
            "checkpoints": list(records),
            "fields": list(chunks),
            "results": list(self.results),
            "closed": list(self.closed),
            "steps": [order.ref.step_id for order in self.orders],
            "held": sum(order.held for order in self.orders),
            "remaining": sum(not order.done for order in self.orders),
            "pushes": [envelope.queue_key for envelope in envelopes],
            "wait_ms": connection.settings.queue_wait_ms,
            "inline": connection.dispatcher.inline,
            "entries": len(self.entries),
        }
        if self.encoded:
            stored = self.encoded[-1].stored
            body["cursor"], body["chunks"] = stored.checkpoint.id, chunk_names(stored.refs)
        values = [
            *sealed(records, place.named("checkpoints")).values(),
            *sealed(chunks, place.named("channels")).values(),
            *sealed(self.results, place.named("results")).values(),
        ]
        steps = [unfinished(order.record()) for order in self.orders]
        payloads = [envelope.payload for envelope in envelopes]
        entries = map(unfinished, self.entries)
        return Request(body | more, [*values, *steps, *payloads, *entries])

    def done(self, connection: Connection) -> None:
        """Remember what was stored, and publish the messages that the script could not push."""
        for encoded in self.encoded:
            connection.checkpoints.remember(self.place.keys, self.place.ns, encoded.stored)
        connection.dispatcher.send(self._sent)

    @property
    def _sent(self) -> list[StepOrder]:
        return [order for order in self.orders if not order.held]


@lean(frozen=True, slots=True)
class Orders:
    """Makes the orders of one run's steps."""

    connection: Connection
    graph: Graph
    run: Run
    frame: Frame

    def of(self, steps: Iterable[Step], checkpoint_id: str) -> list[StepOrder]:
        """Return the orders for the steps of a checkpoint, of which some may be held.

        Raises:
            TooMany: the deployment does not allow so many in one superstep.
        """
        orders = [self._order(step, checkpoint_id) for step in steps]
        limit = self.connection.settings.max_fan_out
        if len(orders) > limit:
            raise TooMany("Steps side by side in one superstep", len(orders), limit, "TREADLE_MAX_FAN_OUT")
        return held_back(self.connection, self.run, orders)

    def begun(self, beginning: Beginning, steps: Iterable[Step]) -> list[StepOrder]:
        """Return the orders for the steps with which a run, or a frame, begins."""
        return [
            replace(order, done=beginning.done, resumed=order.ref.step_id in beginning.resumed)
            for order in self.of(steps, beginning.head.id)
        ]

    def _order(self, step: Step, checkpoint_id: str) -> StepOrder:
        node = self.graph.node(step.node)
        limits = step.timeout or node.timeout
        limit_s = None if limits is None else limits.run_timeout_s
        soft_ms = None if limit_s is None else round(limit_s * 1000)
        return StepOrder(
            StepRef(self.run.thread_id, self.run.id, step.id, self.frame.ns, checkpoint_id),
            self.run.graph,
            step.node,
            self.frame,
            checkpoint_id,
            queue=node.queue,
            soft_ms=soft_ms,
            hard_ms=None if soft_ms is None else soft_ms + self.connection.settings.grace_ms,
            handles=step.handles,
            version=self.run.version,
            priority=self.run.priority if node.priority is None else node.priority,
        )


def held_back(connection: Connection, run: Run, orders: Sequence[StepOrder]) -> list[StepOrder]:
    """Return orders, of which the last ones may be held.

    Those beyond the run's ``max_concurrency`` wait until another one has ended. Where it has none, those beyond a fair
    share of the queue wait until those before them are with workers: so they stand in no other thread's way, and as
    many run at once as there are workers for.
    """
    limit, share = run.config.get("max_concurrency"), connection.settings.fair_share
    if connection.dispatcher.inline or len(orders) <= (limit or share):
        return list(orders)
    if limit is None:
        limit, orders = share, _in_halves(orders, share)
    return [*orders[:limit], *(replace(order, held=True) for order in orders[limit:])]


def _in_halves(orders: Sequence[StepOrder], share: int) -> list[StepOrder]:
    """Return orders of which the last one of each half share lets the next half go, so that no queue runs dry."""
    half, beyond = max(1, share // 2), len(orders) - share

    def placed(order: StepOrder, place: int) -> StepOrder:
        behind = beyond - place // half * half
        return replace(order, behind=behind, leads=place % half == 0 and behind > -half)

    return [placed(order, place) for place, order in enumerate(orders, start=1)]


def hand_out(connection: Connection, *orders: StepOrder) -> None:
    """Send the messages of steps that are stored as due; their due entries make up for a loss."""
    pushed: dict[str, list[bytes]] = {}
    for order in orders:
        envelope = connection.dispatcher.envelope(order)
        if envelope is not None:
            pushed.setdefault(envelope.queue_key, []).append(envelope.payload)
    for queue_key, payloads in pushed.items():
        connection.redis.lpush(queue_key, *payloads)
    connection.dispatcher.send(orders)


def ended(status: RunStatus, *, error: bool = False) -> dict[str, Any]:
    """Return what a script is told about a run that ends with it; by the nonce it knows its own repetition."""
    return {
        "run_status": status,
        "thread_status": after_run(status),
        "error": error,
        "nonce": secrets.token_hex(8),
    }


def committed_entry(result: Result) -> dict[str, Any]:
    """Return what the log says of a step that has finished; its ids are the claim's."""
    return {"kind": "committed"} | ({"cached": True} if result.cached else {})


def finish_entries(run_id: str, status: RunStatus, **why: Any) -> list[dict[str, Any]]:
    """Return the log's last words on a run; a pause is said as such before."""
    entry = {"kind": "finished", "run": run_id, "status": status, **why}
    if "why" in why and status is RunStatus.INTERRUPTED:  # without a reason, its steps have said what they ask
        return [{"kind": "interrupted", "run": run_id, **why}, entry]
    return [entry]
