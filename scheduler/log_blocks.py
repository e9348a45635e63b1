"""The older part of a thread's log: entries as they were, in compressed blocks of a fixed span of sequence numbers.

Four entries of a turn take a kilobyte in the stream, most of it ids that repeat. When a run begins, what lies far
enough behind is packed. Nothing is lost by that: a block keeps every entry's very text, and the hashes before the first
and of the last one, between which the chain leads to those of the others.
"""

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import ormsgpack

from .bytes_redis import StreamEntries
from .connection import Connection
from .errors import StoreUnavailable
from .inflating import inflated
from .keys import ThreadKeys
from .log_chain import chain_start, chained, sequence
from .scripts import Place

#: How many sequence numbers a block spans; the newest so many are never packed.
SPAN: Final = 64
#: How many blocks one run packs at the most, so that none waits long for what a longer one left.
_AT_ONCE: Final = 4
_KNOWN_THREADS: Final = 1024
#: What a block may take once it is decompressed; a span of entries that say as much as they can takes a tenth of it.
_LARGEST: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """Entries of a log, with the hash that the first of them goes on from."""

    before: str
    entries: StreamEntries

    @classmethod
    def read(cls, data: bytes) -> "Block":
        """Return a block that was stored; of one with an altered entry, the last hash does not fit the others.

        Raises:
            ValueError: it cannot be read.
        """
        try:
            before, after, entries = ormsgpack.unpackb(inflated(data, _LARGEST))
            return cls(before.hex(), _rehashed(before.hex(), after.hex(), entries))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"A block of the log cannot be read: {error}.") from error

    def data(self) -> bytes:
        """Return the block as it is stored.

        Raises:
            ValueError: the chain is broken; then the entries stay where each has its hash.
        """
        digest = self.before
        for id_, fields in self.entries:
            digest = chained(digest, id_, fields.get(b"entry", b""))
            if digest.encode() != fields.get(b"hash"):
                raise ValueError("The chain of the log is broken.")
        plain = [[sequence(id_), fields[b"entry"]] for id_, fields in self.entries]
        return zlib.compress(ormsgpack.packb([bytes.fromhex(self.before), bytes.fromhex(digest), plain]))

    def part(self, after: int, last: int | None = None) -> StreamEntries:
        """Return the entries after a sequence number, and up to another."""
        placed = [(sequence(entry[0]), entry) for entry in self.entries]
        return [entry for seq, entry in placed if seq > after and (last is None or seq <= last)]


def _rehashed(before: str, after: str, entries: Sequence[tuple[int, bytes]]) -> StreamEntries:
    """Return packed entries with their hashes; the last one has the hash that was stored."""
    found, digest = [], before
    for seq, text in entries:
        id_ = b"%d-0" % seq
        digest = chained(digest, id_, text)
        found.append((id_, {b"entry": text, b"hash": digest.encode()}))
    if found:
        found[-1][1][b"hash"] = after.encode()
    return found


class LogBlocks:
    """Packs logs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._counts: OrderedDict[str, int] = OrderedDict()

    def pack(self, thread_id: str, end: int) -> None:
        """Pack what lies well before the end of a log; what is not packed now will be some other time."""
        place = self._connection.place(thread_id)
        with suppress(StoreUnavailable, ValueError):  # a log that was altered is for `verify` to report
            self._pack(place, end // SPAN - 1)

    def _pack(self, place: Place, wanted: int) -> None:
        keys = place.keys
        count = self._counts.pop(keys.token, 0)
        if wanted > count == 0:  # of a thread that this process has not packed yet
            count = self._connection.redis.llen(keys.blocks)
        for number in range(count, min(wanted, count + _AT_ONCE)):
            count = self._pack_one(place, number)
        self._counts[keys.token] = count
        while len(self._counts) > _KNOWN_THREADS:
            self._counts.popitem(last=False)

    def _pack_one(self, place: Place, number: int) -> int:
        first, last = number * SPAN + 1, (number + 1) * SPAN
        entries = self._connection.redis.xrange(place.keys.log, f"{first}-0", f"{last}-0")
        block = Block(self._hash_before(place.keys, number), entries)
        return self._connection.scripts.pack_log(place, number=number, last=last, block=block.data())

    def _hash_before(self, keys: ThreadKeys, number: int) -> str:
        """Return the hash of the last entry before a block."""
        packed = self._connection.redis.lrange(keys.blocks, number - 1, number - 1) if number else []
        before = Block.read(packed[0]) if packed else Block(chain_start(keys.thread), [])
        return before.entries[-1][1][b"hash"].decode() if before.entries else before.before


def packed_after(connection: Connection, keys: ThreadKeys, after: int) -> StreamEntries:
    """Return the packed entries after a sequence number."""
    blocks = connection.redis.lrange(keys.blocks, after // SPAN, -1)
    return [entry for block in blocks for entry in Block.read(block).part(after)]
