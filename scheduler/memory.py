"""The long-term memory in Redis: items that threads and workers share, found by namespace, key and filter."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import cast

import redis

from graphs.checks import shown
from graphs.store import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    Namespace,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from .bytes_redis import available
from .calling import Call
from .keys import Keys
from .memory_scripts import MemoryScripts
from .namespaces import Span, below, from_entry, select, span_of, to_entry
from .sealing import PLAIN, Sealing, configured
from .serde import Serde

#: How many entries or namespaces one round trip reads at most.
PAGE = 200
#: How many expired entries one script forgets at most; every write forgets up to so many.
SWEEP = 200

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS_PER_MINUTE = 60_000
_FIELDS = ("value", "created_us", "updated_us", "ttl_ms")


@dataclass(frozen=True, slots=True)
class _Record:
    """An item as it was read."""

    entry: bytes
    item: Item
    expires: bool


@dataclass(frozen=True, slots=True)
class _Write:
    """A put with its value encoded, so that nothing is left that can fail half-way through a batch."""

    entry: bytes
    value: bytes | None
    ttl_ms: int | None


class RedisStore(BaseStore):
    """The long-term memory in one Redis, which any number of threads and processes may share.

    All its keys lie in one Redis Cluster slot. Expiry is Redis's own: nothing finds an expired item.
    """

    def __init__(self, client: redis.Redis, keys: Keys, serde: Serde, sealing: Sealing | None = None) -> None:
        self._redis = client
        self._keys = keys
        self._serde = serde
        self._sealing = configured() if sealing is None else sealing
        self._scripts = MemoryScripts(client, keys)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run the ops and return one result for each, in their order.

        Reads see the store as it was before the batch; the writes apply all at once.

        Raises:
            NotSerializable, StateTooLarge: a value cannot be stored, so nothing of the batch was written.
            StoreUnavailable: Redis does not answer, is full, or only reads.
        """
        listed = list(ops)
        writes = [self._encode(op) for op in listed if isinstance(op, PutOp)]
        with available("answer for the long-term memory"):
            found = iter(self._get([op for op in listed if isinstance(op, GetOp)]))
            results = [self._answer(op, found) for op in listed]
            self._apply(writes)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Run the ops as `batch` does, in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.batch, list(ops))

    def _answer(self, op: Op, found: Iterator[Item | None]) -> Result:
        match op:
            case GetOp():
                return next(found)
            case SearchOp():
                return self._search(op)
            case ListNamespacesOp():
                return self._list_namespaces(op)
            case PutOp():
                return None
        raise TypeError(f"The store cannot run {shown(op)}: pass GetOp, PutOp, SearchOp or ListNamespacesOp.")

    def _get(self, ops: Sequence[GetOp]) -> list[Item | None]:
        records = self._fetch([to_entry(op.namespace, op.key) for op in ops])
        self._refresh(record for op, record in zip(ops, records, strict=True) if record and op.refresh_ttl)
        return [record.item if record else None for record in records]

    def _search(self, op: SearchOp) -> list[SearchItem]:
        found = list(islice(self._matching(op), op.offset, op.offset + op.limit))
        if op.refresh_ttl:
            self._refresh(found)
        return [_unranked(record.item) for record in found]

    def _matching(self, op: SearchOp) -> Iterator[_Record]:
        page = PAGE if op.filter else min(op.offset + op.limit, PAGE)  # without a filter, every item read is wanted
        for entries in self._entries(below(op.namespace_prefix), page):
            records = self._fetch(entries)
            if None in records:
                self._sweep()
            yield from (record for record in records if record and op.accepts(record.item.value))

    def _list_namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        while self._sweep() == SWEEP:
            pass
        return select(self._namespaces(span_of(op)), op)

    def _entries(self, span: Span, page: int) -> Iterator[list[bytes]]:
        while True:
            reply = self._redis.zrangebylex(self._keys.memory_index(), span.first, span.last, 0, page)
            entries = cast(list[bytes], reply)
            yield entries
            if len(entries) < page:
                return
            span = span.after(entries[-1])

    def _namespaces(self, span: Span) -> Iterator[Namespace]:
        while tokens := self._scripts.namespaces(span, PAGE):
            yield from (from_entry(token)[0] for token in tokens)
            span = span.after_namespace(tokens[-1])

    def _fetch(self, entries: Sequence[bytes]) -> list[_Record | None]:
        pipeline = self._redis.pipeline(transaction=False)
        for entry in entries:
            pipeline.hmget(self._scripts.item(entry), _FIELDS)
        return [self._decode(entry, fields) for entry, fields in zip(entries, pipeline.execute(), strict=True)]

    def _refresh(self, records: Iterable[_Record]) -> None:
        self._scripts.send(*(self._scripts.refresh(record.entry) for record in records if record.expires))

    def _sweep(self) -> int:
        (forgotten,) = self._scripts.send(self._scripts.sweep(SWEEP))
        return int(forgotten)

    def _apply(self, writes: Sequence[_Write]) -> None:
        if writes:
            sweep = self._scripts.sweep(SWEEP)  # so that expired entries cannot pile up
            self._scripts.send(*map(self._call, writes), sweep, together=True)

    def _call(self, write: _Write) -> Call:
        if write.value is None:
            return self._scripts.delete(write.entry)
        return self._scripts.put(write.entry, write.value, write.ttl_ms)

    def _encode(self, op: PutOp) -> _Write:
        ttl_ms = None if op.ttl is None else round(op.ttl * _MS_PER_MINUTE)
        where = f"Item {op.key!r} in {op.namespace!r}"
        entry = to_entry(op.namespace, op.key)
        value = None if op.value is None else self._serde.dumps(op.value, where)
        sealed = value and self._sealing.seal(value, self._scripts.item(entry), "value")
        return _Write(entry, sealed, ttl_ms)

    def _decode(self, entry: bytes, fields: Sequence[bytes | None]) -> _Record | None:
        value, created_us, updated_us, ttl_ms = fields
        if value is None or created_us is None or updated_us is None:  # expired, or deleted meanwhile
            return None
        namespace, key = from_entry(entry)
        item = Item(
            value=self._serde.loads(self._sealing.open(value, self._scripts.item(entry), "value")),
            key=key,
            namespace=namespace,
            created_at=_moment(created_us),
            updated_at=_moment(updated_us),
        )
        return _Record(entry, item, expires=bool(ttl_ms))


class InMemoryStore(RedisStore):
    """The same store in the memory of this process, on a fakeredis of its own: for tests and notebooks."""

    def __init__(self, *, index: object = None) -> None:
        if index is not None:
            raise NotImplementedError("This store has no embeddings: pass index=None, and search by filter.")
        # Importing fakeredis takes 0.16 s, which nobody should pay who only works with a real Redis.
        from .fake import fake_redis, fake_server
        from .settings import Settings

        serde = Serde(limit_bytes=Settings().max_value_bytes)
        super().__init__(fake_redis(fake_server()), Keys(), serde, PLAIN)


def _moment(microseconds: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))


def _unranked(item: Item) -> SearchItem:
    return SearchItem(
        value=item.value,
        key=item.key,
        namespace=item.namespace,
        created_at=item.created_at,
        updated_at=item.updated_at,
    )
