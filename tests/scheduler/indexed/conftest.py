"""A memory with more items than are compared one by one, on a server that has vector sets.

On fakeredis with its extra ``vectorset``, and with ``--redis=real`` on a Redis 8; TREADLE_TEST_REDIS names its program.
"""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from redis import Redis, ResponseError

from graphs.store import PutOp
from scheduler import nearest
from scheduler.keys import Keys
from scheduler.memory import RedisStore
from scheduler.nearest import Nearest
from scheduler.sealing import PLAIN
from scheduler.serde import Serde

KEYS = Keys("test")
USER, OTHER = ("users", "u1"), ("users", "u2")
DIMS = 8
#: How many items are compared at once here, and how many are put into the index for one search.
PAGE, PORTION = 20, 120
#: How many items there are.
COUNT = 400


def meant(text: str) -> list[float]:
    chance = random.Random(text)
    return [chance.gauss(0, 1) for _ in range(DIMS)]


def embed(texts: Sequence[str]) -> list[list[float]]:
    return [meant(text) for text in texts]


@pytest.fixture
def server(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Redis:
    """A server with vector sets."""
    try:
        vectors(redis)
    except ResponseError as error:
        pytest.skip(f"This server has no vector sets (Redis 8, or fakeredis[vectorset], has): {error}")
    monkeypatch.setattr(nearest, "_PAGE", PAGE)
    monkeypatch.setattr(nearest, "_LEAST_GATHERED", PORTION)
    return redis


def vectors(redis: Redis) -> int:
    ask: Any = redis.execute_command
    return int(ask("VCARD", KEYS.memory_vectors()))


def opened(redis: Redis, sealing: Any = PLAIN, **index: Any) -> RedisStore:
    return RedisStore(
        redis, KEYS, Serde(), sealing, index={"dims": DIMS, "embed": embed, "fields": ["text", "more[*]"], **index}
    )


@pytest.fixture
def store(server: Redis) -> RedisStore:
    """A store with items in two namespaces, none of which is in an index."""
    made = opened(server)
    made.batch([PutOp(USER if n % 2 else OTHER, f"{n:03}", {"text": f"t{n}", "n": n}) for n in range(COUNT)])
    return made


@pytest.fixture
def indexed(store: RedisStore) -> RedisStore:
    store.setup()
    return store


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the index had what each search wanted."""
    told: list[bool] = []
    offered = Nearest._offered

    def noted(self: Nearest, *args: Any) -> Any:
        found = offered(self, *args)
        told.append(found is not None)
        return found

    monkeypatch.setattr(Nearest, "_offered", noted)
    return told


def compared(store: RedisStore) -> RedisStore:
    """Return the store as it is on a server without vector sets."""
    made = opened(store._redis)
    made._nearest = Nearest(made._items, DIMS, None)
    return made


def is_as_compared(store: RedisStore, prefix: tuple[str, ...] = ("users",), **how: Any) -> bool:
    how = {"query": "what", "limit": 5, **how}
    assert store.search(prefix, **how) == compared(store).search(prefix, **how)
    return True
