"""The store of threads: create, look up, list, close, delete."""

import json
import secrets
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import unquote

from graphs.checks import shown
from graphs.spending import limits_of

from .absence import ThreadArchived
from .arguments import metadata_text, positive, sought
from .budget import Budget, budget_of, set_budget
from .checkpoints import StoredCheckpoint
from .connection import Connection
from .copying import COPIED_FIELDS, stage
from .errors import InputsWaiting, InvalidConfig, ThreadBusy, ThreadNotFound, TransitionNotAllowed
from .excess import LogFull, StateTooLarge
from .ids import check_thread_id
from .inputs import Inputs
from .lifecycle import TABLE, ThreadEvent, ThreadStatus, allowed_in
from .scripts import TRAVELS_BYTES, Request
from .thread import PendingStep, Thread


class ThreadStore:
    """Reads threads, and changes those that rest."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        thread_id: str,
        metadata: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        budget: Mapping[str, float] | None = None,
        ttl_s: float | None = None,
    ) -> Thread:
        """Create a thread before its first run, as a rule to give it metadata or limits.

        Args:
            thread_id, metadata, timeout_s: its id, what it is found by, how long each of its runs may take.
            budget: what its runs may spend together, by unit.
            ttl_s: how long it is kept when nothing happens to it, unless it waits for a person.

        Raises:
            InvalidThreadId: the id is not usable.
            InvalidConfig: the metadata is no JSON, or a limit no positive number.
            InvalidBudget: the budget is none.
            StateTooLarge: the metadata takes more bytes than the deployment allows.
            TransitionNotAllowed: the thread is there already.
        """
        thread_id = check_thread_id(thread_id)
        told, limit = metadata_text({} if metadata is None else metadata), self._connection.settings.max_metadata_bytes
        if len(told.encode()) > limit:
            raise StateTooLarge("The thread's metadata", len(told.encode()), limit, "TREADLE_MAX_METADATA_BYTES")
        fields = {"metadata": self._metadata(thread_id, told)}
        if positive({"timeout_s": timeout_s}, "timeout_s", float) is not None:
            fields["timeout"] = str(timeout_s)
        if budget is not None:
            fields["budget"] = json.dumps(limits_of(budget))
        if positive({"ttl_s": ttl_s}, "ttl_s", float) is not None:
            fields["ttl_ms"] = str(round((ttl_s or 0) * 1000))
        return self._create(thread_id, ThreadStatus.CREATED, fields, {"kind": "created"})

    def copy(self, thread_id: str, new_thread_id: str) -> Thread:
        """Copy a thread that rests: its state, its history and what waits in it, under a new id.

        The copy has a log of its own, which says where it comes from; the runs stay with the original, with what they
        have spent and the deadlines of their questions: those of the copy wait for a person. It appears whole or not
        at all, and a copying that was cut short can be repeated.

        Raises:
            ThreadNotFound: there is no such thread.
            ThreadBusy: a run is active on it.
            TransitionNotAllowed: there is a thread of the new id already.
        """
        thread_id, new_thread_id = check_thread_id(thread_id), check_thread_id(new_thread_id)
        keys, target = (self._connection.place(of).keys for of in (thread_id, new_thread_id))
        before = self._connection.redis.hgetall(keys.thread)
        if not before:
            raise ThreadNotFound(thread_id)
        source = self._thread(thread_id, before, None)
        if source.archive is not None:
            raise ThreadArchived(thread_id, "be copied", source.archive)
        if source.run_id is not None:
            raise self.busy(thread_id, source.run_id, source.since_ms or 0)
        there = self.find(new_thread_id)
        if there is not None:
            raise TransitionNotAllowed(new_thread_id, there.status, "be created again")
        staged = stage(self._connection, keys, target)
        if self._connection.redis.hgetall(keys.thread) != before:  # it ran meanwhile: what was copied may be torn
            return self.copy(thread_id, new_thread_id)
        fields = {name.decode(): value.decode() for name, value in before.items() if name.decode() in COPIED_FIELDS}
        fields["metadata"] = self._metadata(new_thread_id, json.dumps(source.metadata))
        return self._create(new_thread_id, source.status, fields, {"kind": "copied", "from": thread_id}, staged)

    def get(self, thread_id: str) -> Thread:
        """Return a thread.

        Raises:
            ThreadNotFound: there is none of this id.
        """
        thread = self.find(thread_id)
        if thread is None:
            raise ThreadNotFound(thread_id)
        return thread

    def find(self, thread_id: str) -> Thread | None:
        """Return a thread, or None."""
        thread_id = check_thread_id(thread_id)
        place = self._connection.place(thread_id)
        pipeline = self._connection.redis.pipeline(transaction=False)
        pipeline.hgetall(place.keys.thread)
        pipeline.hget(place.keys.frame(""), "cursor")
        fields, cursor = pipeline.execute()
        return self._thread(thread_id, fields, cursor) if fields else None

    def standing(self, thread_id: str) -> tuple[Thread | None, StoredCheckpoint | None]:
        """Return a thread and the checkpoint that it stands on, if there are any; as a rule in one round trip."""
        place, checkpoints = self._connection.place(check_thread_id(thread_id)), self._connection.checkpoints
        newest = checkpoints.newest(place.keys, "")
        found = self._connection.scripts.look_at_thread(place, checkpoint=newest, max_bytes=TRAVELS_BYTES)
        if not found.thread:
            return None, None
        thread = self._thread(thread_id, found.thread, found.cursor)
        if thread.cursor is None:
            return thread, None
        if found.state is not None:
            return thread, checkpoints.take(place.keys, "", thread.cursor, *found.state)
        return thread, checkpoints.load(place.keys, "", thread.cursor, thread_id)

    def list(
        self,
        status: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        limit: int = 100,
    ) -> Sequence[Thread]:
        """Return threads, the one changed last first; with a status, and with these metadata values.

        Raises:
            InvalidConfig: there is no such status, the metadata is no dict, or the limit no number of 0 or more.
        """
        wanted = None if status is None else _status(status)
        metadata, most = sought(metadata, limit)
        found = (
            thread
            for thread in map(self.find, self.ids())
            if thread is not None and wanted in (None, thread.status) and _has(thread, metadata)
        )
        return [*islice(found, most)]

    def ids(self) -> Sequence[str]:
        """Return the ids of all threads, the one changed last first; nothing else of them is read."""
        pipeline = self._connection.redis.pipeline(transaction=False)
        for key in self._connection.keys.thread_indexes():
            pipeline.zrange(key, 0, -1, withscores=True)
        scored = sorted((pair for pairs in pipeline.execute() for pair in pairs), key=lambda pair: -pair[1])
        return [unquote(token.decode()) for token, _ in scored]

    def pending(self, thread_id: str) -> Sequence[PendingStep]:
        """Return the steps in flight: on which worker, since when, due when."""
        place = self._connection.place(check_thread_id(thread_id))
        steps = [json.loads(data) for data in self._connection.redis.hvals(place.keys.steps)]
        if not steps:
            return []
        dues = self._connection.redis.zmscore(place.keys.due, [place.member(step["id"]) for step in steps])
        return [PendingStep.of(step, due) for step, due in zip(steps, dues, strict=True)]

    def inputs(self, thread_id: str) -> Inputs:
        """Return the inputs that wait for their turn on a thread: list, move, remove, clear, release."""
        return Inputs(self._connection, check_thread_id(thread_id))

    def budget(self, thread_id: str) -> Budget:
        """Return what the runs of a thread may spend together, and what they have."""
        return budget_of(self._connection, check_thread_id(thread_id))

    def set_budget(self, thread_id: str, budget: Mapping[str, float | None]) -> Budget:
        """Set limits of what its runs may spend together: at once, the first ones from the next run on; None is none.

        Raises:
            ThreadNotFound: there is no such thread.
            InvalidBudget: a unit has no usable name, or a limit is no number above 0, up to 10^15.
        """
        return set_budget(self._connection, check_thread_id(thread_id), budget)

    def terminate(self, thread_id: str) -> Thread:
        """Close a thread that rests, for good.

        Raises:
            ThreadNotFound: there is none of this id.
            TransitionNotAllowed: its status does not allow it, for example because it runs.
            InputsWaiting: inputs wait for their turn on it.
        """
        return self._close(thread_id, ThreadEvent.TERMINATE, "terminated")

    def mark_archived(self, thread_id: str) -> Thread:
        """Close a thread that was exported.

        Raises:
            ThreadNotFound: there is none of this id.
            TransitionNotAllowed: its status does not allow it.
            InputsWaiting: inputs wait for their turn on it.
        """
        return self._close(thread_id, ThreadEvent.ARCHIVE, "archived")

    def delete(self, thread_id: str) -> None:
        """Delete a thread that rests, with its state, history, log and waiting inputs; what is not there is deleted.

        Raises:
            ThreadBusy: a run is active on it.
        """
        place = self._connection.place(check_thread_id(thread_id))
        answer = ["more"]
        while answer[0] == "more":
            run_ids = [run.decode() for run in self._connection.redis.lrange(place.keys.runs, 0, -1)]
            frames = [ns.decode() for ns in self._connection.redis.smembers(place.keys.frames)]
            lines = (self._connection.redis.zrange(key, 0, -1) for key in (place.keys.starts, place.keys.inputs))
            run_ids += [run.decode() for line in lines for run in line]
            answer = self._connection.scripts.delete_thread(place, run_ids, frames)
        if answer[0] == "busy":
            raise self.busy(thread_id, answer[1], int(answer[2]))
        self._connection.checkpoints.forget(place.keys)

    def busy(self, thread_id: str, run_id: str, since_ms: int) -> ThreadBusy:
        """Return the error that says what a thread is busy with."""
        return ThreadBusy(thread_id, run_id, (step.node for step in self.pending(thread_id)), since_ms)

    def _metadata(self, thread_id: str, text: str) -> str:
        return self._connection.sealing.seal_text(text, self._connection.place(thread_id).keys.thread, "metadata")

    def _thread(self, thread_id: str, fields: Mapping[bytes, bytes], cursor: bytes | None) -> Thread:
        key = self._connection.place(thread_id).keys.thread
        text = {name.decode(): value.decode() for name, value in fields.items()}
        metadata = self._connection.sealing.open_text(text["metadata"], key, "metadata") if "metadata" in text else "{}"
        return Thread.of(thread_id, {**text, "metadata": metadata}, cursor.decode() if cursor else None)

    def _create(
        self,
        thread_id: str,
        status: ThreadStatus,
        fields: Mapping[str, str],
        entry: Mapping[str, Any],
        becoming: Sequence[str] = (),
    ) -> Thread:
        body = {"create": True, "status": status, "allowed": {}, "thread_fields": dict(fields)}
        answer = self._set(thread_id, body, entry, becoming)
        if answer[0] == "refused":
            raise TransitionNotAllowed(thread_id, answer[1], "be created again")
        return self.get(thread_id)

    def _close(self, thread_id: str, event: ThreadEvent, kind: str) -> Thread:
        status = next(after for (_, known), after in TABLE.items() if known is event)
        allowed = dict.fromkeys(allowed_in(event), True)
        body = {"status": status, "allowed": allowed, "thread_fields": {}}
        answer = self._set(check_thread_id(thread_id), body, {"kind": kind})
        if answer == ["refused", "unknown"]:
            raise ThreadNotFound(thread_id)
        if answer[0] == "waiting":
            raise InputsWaiting(thread_id)
        if answer[0] == "refused":
            raise TransitionNotAllowed(thread_id, answer[1], event)
        return self.get(thread_id)

    def _set(
        self, thread_id: str, body: dict[str, Any], entry: Mapping[str, Any], becoming: Sequence[str] = ()
    ) -> Sequence[Any]:
        place = self._connection.place(thread_id)
        body = {"token": place.keys.token, "nonce": secrets.token_hex(8), "entries": [dict(entry)], **body}
        return self._connection.scripts.set_status(place, Request(body), becoming)


def check_log(thread: Thread | None, limit: int) -> None:
    """Check that something more can happen to a thread.

    Raises:
        LogFull: its log is as long as the deployment allows.
    """
    if thread is not None and thread.seq >= limit:
        raise LogFull(thread.id, thread.seq, limit)


def _status(status: str) -> ThreadStatus:
    if not isinstance(status, str) or status not in list(ThreadStatus):
        raise InvalidConfig(f"The status of a thread is {', '.join(ThreadStatus)}, got {shown(status)}.")
    return ThreadStatus(status)


def _has(thread: Thread, metadata: Mapping[str, Any]) -> bool:
    return all(thread.metadata.get(key) == value for key, value in metadata.items())
