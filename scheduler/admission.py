"""The limits of a whole deployment: how many steps of a graph run at once, and how often a node starts.

Both are kept before a step is leased, in another part of a cluster than its thread. So a step takes its slot and its
turn first, and then its lease; whoever dies in between leaves a slot that is free again when the time of a lease is
over, and a turn that nobody uses. A step that is kept waits in the store and holds no worker: for its turn until the
moment that is its own, for a slot until whoever gives one back sends it on, or until it looks by itself.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from graphs.concurrency import Concurrency

from .arguments import whose
from .connection import Connection
from .dispatch import StepOrder, StepRef
from .due_entry import DueEntry
from .errors import InvalidConfig, StoreUnavailable
from .json_text import decoded, unfinished
from .keys import LimitKeys, escaped
from .limit_scripts import Admitted, LimitScripts
from .mistrust import KeyMissing, SealBroken
from .moves import hand_out
from .runs import RunStore

_KEY_LENGTH = 16
#: By how many sweeps of a scheduler steps may come together whose turns are one after the other.
_SWEEPS = 2
_WAITS = {"slot": "waits for a slot", "turn": "waits for its turn"}


@dataclass(frozen=True, slots=True)
class Limit:
    """What the steps of one node keep to, with all others in the deployment."""

    graph: str
    #: The way down to the node, with its name.
    node: str
    #: How long after each other its steps start; None: as soon as they can.
    interval_ms: float | None = None
    #: How many steps of the graph run at once; None: any number.
    concurrency: Concurrency | None = None


class Admission:
    """Lets steps in, one worker's hand on the limits.

    Args:
        connection: the store.
        runs: its runs.
    """

    def __init__(self, connection: Connection, runs: RunStore) -> None:
        self._connection = connection
        self._runs = runs
        self._scripts = LimitScripts(connection.client)

    @contextmanager
    def of(self, ref: StepRef, delivery: str, limit: Limit | None) -> Iterator[StepRef | None]:
        """Hold what a step needs to be run; yield None where it is not to be run now: it waits, or is not there.

        Args:
            ref: the step.
            delivery: under which delivery of its message.
            limit: what it keeps to; None: nothing, and nobody is asked.
        """
        admitted = ref if limit is None else self._admitted(ref, delivery, limit)
        try:
            yield admitted
        finally:
            if limit is not None and admitted is not None and admitted.slot:
                with suppress(StoreUnavailable):  # it is free when its time is over
                    self._send_on(limit, self._leave(limit, self._member(ref), delivery))

    def _admitted(self, ref: StepRef, delivery: str, limit: Limit) -> StepRef | None:
        place = self._connection.place(ref.thread_id)
        step = decoded(self._connection.redis.hget(place.keys.steps, ref.step_id) or b"{}")
        if step.get("state") == "done":
            return ref  # only its superstep is left to be closed
        if step.get("state") not in ("queued", "waiting"):
            return None
        key = self._key(ref, limit)
        while True:
            answer = self._ask(ref, delivery, limit, step, key)
            self._send_on(limit, answer.served)
            if answer.what == "go":
                return ref if limit.concurrency is None else replace(ref, slot=limit.graph)
            if answer.what == "stale" or self._put_off(ref, step, limit, answer) != "again":
                return None

    def _ask(self, ref: StepRef, delivery: str, limit: Limit, step: Mapping[str, Any], key: str) -> Admitted:
        paced = limit.interval_ms is not None and not step.get("returned")  # else a graph inside has begun, and ended
        return self._scripts.admit_step(
            self._keys(limit),
            member=self._member(ref),
            key=key,
            delivery=delivery,
            fence=step.get("fence", 0),
            due=step["due"] if step["state"] == "waiting" else 0,
            turn=_turn(step, limit),
            interval_ms=limit.interval_ms or "" if paced else "",
            slack_ms=_SWEEPS * self._connection.settings.sweep_ms,
            **self._most(limit),
        )

    def _put_off(self, ref: StepRef, step: Mapping[str, Any], limit: Limit, answer: Admitted) -> str:
        """Let a step wait; it looks by itself as well, the later the more wait for a slot before it."""
        settings, is_turn = self._connection.settings, answer.what == "turn"
        noise = random.uniform(0.5, 1)  # nosec B311  # spreads those that wait long, guards nothing
        wait_ms = settings.queue_wait_max_ms * noise if is_turn else settings.lease_ms * (1 + answer.number)
        where = {"ns": step["ns"]} if step["ns"] else {}
        ids = {"run": ref.run_id, **where, "step": ref.step_id, "node": step["node"]}
        moment = {"until_ms": answer.number} if is_turn else {}
        return self._scripts.put_off_step(
            self._connection.place(ref.thread_id),
            step=ref.step_id,
            run=ref.run_id,
            member=self._member(ref),
            fence=step.get("fence", 0),
            what=answer.what,
            turn=answer.number if is_turn else "",
            pace=str(limit.interval_ms),
            wait_ms=min(settings.queue_wait_max_ms, round(wait_ms)),
            entry=unfinished({"kind": "limited", **ids, **moment, "why": _WAITS[answer.what]}),
        )

    def _send_on(self, limit: Limit, served: list[str]) -> None:
        """Send steps on that have a slot now; that of one which is gone is for the next in line."""
        while served:
            entries = [DueEntry.of(self._connection, member) for member in served]
            wait_ms = self._connection.settings.queue_wait_ms
            answers = self._scripts.wake_step(
                (entry.place, {"step": entry.what, "member": entry.member, "wait_ms": wait_ms}) for entry in entries
            )
            woken = list(zip(entries, answers, strict=True))
            records = [(entry.thread_id, decoded(told)) for entry, told in woken if isinstance(told, bytes) and told]
            hand_out(self._connection, *(StepOrder.from_record(*record) for record in records))
            gone = [entry.member for entry, told in woken if told is None]
            served = [member for other in gone for member in self._leave(limit, other)]

    def _leave(self, limit: Limit, member: str, delivery: str = "") -> list[str]:
        """Give a slot back, by a delivery or as one that waits for its step; return those that have one now."""
        return self._scripts.leave_slot(self._keys(limit), member=member, delivery=delivery, **self._most(limit))

    def _member(self, ref: StepRef) -> str:
        return self._connection.place(ref.thread_id).member(ref.step_id)

    def _key(self, ref: StepRef, limit: Limit) -> str:
        """Return whose a run is, as the store names it: where that is sealed elsewhere, by a hash."""
        name = limit.concurrency.key if limit.concurrency else None
        if name is None:
            return ""
        try:
            value = whose(self._runs.load(ref.thread_id, ref.run_id).config["configurable"], name)
        except (KeyMissing, SealBroken, InvalidConfig):  # of a run whose plan nobody here can read, or an older one
            return ""
        if value is None or not self._connection.sealing.key_id:
            return escaped(value or "")
        return hashlib.sha256(value.encode()).hexdigest()[:_KEY_LENGTH]

    def _most(self, limit: Limit) -> dict[str, int | str]:
        most = limit.concurrency or Concurrency()
        return {
            "most": most.steps or "",
            "most_of_key": most.steps_per_key or "",
            "lease_ms": self._connection.settings.lease_ms,
        }

    def _keys(self, limit: Limit) -> LimitKeys:
        return self._connection.keys.of_limits(limit.graph, limit.node)


def _turn(step: Mapping[str, Any], limit: Limit) -> int | str:
    """Return the moment that a step was given before; nothing when it was leased since, or the pace is another one."""
    known = step.get("limited", {})
    still = (known.get("fence"), known.get("pace")) == (step.get("fence", 0), str(limit.interval_ms))
    return known["turn"] if still else ""
