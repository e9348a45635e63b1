"""The long-term memory in Redis: items that threads and workers share, found by namespace, key and filter."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

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
    TTLConfig,
)
from graphs.store_ttl import checked_ttl

from .bytes_redis import available
from .calling import Call
from .errors import InvalidSettings
from .keys import Keys
from .meanings import NOTHING, Meanings, SemanticIndex
from .memory_items import SWEEP, MemoryItems, Record, Write
from .memory_scripts import MemoryScripts
from .namespaces import Span, below, from_entry, select, span_of, to_entry
from .nearest import Nearest
from .patience import Patience
from .redis_at import redis_at
from .sealing import PLAIN, Sealing, configured
from .serde import Serde
from .vector_index import VectorIndex

#: How many entries or namespaces one round trip reads at most.
PAGE = 200


class RedisStore(BaseStore):
    """The long-term memory in one Redis, which any number of threads and processes may share.

    All its keys lie in one Redis Cluster slot. Expiry is Redis's own: nothing finds an expired item. With an index,
    items are embedded when they are put, and a query finds the nearest of them. Up to two thousand items below the
    prefix are all compared; of more, a server with vector sets (Redis 8) finds nearly all of the nearest, unless the
    values are sealed.

    Args:
        client: a client that returns bytes.
        keys: the names of its keys.
        serde: encodes the values.
        sealing: seals them; None: as the environment says.
        index: what is embedded, and how: ``{"dims": 3, "embed": function, "fields": ["text"]}``; None: nothing is, and
            a query ranks nothing.
        ttl: how long items live where calls do not say it: ``{"default_ttl": 60, "refresh_on_read": True}`` (minutes).
    """

    supports_ttl = True

    #: Whether the server's index is used, where it has one.
    _may_index = True

    def __init__(  # noqa: PLR0913 - what it stands on, and what is said of its items
        self,
        client: redis.Redis,
        keys: Keys,
        serde: Serde,
        sealing: Sealing | None = None,
        *,
        index: Mapping[str, Any] | None = None,
        ttl: TTLConfig | None = None,
    ) -> None:
        self.ttl_config = checked_ttl(ttl)
        self._swept = time.monotonic()
        self._redis = client
        self._keys = keys
        self._scripts = MemoryScripts(client, keys)
        sealed = configured() if sealing is None else sealing
        self._items = MemoryItems(client, self._scripts, keys, serde, sealed)
        self._index = None if index is None else SemanticIndex(index)
        self._nearest: Nearest | None = None
        if self._index is not None:
            # An index would hold sealed vectors in the clear.
            has_index = self._may_index and not sealed.key_id
            found = VectorIndex(client, self._scripts, keys, self._index.dims) if has_index else None
            self._nearest = Nearest(self._items, self._index.dims, found)

    @classmethod
    def from_conn_string(
        cls,
        url: str | None = None,
        *,
        index: Mapping[str, Any] | None = None,
        ttl: TTLConfig | None = None,
        types: Iterable[type] = (),
    ) -> "RedisStore":
        """Return the memory in the Redis at a URL; it connects with its first use.

        Args:
            url: as of RedisSaver; None: TREADLE_REDIS_URL.
            index: what is embedded, and how.
            ttl: how long items live where calls do not say it.
            types: the classes that values may hold, beside plain data.

        Raises:
            InvalidSettings: there is no URL, or it is none of a Redis.
        """
        # pydantic is imported by those who connect, as everywhere.
        from .settings import Settings

        settings = Settings() if url is None else Settings(redis_url=url)
        if settings.redis_url is None:
            raise InvalidSettings("There is no Redis for the store: pass its URL, or set TREADLE_REDIS_URL.")
        serde = Serde(limit_bytes=settings.max_value_bytes)
        serde.allow(types)
        client = redis_at(settings.redis_url, Patience(settings.store_patience_s))
        return cls(client, Keys(settings.prefix), serde, settings.sealing(), index=index, ttl=ttl)

    def __enter__(self) -> "RedisStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._redis.close()

    def setup(self) -> None:
        """Have the server index the vectors of all items now, where it can; else searches do so bit by bit.

        It takes a millisecond or two for each item, and keeps nobody else waiting.
        """
        with available("index the long-term memory"):
            if self._nearest is not None:
                self._nearest.gather()

    @property
    def index_config(self) -> dict[str, Any] | None:
        """What is embedded, and how; None: nothing is."""
        return self._index.config if self._index else None

    def sweep_ttl(self) -> int:
        """Clear away what is left of expired items, which nothing finds any more, and return of how many.

        Writes do that as well, and searches that meet them; it matters where there are neither for long.
        """
        with available("clear the long-term memory"):
            return sum(iter(self._items.sweep, 0))

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run the ops and return one result for each, in their order.

        Reads see the store as it was before the batch; the writes apply all at once.

        Raises:
            NotSerializable, StateTooLarge: a value cannot be stored, so nothing of the batch was written.
            InvalidEmbedding: a text cannot be embedded, so nothing was written either.
            StoreUnavailable: Redis does not answer, is full, or only reads.
        """
        listed = list(ops)
        return self._run(listed, self._index.of(listed) if self._index else NOTHING)

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Run the ops as `batch` does: embedders are awaited, and Redis is asked in a thread, so the loop goes on."""
        listed = list(ops)
        return await asyncio.to_thread(self._run, listed, await self._index.aof(listed) if self._index else NOTHING)

    def _run(self, ops: Sequence[Op], meanings: Meanings) -> list[Result]:
        writes = [self._items.encode(op, self._index, meanings) for op in ops if isinstance(op, PutOp)]
        with available("answer for the long-term memory"):
            self._sweep_at_times()
            found = iter(self._get([op for op in ops if isinstance(op, GetOp)]))
            results = [self._answer(op, found, meanings) for op in ops]
            self._apply(writes)
        return results

    def _answer(self, op: Op, found: Iterator[Item | None], meanings: Meanings) -> Result:
        match op:
            case GetOp():
                return next(found)
            case SearchOp():
                return self._search(op, meanings.queries.get(op.query or ""))
            case ListNamespacesOp():
                return self._list_namespaces(op)
            case PutOp():
                return None
        raise TypeError(f"The store cannot run {shown(op)}: pass GetOp, PutOp, SearchOp or ListNamespacesOp.")

    def _get(self, ops: Sequence[GetOp]) -> list[Item | None]:
        records = self._items.fetch([to_entry(op.namespace, op.key) for op in ops])
        self._refresh(record for op, record in zip(ops, records, strict=True) if record and op.refresh_ttl)
        return [record.item if record else None for record in records]

    def _search(self, op: SearchOp, query: bytes | None) -> list[SearchItem]:
        if not op.limit:
            return []
        matching = self._matching(op) if query is None or self._nearest is None else self._nearest.search(op, query)
        found = list(islice(matching, op.offset, op.offset + op.limit))
        if op.refresh_ttl:
            self._refresh(found)
        return [_found(record) for record in found]

    def _matching(self, op: SearchOp) -> Iterator[Record]:
        page = PAGE if op.filter else min(op.offset + op.limit, PAGE)  # without a filter, every item read is wanted
        for entries in self._items.pages(below(op.namespace_prefix), page):
            records = self._items.fetch(entries)
            if None in records:
                self._items.sweep()
            yield from (record for record in records if record and op.accepts(record.item.value))

    def _list_namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        self.sweep_ttl()
        return select(self._namespaces(span_of(op)), op)

    def _namespaces(self, span: Span) -> Iterator[Namespace]:
        while tokens := self._scripts.namespaces(span, PAGE):
            yield from (from_entry(token)[0] for token in tokens)
            span = span.after_namespace(tokens[-1])

    def _refresh(self, records: Iterable[Record]) -> None:
        self._scripts.send(*(self._scripts.refresh(record.entry) for record in records if record.expires))

    def _sweep_at_times(self) -> None:
        minutes, now = (self.ttl_config or {}).get("sweep_interval_minutes"), time.monotonic()
        if minutes and now - self._swept >= minutes * 60 and self._items.sweep() < SWEEP:
            self._swept = now

    def _apply(self, writes: Sequence[Write]) -> None:
        if writes:
            sweep = self._scripts.sweep(SWEEP)  # so that expired entries cannot pile up
            self._scripts.send(*map(self._call, writes), sweep, together=True)

    def _call(self, write: Write) -> Call:
        if write.value is None:
            return self._scripts.delete(write.entry)
        return self._scripts.put(write.entry, write.value, write.ttl_ms, write.vectors, write.dims)


class InMemoryStore(RedisStore):
    """The same store in the memory of this process, on a fakeredis of its own: for tests and notebooks."""

    _may_index = False  # those of fakeredis compare everything as well, and take longer

    def __init__(self, *, index: Mapping[str, Any] | None = None, ttl: TTLConfig | None = None) -> None:
        # Importing fakeredis takes 0.16 s, which nobody should pay who only works with a real Redis.
        from .fake import fake_redis, fake_server
        from .settings import Settings

        serde = Serde(limit_bytes=Settings().max_value_bytes)
        super().__init__(fake_redis(fake_server()), Keys(), serde, PLAIN, index=index, ttl=ttl)


def _found(record: Record) -> SearchItem:
    item = record.item
    return SearchItem(
        value=item.value,
        key=item.key,
        namespace=item.namespace,
        created_at=item.created_at,
        updated_at=item.updated_at,
        score=record.score,
    )
