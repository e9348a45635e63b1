"""The cache in Redis: entries that threads and workers share until they expire or are cleared."""

import asyncio
from collections.abc import Mapping, Sequence, Set
from typing import Any, cast

import redis

from graphs.cache import BaseCache, FullKey, Namespace
from graphs.checks import LONGEST_S, is_number, shown, text

from .bytes_redis import available
from .connection import Connection
from .keys import Keys
from .scripts import Scripts
from .sealing import PLAIN, Sealing, configured
from .serde import Serde

#: How many entries one round trip clears at most.
PAGE = 500
_PAIR = 2


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
        keys = [_checked(key) for key in _listed(keys, "The keys to get from the cache are")]
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
            TypeError, ValueError: a namespace, key or time to live does not fit.
        """
        values, ttls = {}, {}
        for place, (value, ttl_s) in _pairs(pairs).items():
            values[place] = self._serde.dumps(value, f"Cache entry {shown(place)}")
            ttls[place] = _ttl_ms(ttl_s)
        with available("write to the cache"):
            for (namespace, key), ttl_ms in ttls.items():
                # first, so that nothing is kept in a namespace that clearing does not find
                self._redis.sadd(self._keys.cache_namespaces(), self._serde.dumps(list(namespace)))
                self._scripts.cache_put(
                    self._keys.cache_item(namespace, key),
                    self._keys.cache_index(namespace),
                    entry=key,
                    value=self._sealing.seal(values[namespace, key], self._keys.cache_item(namespace, key)),
                    ttl_ms=ttl_ms,
                )

    async def aset(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Keep values as `set` does, in a thread, so that the event loop goes on."""
        await asyncio.to_thread(self.set, pairs)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget the values of these namespaces; None: of all.

        Raises:
            TypeError, ValueError: one of them is no namespace.
        """
        if namespaces is not None:
            namespaces = [_namespace(one) for one in _listed(namespaces, "The namespaces of the cache to clear are")]
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


def _listed(given: Any, what: str) -> Sequence[Any]:
    if not isinstance(given, list | tuple | Set):
        raise TypeError(f"{what} a list, got {shown(given)}.")
    return [*given]


def _pairs(given: Any) -> dict[FullKey, tuple[Any, int | None]]:
    """Return what is to be kept, all of it checked before anything is."""
    if not isinstance(given, Mapping):
        raise TypeError(f"The cache keeps a dict of (namespace, key) -> (value, ttl), got {shown(given)}.")
    if odd := [pair for pair in given.values() if not isinstance(pair, list | tuple) or len(pair) != _PAIR]:
        raise TypeError(f"The cache keeps a value with its time to live in seconds, (value, ttl), got {shown(odd[0])}.")
    return {_checked(key): (value, ttl) for key, (value, ttl) in given.items()}


def _checked(full: Any) -> FullKey:
    if not isinstance(full, tuple) or len(full) != _PAIR:
        raise TypeError(f"A key of the cache is (namespace, key), as in (('graph', 'node'), 'key'), got {shown(full)}.")
    return _namespace(full[0]), text(full[1], "The key of a cache entry", TypeError)


def _namespace(labels: Any) -> Namespace:
    if not isinstance(labels, list | tuple):
        raise TypeError(f"A namespace of the cache is a tuple of labels, got {shown(labels)}.")
    return tuple(text(label, "A label of a cache's namespace", TypeError) for label in labels)


def _ttl_ms(ttl_s: Any) -> int | str:
    if ttl_s is None:
        return ""
    if not is_number(ttl_s) or not 0 <= ttl_s <= LONGEST_S:
        raise ValueError(f"The time to live of a cache entry is a number of seconds from 0 on, got {shown(ttl_s)}.")
    milliseconds: int = round(ttl_s * 1000)
    return milliseconds


class InMemoryCache(RedisCache):
    """The same cache in the memory of this process, on a fakeredis of its own: for tests and notebooks."""

    def __init__(self, *, serde: Serde | None = None) -> None:
        # Importing fakeredis takes 0.16 s, which nobody should pay who only works with a real Redis.
        from .fake import fake_redis, fake_server
        from .settings import Settings

        serde = Serde(limit_bytes=Settings().max_value_bytes) if serde is None else serde
        super().__init__(fake_redis(fake_server()), serde=serde, sealing=PLAIN)


def default_cache(connection: Connection) -> RedisCache:
    """Return the cache of a deployment whose graphs bring none: in the Redis of its threads."""
    prefix = connection.settings.prefix
    return RedisCache(connection.client, serde=connection.serde, sealing=connection.sealing, prefix=prefix)
