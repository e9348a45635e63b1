"""The store of schedules: create, look up, pause, resume, delete, start by hand."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from .connection import Connection
from .delayed import Later, Start, put_later, start_record
from .errors import InvalidConfig, InvalidSchedule, RunNotFound, ScheduleNotFound
from .keys import ScheduleKeys
from .runs import RunStore
from .schedule import Plan, Schedule, Started
from .schedule_scripts import ScheduleScripts
from .waiting import webhook_in

#: How many starts a schedule remembers.
MAX_HISTORY = 100


class Schedules:
    """Reads schedules, and changes them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._scripts = ScheduleScripts(connection.client)

    def create(self, plan: Plan, start: Start, *, replaces: bool = False) -> Schedule:
        """Store a schedule, which ticks from now on.

        Args:
            plan: when, and on which thread.
            start: which graph is started, with which config, input and context.
            replaces: whether one of this id is replaced.

        Raises:
            InvalidSchedule: it never ticks, says something that nobody knows, or there is one of this id.
            InvalidConfig: steps run in this process, which nobody looks after; or the input is a Command.
            InvalidInput, NotSerializable, StateTooLarge: the input does not fit the graph or the store.
        """
        if self._connection.dispatcher.inline:
            raise InvalidConfig("A schedule needs workers and a scheduler: RedisSaver(url), not inline.")
        now_ms, graph = self.now_ms(), start.graph
        plan = replace(plan.check(), graph=graph.name, fingerprint=graph.fingerprint, queue=start.queue)
        plan = replace(plan, created_ms=now_ms, nonce=secrets.token_hex(8))
        config = replace(start.config, on_busy="wait" if plan.on_busy == "wait" else "reject")
        record = start_record(self._connection.serde, replace(start, config=config))
        given = self._connection.sealing.seal(record, self._keys(plan.id).schedule, "start")
        next_ms = plan.next_ms(now_ms)
        if next_ms is None:
            raise InvalidSchedule(f"Schedule {plan.id!r} never ticks: {plan.cron!r} has no moment before its end.")
        words = {"id": plan.id, "record": json.dumps(asdict(plan)), "next": str(next_ms)}
        if not self._scripts.put_schedule(self._keys(plan.id), **words, start=given, replace="1" if replaces else ""):
            raise InvalidSchedule(f"There is a schedule {plan.id!r} already: delete it, or replace it.")
        return Schedule(plan, "active", next_ms)

    def get(self, schedule_id: str) -> Schedule:
        """Return a schedule.

        Raises:
            ScheduleNotFound: there is none of this id.
        """
        return self.stored(schedule_id).schedule

    def stored(self, schedule_id: str) -> "Stored":
        """Return a schedule as it is stored.

        Raises:
            ScheduleNotFound: there is none of this id.
        """
        found = self._connection.redis.hgetall(self._keys(schedule_id).schedule)
        if not found:
            raise ScheduleNotFound(schedule_id)
        return _stored(found)

    def list(self, graph: str | None = None) -> Sequence[Schedule]:
        """Return the schedules, of one graph or of all, the one that ticks next first."""
        ids = sorted(one.decode() for one in self._connection.redis.smembers(self._keys().schedules))
        pipeline = self._connection.redis.pipeline(transaction=False)
        for schedule_id in ids:
            pipeline.hgetall(self._keys(schedule_id).schedule)
        found = [_stored(fields).schedule for fields in pipeline.execute() if fields]
        wanted = [schedule for schedule in found if graph in (None, schedule.plan.graph)]
        return sorted(wanted, key=lambda one: (one.next_ms is None, one.next_ms))

    def pause(self, schedule_id: str) -> Schedule:
        """Let a schedule tick no more until it is resumed; what would have ticked meanwhile is not made up for.

        Raises:
            ScheduleNotFound: there is none of this id.
        """
        return self._set(schedule_id, "paused", None)

    def resume(self, schedule_id: str) -> Schedule:
        """Let a schedule tick again.

        Raises:
            ScheduleNotFound: there is none of this id.
        """
        schedule = self.get(schedule_id)
        if schedule.status == "active":
            return schedule
        next_ms = schedule.plan.next_ms(self.now_ms())
        return self._set(schedule_id, "ended" if next_ms is None else "active", next_ms)

    def delete(self, schedule_id: str) -> bool:
        """Delete a schedule with its history; return whether it was there. The runs that it began stay."""
        return self._scripts.delete_schedule(self._keys(schedule_id), id=schedule_id)

    def trigger(self, schedule_id: str) -> Started:
        """Start a schedule's run now, whatever its clock says.

        Raises:
            ScheduleNotFound: there is none of this id.
        """
        stored = self.stored(schedule_id)
        started = self.start(stored, self.now_ms(), "trigger")
        self._note(stored, [started])
        return started

    def history(self, schedule_id: str, limit: int = 20) -> Sequence[Started]:
        """Return what a schedule has started last, the newest first, and what has become of it."""
        found: Any = self._connection.client.lrange(self._keys(schedule_id).history, 0, limit - 1) if limit > 0 else []
        return [self._standing(Started(**json.loads(entry))) for entry in found]

    def start(self, stored: "Stored", tick_ms: int, kind: str = "tick") -> Started:
        """Note the run of a tick, to begin at once; a tick that was started before starts nothing."""
        plan, by_hand = stored.schedule.plan, kind != "tick"
        run_id = secrets.token_hex(16) if by_hand else plan.run_id(tick_ms)
        moment = f"{datetime.fromtimestamp(tick_ms / 1000, UTC):%Y%m%dT%H%M%S}"
        own = f"{plan.id}@{moment}Z-{run_id[:8]}" if by_hand else f"{plan.id}@{moment}Z"
        given = self._connection.sealing.open(stored.start, self._keys(plan.id).schedule, "start")
        told = webhook_in(self._connection, given)
        later = Later(plan.thread_id or own, run_id, plan.graph, plan.fingerprint, plan.queue, told)
        put_later(self._connection, later, given, self.now_ms())
        return Started(tick_ms, kind, later.thread_id, run_id)

    def advance(self, stored: "Stored", next_ms: int | None, started: Sequence[Started], error: str = "") -> bool:
        """Move a schedule on to its next tick; return whether nobody else has."""
        status, now_at = "ended" if next_ms is None else "active", _text(stored.schedule.next_ms)
        return self._note(stored, started, expected=now_at, next=_text(next_ms), status=status, error=error)

    def _note(self, stored: "Stored", started: Sequence[Started], **moves: str) -> bool:
        entries = [
            json.dumps({name: said for name, said in asdict(one).items() if said is not None}) for one in started
        ]
        schedule_id = stored.schedule.id
        args = {"expected": "", "next": "", "status": "", "error": "", **moves, "id": schedule_id}
        known: dict[str, str | int | bytes] = {"record": stored.record, "max_history": MAX_HISTORY}
        keys = self._keys(schedule_id)
        return self._scripts.advance_schedule(keys, **args, **known, entries=json.dumps(entries))

    def now_ms(self) -> int:
        """Return Redis' clock."""
        return self._connection.now_ms()

    def _set(self, schedule_id: str, status: str, next_ms: int | None) -> Schedule:
        if not self._scripts.set_schedule(self._keys(schedule_id), id=schedule_id, status=status, next=_text(next_ms)):
            raise ScheduleNotFound(schedule_id)
        return self.get(schedule_id)

    def _standing(self, started: Started) -> Started:
        if started.thread_id is None or started.run_id is None:
            return started
        try:
            run = RunStore(self._connection).get(started.thread_id, started.run_id)
        except RunNotFound:
            return replace(started, status="gone")
        return replace(started, status=run.status, error=None if run.error is None else run.error["message"])

    def _keys(self, schedule_id: str = "") -> ScheduleKeys:
        return self._connection.keys.of_schedule(schedule_id)


@dataclass(frozen=True, slots=True)
class Stored:
    """A schedule as it is stored."""

    schedule: Schedule
    record: bytes
    #: What its runs begin with, for those who know the graph; sealed where there are keys.
    start: bytes


def _stored(fields: Mapping[bytes, bytes]) -> Stored:
    next_ms, record = fields.get(b"next"), fields[b"record"]
    status, error = fields[b"status"].decode(), fields.get(b"error", b"").decode()
    schedule = Schedule(Plan(**json.loads(record)), status, int(next_ms) if next_ms else None, error)
    return Stored(schedule, record, fields[b"start"])


def _text(moment_ms: int | None) -> str:
    return "" if moment_ms is None else str(moment_ms)
