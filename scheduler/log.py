"""The execution log: what happened to a thread, in order, each entry hashed with the one before it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .bytes_redis import StreamEntries, StreamEntry
from .connection import Connection
from .errors import ThreadNotFound
from .ids import check_thread_id
from .keys import ThreadKeys
from .log_blocks import SPAN, Block, chained

_PAGE = 500


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One thing that happened."""

    seq: int
    #: created, started, resumed, leased, called, returned, committed, advanced, retried, failed, timed out,
    #: cancelled, lost worker, interrupted, refused (an answer), task, finished, updated, copied, terminated or
    #: archived.
    kind: str
    #: Milliseconds since the epoch, by Redis' clock.
    at_ms: int
    run_id: str
    #: What else is known: step, node, attempt, worker, token, ms (duration), checkpoint, status, error; of a resumed
    #: run the questions answered, and by whom.
    data: Mapping[str, Any]
    hash: str

    @property
    def ns(self) -> str:
        """The frame in which it happened; "" for the root."""
        return str(self.data.get("ns", ""))


class Log:
    """Reads logs; only the scripts write them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, thread_id: str, after: int = 0) -> Iterator[LogEntry]:
        """Yield a thread's entries from the oldest on, or those after a sequence number."""
        keys = self._connection.place(check_thread_id(thread_id)).keys
        yield from (entry_of(seq, fields) for seq, fields in self._raw(keys, after))

    def verify(self, thread_id: str) -> str | None:
        """Check the hash chain; return None when it holds, else a sentence that names the first entry that does not.

        Raises:
            ThreadNotFound: there is no such thread.
        """
        keys = self._connection.place(check_thread_id(thread_id)).keys
        head, newest = self._end(keys)
        if head is None:
            raise ThreadNotFound(thread_id)
        try:
            return self._broken(keys, head.decode(), newest)
        except ValueError as error:  # what is packed has checksums of its own
            return str(error)

    def _broken(self, keys: ThreadKeys, head: str, newest: int) -> str | None:
        seen, expected = 0, ""
        for id_, fields in self._raw(keys, 0, newest):
            seq, text = sequence(id_), fields[b"entry"]
            expected = chained(expected, text)
            if fields[b"hash"].decode() != expected:
                return f"Entry {seq} was altered, or an entry between {seen} and {seq} was removed."
            seen = seq
        return None if head == expected else f"The log ends at entry {seen}, but the thread knows a later one."

    def _end(self, keys: ThreadKeys) -> tuple[bytes | None, int]:
        """Return the last entry's hash and sequence number, read together: a thread that runs goes on writing."""
        pipeline = self._connection.redis.pipeline(transaction=True)
        pipeline.hget(keys.thread, "head")
        pipeline.xrevrange(keys.log, "+", "-", count=1)
        head, newest = pipeline.execute()
        return head, sequence(newest[0][0]) if newest else 0

    def _raw(self, keys: ThreadKeys, after: int, last: int | None = None) -> Iterator[StreamEntry]:
        """Yield entries as the stream has, or had, them: those after a sequence number, and up to another."""
        while True:
            block, entries = self._page(keys, after, "+" if last is None else f"{last}-0")
            if block is not None:
                yield from Block.read(block).part(after, last)
                after = (after // SPAN + 1) * SPAN
            elif entries:
                yield from entries
                after = sequence(entries[-1][0])
            else:
                return

    def _page(self, keys: ThreadKeys, after: int, newest: str) -> tuple[bytes | None, StreamEntries]:
        """Return the block in which entries after a sequence number lie, or a page of the stream, read together."""
        pipeline = self._connection.redis.pipeline(transaction=True)
        pipeline.lindex(keys.blocks, after // SPAN)
        pipeline.xrange(keys.log, f"({after}-0", newest, count=_PAGE)
        block, entries = pipeline.execute()
        return block, entries


def entry_of(seq: bytes, fields: Mapping[bytes, bytes]) -> LogEntry:
    """Return an entry as it lies in the stream."""
    data = json.loads(fields[b"entry"])
    kind, at_ms, run_id = data.pop("kind"), int(data.pop("at")), data.pop("run", "")
    return LogEntry(sequence(seq), kind, at_ms, run_id, data, fields[b"hash"].decode())


def sequence(stream_id: bytes) -> int:
    """Return the sequence number of a stream entry."""
    return int(stream_id.partition(b"-")[0])
