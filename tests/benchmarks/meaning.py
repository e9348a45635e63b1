"""A search by meaning: all vectors compared, and with the index of a server that has vector sets (Redis 8)."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

import numpy
import redis

from graphs.store import PutOp, SearchItem
from scheduler.keys import Keys
from scheduler.lean_redis import LeanRedis
from scheduler.memory import RedisStore
from scheduler.memory_items import MemoryItems
from scheduler.nearest import Nearest
from scheduler.sealing import PLAIN
from scheduler.serde import Serde

from .comparison import Comparison, Goal, Measure, Sample
from .deployment import redis_server

DIMS, FOUND = 384, 10
_QUERIES, _SUBJECTS = 5, 500
_PLACE = ("docs", "all")
_SEARCH = "ms/search"


class _Texts:
    """Texts that are numbers, and vectors for them that lie about a subject each, as those of real texts do."""

    def __init__(self, count: int) -> None:
        chance = numpy.random.default_rng(7)
        subjects = chance.normal(size=(_SUBJECTS, DIMS))
        around = subjects[chance.integers(0, _SUBJECTS, count)]
        self._vectors = around + 0.7 * chance.normal(size=(count, DIMS))

    def embed(self, texts: Sequence[str]) -> list[Any]:
        """Return a vector for each text."""
        return [self._vectors[int(text)] for text in texts]


@contextmanager
def searched(count: int, *, indexed: bool) -> Iterator[Measure]:
    """Yield what measures searches among so many items."""
    texts = _Texts(count + _QUERIES)
    with redis_server() as url, LeanRedis.from_url(url) as client:
        store = RedisStore(
            client, Keys("b"), Serde(), PLAIN, index={"dims": DIMS, "embed": texts.embed, "fields": ["text"]}
        )
        for start in range(0, count, 500):
            store.batch([PutOp(_PLACE, str(n), {"text": str(n)}) for n in range(start, min(count, start + 500))])
        before, began = _bytes(client), time.perf_counter()
        if indexed:
            store.setup()
        took, more = time.perf_counter() - began, _bytes(client) - before
        compared = _comparing(store)
        if not indexed:
            store = compared
        wanted = [_keys(_search(compared, count + query)) for query in range(_QUERIES)]

        def measure() -> Sample:
            times, right = [], 0
            for query in range(_QUERIES):
                since = time.perf_counter()
                found = _search(store, count + query)
                times.append((time.perf_counter() - since) * 1000)
                right += len(wanted[query] & _keys(found))
            told = {"of the 10 nearest": right / _QUERIES}
            kept = {"index ms/item": took * 1000 / count, "index bytes/item": more / count} if indexed else {}
            return {_SEARCH: median(times), **told, **kept}

        yield measure


def _comparing(store: RedisStore) -> RedisStore:
    """Return the store as it would be on a server without vector sets."""
    made = RedisStore(store._redis, store._keys, Serde(), PLAIN, index=store.index_config)
    items: MemoryItems = made._items
    made._nearest = Nearest(items, DIMS, None)
    return made


def _search(store: RedisStore, query: int) -> list[SearchItem]:
    return store.search(_PLACE[:1], query=str(query), limit=FOUND)


def _keys(items: Sequence[SearchItem]) -> set[str]:
    return {item.key for item in items}


def _bytes(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


def _comparison(count: int) -> Comparison:
    all_, indexed = f"{count:,} items, all compared", f"{count:,} items, indexed"
    cases = {all_: partial(searched, count, indexed=False), indexed: partial(searched, count, indexed=True)}
    return Comparison(f"meaning: a search among {count:,}", cases, [Goal(indexed, _SEARCH, 0.1, all_)])


COMPARISONS = [_comparison(10_000), _comparison(100_000)]
