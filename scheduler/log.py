"""The execution log: what happened to a thread, in order, each entry hashed with the one before it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .connection import Connection
from .errors import ThreadNotFound
from .ids import check_thread_id
from .keys import ThreadKeys

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
        key = self._connection.place(check_thread_id(thread_id)).keys.log
        while entries := self._connection.redis.xrange(key, f"({after}-0", "+", count=_PAGE):
            yield from (entry_of(seq, fields) for seq, fields in entries)
            after = sequence(entries[-1][0])

    def verify(self, thread_id: str) -> str | None:
        """Check the hash chain; return None when it holds, else a sentence that names the first entry that does not.

        Raises:
            ThreadNotFound: there is no such thread.
        """
        keys = self._connection.place(check_thread_id(thread_id)).keys
        head, newest = self._end(keys)
        if head is None:
            raise ThreadNotFound(thread_id)
        seen, expected = 0, ""
        for seq, text, stored in self._raw(keys.log, newest):
            expected = hashlib.sha1(expected.encode() + text, usedforsecurity=False).hexdigest()
            if stored != expected:
                return f"Entry {seq} was altered, or an entry between {seen} and {seq} was removed."
            seen = seq
        return None if head.decode() == expected else f"The log ends at entry {seen}, but the thread knows a later one."

    def _end(self, keys: ThreadKeys) -> tuple[bytes | None, str]:
        """Return the hash and the stream id of the last entry, read together: a thread that runs goes on writing."""
        pipeline = self._connection.redis.pipeline(transaction=True)
        pipeline.hget(keys.thread, "head")
        pipeline.xrevrange(keys.log, "+", "-", count=1)
        head, newest = pipeline.execute()
        return head, newest[0][0].decode() if newest else "0-0"

    def _raw(self, key: str, newest: str) -> Iterator[tuple[int, bytes, str]]:
        after = 0
        while entries := self._connection.redis.xrange(key, f"({after}-0", newest, count=_PAGE):
            for seq, fields in entries:
                yield sequence(seq), fields[b"entry"], fields[b"hash"].decode()
            after = sequence(entries[-1][0])


def entry_of(seq: bytes, fields: Mapping[bytes, bytes]) -> LogEntry:
    """Return an entry as it lies in the stream."""
    data = json.loads(fields[b"entry"])
    kind, at_ms, run_id = data.pop("kind"), int(data.pop("at")), data.pop("run", "")
    return LogEntry(sequence(seq), kind, at_ms, run_id, data, fields[b"hash"].decode())


def sequence(stream_id: bytes) -> int:
    """Return the sequence number of a stream entry."""
    return int(stream_id.partition(b"-")[0])
