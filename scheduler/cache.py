"""The cache in Redis: entries that threads and workers share until they expire or are cleared."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import redis

from graphs.cache import BaseCache, FullKey, Namespace

from .bytes_redis import available
from .connection import Connection
from .keys import Keys
from .scripts import Scripts
from .sealing import PLAIN, Sealing, configured
from .serde import Serde

#: How many entries one round trip clears at most.
PAGE = 500


class RedisCache(BaseCache):
    """A cache in one Redis, which any number of threads and processes may share.

    The keys of a namespace lie in one Redis Cluster slot. Expiry is Redis's own. Every method raises StoreUnavailable
    when Redis does not answer, is full, or only reads.

    Args:
        client: a client that returns bytes.
        serde: encodes the values; None: plain data alone can be kept.
        sealing: seals the values; None: as the environment says.
        prefix: what all its keys begin with.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        serde: Serde | None = None,
        sealing: Sealing | None = None,
        prefix: str = "treadle",
    ) -> None:
        self._redis = client
        self._serde = Serde() if serde is None else serde
        self._sealing = configured() if sealing is None else sealing
        self._keys = Keys(prefix)
        self._scripts = Scripts(client)

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """Return the values that are there, and have not expired, by their keys."""
        with available("read the cache"):
            pipeline = self._redis.pipeline(transaction=False)
            for namespace, key in keys:
                pipeline.get(self._keys.cache_item(namespace, key))
            found = pipeline.execute()
        kept = {key: value for key, value in zip(keys, found, strict=True) if value is not None}
        opened = {key: self._sealing.open(value, self._keys.cache_item(*key)) for key, value in kept.items()}
        return {key: self._serde.loads(value) for key, value in opened.items()}

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """Return what `get` does, in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.get, keys)

    def set(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Keep values, each with the seconds after which it expires; None: never.

        Raises:
            NotSerializable, StateTooLarge: a value cannot be stored, so none is.
        """
        values = {key: self._serde.dumps(value, f"Cache entry {key!r}") for key, (value, _) in pairs.items()}
        with available("write to the cache"):
            for (namespace, key), (_, ttl_s) in pairs.items():
                # first, so that nothing is kept in a namespace that clearing does not find
                self._redis.sadd(self._keys.cache_namespaces(), self._serde.dumps(list(namespace)))
                self._scripts.cache_put(
                    self._keys.cache_item(namespace, key),
                    self._keys.cache_index(namespace),
                    entry=key,
                    value=self._sealing.seal(values[namespace, key], self._keys.cache_item(namespace, key)),
                    ttl_ms="" if ttl_s is None else round(ttl_s * 1000),
                )

    async def aset(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Keep values as `set` does, in a thread, so that the event loop goes on."""
        await asyncio.to_thread(self.set, pairs)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget the values of these namespaces; None: of all."""
        with available("clear the cache"):
            for namespace in self._namespaces() if namespaces is None else namespaces:
                while self._clear_page(namespace):
                    pass

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget as `clear` does, in a thread, so that the event loop goes on."""
        await asyncio.to_thread(self.clear, namespaces)

    def _namespaces(self) -> list[Namespace]:
        stored = cast(set[bytes], self._redis.smembers(self._keys.cache_namespaces()))
        return [tuple(self._serde.loads(namespace)) for namespace in stored]

    def _clear_page(self, namespace: Namespace) -> bool:
        index = self._keys.cache_index(namespace)
        entries = cast(list[bytes], self._redis.zrange(index, 0, PAGE - 1))
        if entries:
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.unlink(*(self._keys.cache_item(namespace, entry.decode()) for entry in entries))
            pipeline.zrem(index, *entries)
            pipeline.execute()
        return bool(entries)


class InMemoryCache(RedisCache):
    """The same cache in the memory of this process, on a fakeredis of its own: for tests and notebooks."""

    def __init__(self, *, serde: Serde | None = None) -> None:
        # Importing fakeredis takes 0.16 s, which nobody should pay who only works with a real Redis.
        from .fake import fake_redis, fake_server

        super().__init__(fake_redis(fake_server()), serde=serde, sealing=PLAIN)


def default_cache(connection: Connection) -> RedisCache:
    """Return the cache of a deployment whose graphs bring none: in the Redis of its threads."""
    prefix = connection.settings.prefix
    return RedisCache(connection.client, serde=connection.serde, sealing=connection.sealing, prefix=prefix)
