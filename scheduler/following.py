"""Following a run live, from any process: its log entries and what its nodes write, in one order."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphs.frames import below

from .connection import Connection
from .errors import RunNotFound
from .keys import ThreadKeys
from .lifecycle import RunStatus
from .log import LogEntry, entry_of
from .log_blocks import packed_after
from .log_chain import sequence

logger = logging.getLogger(__name__)

#: After how long without a worker a follower says so: whoever waits sees nothing else.
_LONELY_S = 10.0
_BLOCK_MS = 1_000  # shorter than the client's socket timeout, and how soon a deleted thread is noticed


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """Something a node wrote while it ran."""

    seq: int
    run_id: str
    step_id: str
    node: str
    attempt: int
    value: Any
    ns: str = ""
    #: The stream mode that shows it: custom, messages, or tasks for the beginning of a task.
    mode: str = "custom"


Happening = LogEntry | LiveEvent


class _Wait:
    """Says, once, that a run has begun and no worker takes it."""

    def __init__(self, thread_id: str, run_id: str) -> None:
        self._thread_id, self._run_id = thread_id, run_id
        self._begun_at: float | None = None

    def see(self, happening: Happening) -> None:
        """Note that something has happened to the run: it begins, or somebody is at it."""
        begins = isinstance(happening, LogEntry) and happening.kind in ("started", "resumed")
        self._begun_at = time.monotonic() if begins else None

    def look(self) -> None:
        """Tell it, when it has lasted."""
        if self._begun_at is not None and time.monotonic() - self._begun_at >= _LONELY_S:
            self._begun_at = None
            told = "no worker has taken run %s of thread %r for %d s, and it waits: `treadle doctor` says why"
            logger.warning(told, self._run_id, self._thread_id, _LONELY_S)


class Follower:
    """Reads what happens to runs while it happens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def follow(self, thread_id: str, run_id: str, after: int, deadline: float | None = None) -> Iterator[Happening]:
        """Yield what happens to a run until it has ended.

        Args:
            thread_id: the thread.
            run_id: its run.
            after: a sequence number; what happened up to there is left out.
            deadline: a time.monotonic() until which to wait for the end.

        Raises:
            RunNotFound: the run, as a rule the whole thread, was deleted meanwhile.
            TimeoutError: the deadline passed first.
        """
        keys, wait = self._connection.place(thread_id).keys, _Wait(thread_id, run_id)
        while True:
            happened = self._read(keys, after, _block_ms(deadline))
            for one in happened:
                after = one.seq
                if one.run_id == run_id:
                    wait.see(one)
                    yield one
                    if isinstance(one, LogEntry) and one.kind in ("finished", "withdrawn"):
                        return
            if not happened and self._is_over(thread_id, run_id, after):
                return
            wait.look()
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"Run {run_id} of thread {thread_id!r} is still active; it goes on.")

    def follow_frame(self, thread_id: str, run_id: str, ns: str, after: int) -> Iterator[Happening]:
        """Yield what happens in a frame and below it, until it gives control back or its run has ended.

        Args:
            thread_id, run_id: the run.
            ns: the frame.
            after: a sequence number; what happened up to there is left out.

        Raises:
            RunNotFound: the run was deleted meanwhile.
        """
        for one in self.follow(thread_id, run_id, after):
            if below(one.ns, ns):
                yield one
                if isinstance(one, LogEntry) and one.kind == "returned" and one.ns == ns:
                    return

    def _read(self, keys: ThreadKeys, after: int, block_ms: int) -> list[Happening]:
        happened = self._read_live(keys, after, block_ms)
        if not happened or happened[0].seq == after + 1:
            return happened
        # what is missing in between are old events, or entries that were packed before they could be read here
        old = packed_after(self._connection, keys, after)
        packed = [entry_of(self._connection.sealing, keys, *entry) for entry in old]
        by_seq = {one.seq: one for one in (*packed, *happened)}
        return [by_seq[seq] for seq in sorted(by_seq)]

    def _read_live(self, keys: ThreadKeys, after: int, block_ms: int) -> list[Happening]:
        found = self._connection.redis.xread(dict.fromkeys([keys.log, keys.events], f"{after}-0"), block=block_ms)
        pairs = found.items() if isinstance(found, dict) else found  # RESP3 answers with a map
        happened = [self._happening(keys, seq, fields) for _, entries in pairs for seq, fields in _flat(entries)]
        return sorted(happened, key=lambda one: one.seq)

    def _happening(self, keys: ThreadKeys, seq: bytes, fields: dict[bytes, bytes]) -> Happening:
        if b"entry" in fields:
            return entry_of(self._connection.sealing, keys, seq, fields)
        return LiveEvent(sequence(seq), *self._connection.restored(fields[b"event"], keys.events))

    def _is_over(self, thread_id: str, run_id: str, after: int) -> bool:
        """Return whether nothing more can come: the run ended before the place from which it is read."""
        place = self._connection.place(thread_id, run_id)
        status, seq = self._connection.redis.hget(place.named("run"), "status"), self._connection.redis.hget(
            place.keys.thread, "seq"
        )  # fmt: skip
        if status is None:
            raise RunNotFound(thread_id, run_id)
        return RunStatus(status.decode()).is_final and int(seq or 0) <= after


def _flat(entries: Any) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
    """Yield stream entries; redis-py nests them one list deeper under RESP3."""
    for entry in entries:
        if isinstance(entry, list) and entry and isinstance(entry[0], tuple | list):
            yield from _flat(entry)
        else:
            yield entry[0], entry[1]


def _block_ms(deadline: float | None) -> int:
    if deadline is None:
        return _BLOCK_MS
    return max(1, min(_BLOCK_MS, round((deadline - time.monotonic()) * 1000)))
