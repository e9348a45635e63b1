"""The items of the long-term memory as they lie in Redis: each one's value and vectors, sealed for their place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import redis

from graphs.store import Item, PutOp

from .keys import Keys
from .meanings import Meanings, SemanticIndex
from .memory_scripts import MemoryScripts
from .namespaces import Span, from_entry, to_entry
from .sealing import Sealing
from .serde import Serde

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS_PER_MINUTE = 60_000
_FIELDS = ("value", "created_us", "updated_us", "ttl_ms")

#: How many expired entries one script forgets at most; every write forgets up to so many.
SWEEP = 200


@dataclass(frozen=True, slots=True)
class Record:
    """An item as it was read."""

    entry: bytes
    item: Item
    expires: bool
    #: How near it is to the query, where there is one.
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A put with its value encoded, so that nothing is left that can fail half-way through a batch."""

    entry: bytes
    value: bytes | None
    ttl_ms: int | None
    vectors: bytes = b""
    #: How long these are; None where they are sealed.
    dims: int | None = None


class MemoryItems:
    """Reads items, and encodes those that are to be written.

    Args:
        client: a client that returns bytes.
        scripts: those of the memory, on the same client.
        keys: the names of its keys.
        serde: encodes the values.
        sealing: seals values and vectors.
    """

    def __init__(self, client: redis.Redis, scripts: MemoryScripts, keys: Keys, serde: Serde, sealing: Sealing) -> None:
        self._redis, self._scripts, self._keys, self._serde, self._sealing = client, scripts, keys, serde, sealing

    def pages(self, span: Span, size: int) -> Iterator[list[bytes]]:
        """Yield the entries in a range, so many at a time."""
        while True:
            reply = self._redis.zrangebylex(self._keys.memory_index(), span.first, span.last, 0, size)
            entries = cast(list[bytes], reply)
            yield entries
            if len(entries) < size:
                return
            span = span.after(entries[-1])

    def sweep(self) -> int:
        """Forget some entries whose items have expired; return how many, 0 where none is left."""
        (forgotten,) = self._scripts.send(self._scripts.sweep(SWEEP))
        return int(forgotten)

    def fetch(self, entries: Sequence[bytes]) -> list[Record | None]:
        """Return the items, in one round trip; None for one that has expired."""
        return [*map(self._decode, entries, self._read(entries, _FIELDS))]

    def fetch_with_vectors(self, entries: Sequence[bytes]) -> list[tuple[Record, bytes]]:
        """Return the items that have not expired, each with its vectors in a row; the others are swept."""
        read = self._read(entries, (*_FIELDS, "vectors"))
        found = [
            (record, self._opened(entry, fields[-1], "vectors"))
            for entry, fields, record in zip(entries, read, map(self._decode, entries, read), strict=True)
            if record
        ]
        self._swept(entries, found)
        return found

    def fetch_vectors(self, entries: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the entries of the items that have not expired, each with its vectors; the others are swept."""
        read = self._read(entries, ("created_us", "vectors"))
        found = [
            (entry, self._opened(entry, vectors, "vectors"))
            for entry, (created_us, vectors) in zip(entries, read, strict=True)
            if created_us is not None
        ]
        self._swept(entries, found)
        return found

    def encode(self, op: PutOp, index: SemanticIndex | None, meanings: Meanings) -> Write:
        """Return what a put writes.

        Raises:
            NotSerializable, StateTooLarge: its value cannot be stored.
        """
        ttl_ms = None if op.ttl is None else round(op.ttl * _MS_PER_MINUTE)
        where = f"Item {op.key!r} in {op.namespace!r}"
        entry = to_entry(op.namespace, op.key)
        if op.value is None:
            return Write(entry, None, ttl_ms)
        value = self._sealed(entry, self._serde.dumps(op.value, where), "value")
        vectors = index.vectors(op, meanings) if index else b""
        dims = index.dims if index and not self._sealing.key_id else None
        return Write(entry, value, ttl_ms, vectors and self._sealed(entry, vectors, "vectors"), dims)

    def _swept(self, entries: Sequence[bytes], found: Sequence[object]) -> None:
        if len(found) < len(entries):
            self.sweep()

    def _read(self, entries: Sequence[bytes], fields: Sequence[str]) -> list[list[bytes | None]]:
        pipeline = self._redis.pipeline(transaction=False)
        for entry in entries:
            pipeline.hmget(self._scripts.item(entry), fields)
        return list(pipeline.execute())

    def _decode(self, entry: bytes, fields: Sequence[bytes | None]) -> Record | None:
        value, created_us, updated_us, ttl_ms = fields[: len(_FIELDS)]
        if value is None or created_us is None or updated_us is None:  # expired, or deleted meanwhile
            return None
        namespace, key = from_entry(entry)
        item = Item(
            value=self._serde.loads(self._opened(entry, value, "value")),
            key=key,
            namespace=namespace,
            created_at=_moment(created_us),
            updated_at=_moment(updated_us),
        )
        return Record(entry, item, expires=bool(ttl_ms))

    def _sealed(self, entry: bytes, data: bytes, field: str) -> bytes:
        return self._sealing.seal(data, self._scripts.item(entry), field)

    def _opened(self, entry: bytes, data: bytes | None, field: str) -> bytes:
        return self._sealing.open(data, self._scripts.item(entry), field) if data else b""


def _moment(microseconds: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))
