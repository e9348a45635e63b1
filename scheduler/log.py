"""The execution log: what happened to a thread, in order, each entry hashed with the one before it."""

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .bytes_redis import StreamEntries, StreamEntry
from .claim import Claim
from .connection import Connection
from .errors import InvalidConfig, ThreadNotFound
from .heads import Head
from .ids import check_thread_id
from .keys import ThreadKeys
from .log_blocks import SPAN, Block
from .log_chain import LogChain, sequence
from .mistrust import LogAltered
from .sealing import Sealing
from .signing import Signer, check_signature
from .whereabouts import refuse_archived

_PAGE = 500
#: How an attempt ends whose end others write down.
_CUT_SHORT = frozenset({"lost worker", "timed out", "released"})


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One thing that happened."""

    seq: int
    #: created, started, resumed, limited, leased, called, returned, committed, advanced, retried, failed, timed out,
    #: cancelled, lost worker, interrupted, refused (an answer), task, finished, updated, copied, enqueued, reordered,
    #: withdrawn (an input that waits), budgeted, pruned, restored, terminated or archived.
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


@dataclass(frozen=True, slots=True)
class Examined:
    """A log that was gone through."""

    #: Its chain, up to the first thing that is wrong.
    chain: LogChain
    #: What is wrong first; None: nothing.
    broken: str | None


@dataclass(frozen=True, slots=True)
class _End:
    """Where a log ends: the hash and the number that the thread knows, and what of its stream is there."""

    is_there: bool
    hash: bytes | None
    counted: int
    newest: int
    oldest: int
    #: Entries up to this one are packed.
    packed: int
    #: Where the root of the thread stands.
    cursor: str


class Log:
    """Reads logs; only the scripts write them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, thread_id: str, after: int = 0) -> Iterator[LogEntry]:
        """Yield a thread's entries from the oldest on, or those after a sequence number."""
        keys = self._connection.place(check_thread_id(thread_id)).keys
        sealing, empty = self._connection.sealing, not after
        for seq, fields in self._raw(keys, after):
            yield entry_of(sealing, keys, seq, fields)
            empty = False
        if empty:
            refuse_archived(self._connection, thread_id, "be read here")

    def cut_short(self, claim: Claim) -> LogEntry | None:
        """Return how the attempt before a claim ended, where the log's newest page has that others wrote it down."""
        keys = self._connection.place(claim.ref.thread_id).keys
        for seq, fields in self._connection.redis.xrevrange(keys.log, "+", "-", count=_PAGE):
            data = json.loads(fields[b"entry"])
            if data.get("step") == claim.ref.step_id and data.get("token") != claim.fence:
                of_others = data["kind"] in _CUT_SHORT
                return entry_of(self._connection.sealing, keys, seq, fields) if of_others else None
        return None

    def verify(self, thread_id: str, heads: Head | Iterable[Head] = ()) -> str | None:
        """Check a log against its own chain and heads taken earlier; None: it holds, else what is wrong first.

        Raises:
            ThreadNotFound, InvalidConfig, HeadRefused: as ``examine`` does.
        """
        return self.examine(thread_id, heads).broken

    def head(self, thread_id: str) -> Head:
        """Return the head of a thread's log, signed where there is a key (TREADLE_HEAD_KEY).

        Raises:
            ThreadNotFound: there is no such thread.
            LogAltered: its chain does not hold.
        """
        found = self.examine(thread_id)
        if found.broken is not None:
            raise LogAltered(thread_id, found.broken)
        chain, key = found.chain, self._connection.settings.head_key
        now_ms = time.time_ns() // 1_000_000
        head = Head(thread_id, chain.seq, chain.entries, chain.hash, chain.digest, chain.first, now_ms)
        return head if key is None else Signer(key.get_secret_value()).sign(head)

    def examine(self, thread_id: str, heads: Head | Iterable[Head] = ()) -> Examined:
        """Go through a log once, from its first entry to the one that is its last now.

        Args:
            thread_id: whose log.
            heads: heads of it that were taken earlier; what was appended since is no contradiction.

        Raises:
            ThreadNotFound: there is no such thread.
            InvalidConfig: a head is another thread's.
            HeadRefused: a head is not signed by one of TREADLE_HEAD_PUBLIC_KEYS, where there are any.
        """
        known = sorted((heads,) if isinstance(heads, Head) else heads, key=lambda head: head.seq)
        for head in known:
            self._check(head, check_thread_id(thread_id))
        keys = self._connection.place(check_thread_id(thread_id)).keys
        chain = LogChain(keys.thread)
        try:
            end = self._end(keys)
            if not end.is_there:
                raise ThreadNotFound(thread_id)
            if not end.newest:
                refuse_archived(self._connection, thread_id, "be read here")
            broken = self._broken(keys, chain, end, known)
        except ValueError as error:  # what is packed has checksums of its own
            broken = str(error)
        return Examined(chain, broken)

    def _check(self, head: Head, thread_id: str) -> None:
        if head.thread != thread_id:
            raise InvalidConfig(f"The head of thread {head.thread!r} says nothing of thread {thread_id!r}.")
        trusted = self._connection.settings.trusted_heads()
        if trusted:
            check_signature(head, trusted)

    def _broken(self, keys: ThreadKeys, chain: LogChain, end: "_End", heads: list[Head]) -> str | None:
        due = deque(heads)
        for entry in self._raw(keys, 0, end.newest):
            seen = chain.seq
            if not chain.take(entry):
                return _altered(seen, chain.seq, end.packed)
            while due and due[0].seq <= chain.seq:
                denied = due.popleft().denied_by(chain)
                if denied is not None:
                    return denied
        if chain.hash.encode() != end.hash:
            return f"The log ends at entry {chain.seq}, but the thread knows a later one."
        if end.counted < end.newest or 0 < end.oldest <= end.packed:
            return "The thread's count of its entries, or the place where its stream begins, was altered."
        if chain.cursor not in (None, end.cursor):
            return f"The log puts the thread on checkpoint {chain.cursor}, but it stands on {end.cursor or 'none'}."
        return due[0].denied_by(chain) if due else None

    def _end(self, keys: ThreadKeys) -> "_End":
        """Return where a log ends, read together: a thread that runs goes on writing."""
        pipeline = self._connection.redis.pipeline(transaction=True)
        pipeline.hmget(keys.thread, ["status", "head", "seq"])
        pipeline.xrevrange(keys.log, "+", "-", count=1)
        pipeline.xrange(keys.log, "-", "+", count=1)
        pipeline.llen(keys.blocks)
        pipeline.hget(keys.frame(""), "cursor")
        (status, hash_, counted), newest, oldest, blocks, cursor = pipeline.execute()
        last, first = (sequence(found[0][0]) if found else 0 for found in (newest, oldest))
        return _End(status is not None, hash_, int(counted or 0), last, first, blocks * SPAN, (cursor or b"").decode())

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


def entry_of(sealing: Sealing, keys: ThreadKeys, seq: bytes, fields: Mapping[bytes, bytes]) -> LogEntry:
    """Return an entry as it lies in the stream."""
    data = json.loads(fields[b"entry"])
    if "error" in data:
        data["error"] = sealing.open_words(data["error"], keys.log)
    kind, at_ms, run_id = data.pop("kind"), int(data.pop("at")), data.pop("run", "")
    return LogEntry(sequence(seq), kind, at_ms, run_id, data, fields[b"hash"].decode())


def _altered(seen: int, seq: int, packed: int) -> str:
    if seq > packed:
        return f"Entry {seq} was altered, or an entry between {seen} and {seq} was removed."
    first = (seq - 1) // SPAN * SPAN + 1
    return f"An entry from {first} to {seq}, which are packed together, was altered or removed."
