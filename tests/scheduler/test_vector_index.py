"""The index of a server with vector sets: what it finds is what comparing everything finds, whatever is written.

On fakeredis with its extra ``vectorset``, and with ``--redis=real`` on a Redis 8; TREADLE_TEST_REDIS names its program.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from redis import Redis, ResponseError

from graphs.store import PutOp
from scheduler import nearest, vector_index
from scheduler.keys import Keys
from scheduler.memory import InMemoryStore, RedisStore
from scheduler.nearest import Nearest
from scheduler.sealing import PLAIN, new_key, sealing_of
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


def test_searches_among_many_items_build_an_index_and_then_use_it(
    store: RedisStore, server: Redis, offers: list[bool]
) -> None:
    held = []
    for _ in range(5):
        assert is_as_compared(store)
        held.append(vectors(server))

    assert held == [120, 240, 360, 400, 400]
    assert offers == [True]


def test_a_search_among_few_items_begins_none(store: RedisStore, server: Redis) -> None:
    for number in range(PAGE):
        store.put(("few",), str(number), {"text": str(number)})

    assert is_as_compared(store, ("few",))
    assert server.exists(KEYS.memory_vectors(), KEYS.memory_gathered()) == 0


@pytest.mark.parametrize(
    ("prefix", "how"),
    [
        ((), {}),
        (USER, {}),
        (("users",), {"limit": 7, "offset": 3}),
        (("users",), {"filter": {"n": {"$gte": 50}}, "limit": 2}),
        (USER, {"query": "something else", "limit": 1}),
    ],
)
def test_an_index_finds_what_comparing_finds(
    indexed: RedisStore, offers: list[bool], prefix: tuple[str, ...], how: dict[str, Any]
) -> None:
    assert is_as_compared(indexed, prefix, **how)
    assert offers == [True]


@pytest.mark.parametrize("how", ({"limit": 300}, {"filter": {"n": 17}}, {"offset": 390}, {"limit": 10_000}))
def test_where_an_index_cannot_give_enough_for_sure_everything_is_compared(
    indexed: RedisStore, offers: list[bool], how: dict[str, Any]
) -> None:
    assert is_as_compared(indexed, **how)
    assert offers == [False]


def test_items_without_vectors_come_behind_those_with(indexed: RedisStore) -> None:
    indexed.batch([PutOp(("notes",), str(n), {"n": n}, False) for n in range(30)])
    indexed.put(("notes",), "x", {"text": "one"})

    found = indexed.search(("notes",), query="one", limit=3)

    assert [(item.key, item.score is None) for item in found] == [("x", False), ("0", True), ("1", True)]


def test_of_several_vectors_of_an_item_the_nearest_counts_and_all_go(indexed: RedisStore, server: Redis) -> None:
    indexed.put(USER, "many", {"text": "a", "more": ["b", "what", "c"]})
    assert vectors(server) == COUNT + 4
    assert indexed.search((), query="what", limit=1)[0].key == "many"
    assert is_as_compared(indexed, ())

    indexed.delete(USER, "many")

    assert vectors(server) == COUNT
    assert is_as_compared(indexed, ())


@pytest.mark.parametrize("asked", (False, True))
def test_an_expired_item_leaves_no_vector(indexed: RedisStore, server: Redis, asked: bool) -> None:
    indexed.put(USER, "gone", {"text": "what"}, ttl=10)
    server.delete(KEYS.memory_item(USER, "gone"))  # as Redis does with what has expired
    expiring: Any = server.zrange(KEYS.memory_expiry(), 0, -1)
    server.zadd(KEYS.memory_expiry(), dict.fromkeys(expiring, 1))

    if asked:
        assert is_as_compared(indexed)
    else:
        indexed.put(USER, "another", {"n": 1})

    assert vectors(server) == COUNT


def test_a_search_meets_what_was_changed_while_the_index_was_built(store: RedisStore) -> None:
    store.search((), query="x")
    store.put(USER, "001", {"text": "what"})
    store.put(OTHER, "398", {"text": "what"})
    store.put(USER, "003", {"text": "gone"}, index=False)
    store.delete(OTHER, "100")
    store.setup()

    assert [item.key for item in store.search((), query="what", limit=2)] == ["001", "398"]
    assert is_as_compared(store, ())


def _sealed(redis: Redis) -> RedisStore:
    return opened(redis, sealing_of(f"k:{new_key()}"))


def _of_other_dimensions(redis: Redis) -> RedisStore:
    return opened(redis, dims=3, embed=lambda texts: [[1, 2, 3] for _ in texts])


@pytest.mark.parametrize("other", (_sealed, _of_other_dimensions))
def test_a_writer_that_cannot_keep_the_index_gives_it_up(
    indexed: RedisStore, server: Redis, other: Callable[[Redis], RedisStore]
) -> None:
    other(server).put(("else",), "x", {"text": "x"})

    assert server.exists(KEYS.memory_vectors(), KEYS.memory_gathered()) == 0
    assert is_as_compared(indexed)


def test_sealed_values_have_no_index(server: Redis) -> None:
    store = _sealed(server)
    store.batch([PutOp(USER, str(n), {"text": str(n)}) for n in range(3 * PAGE)])

    store.setup()

    assert store.search(USER, query="7", limit=1)[0].key == "7"
    assert server.exists(KEYS.memory_vectors(), KEYS.memory_gathered()) == 0


def test_one_who_finds_sealed_items_builds_no_index_without_them(server: Redis, store: RedisStore) -> None:
    _sealed(server).put(("zzz",), "x", {"text": "x"})

    store.setup()

    assert server.exists(KEYS.memory_vectors(), KEYS.memory_gathered()) == 0
    assert is_as_compared(store)


def test_a_store_without_an_embedder_keeps_the_index_of_others(indexed: RedisStore, server: Redis) -> None:
    plain = RedisStore(server, KEYS, Serde(), PLAIN)
    plain.put(USER, "001", {"text": "what"})
    plain.delete(USER, "003")

    assert vectors(server) == COUNT - 2
    assert is_as_compared(indexed)


def test_another_embedder_begins_an_index_of_its_own(indexed: RedisStore, server: Redis) -> None:
    other = _of_other_dimensions(server)
    other.batch([PutOp(("b",), str(n), {"text": "x"}) for n in range(30)])

    other.setup()

    assert vectors(server) == 30
    assert cast(Any, server.hget(KEYS.memory_gathered(), "dims")) == b"3"
    assert is_as_compared(indexed)


def test_a_lost_vector_set_is_noticed_and_built_anew(indexed: RedisStore, server: Redis, offers: list[bool]) -> None:
    server.delete(KEYS.memory_vectors())

    assert is_as_compared(indexed)
    assert (offers, vectors(server)) == ([], PORTION)


def test_an_index_that_changes_under_a_search_is_not_believed(
    indexed: RedisStore, server: Redis, monkeypatch: pytest.MonkeyPatch, offers: list[bool]
) -> None:
    look = vector_index.VectorIndex.look

    def slow(self: vector_index.VectorIndex, prefix: tuple[str, ...]) -> vector_index.Standing:
        found = look(self, prefix)
        server.hset(KEYS.memory_gathered(), "build", "another")
        return found

    monkeypatch.setattr(vector_index.VectorIndex, "look", slow)

    assert is_as_compared(indexed)
    assert offers == [False]


def test_equals_come_in_the_order_of_their_entries(indexed: RedisStore) -> None:
    indexed.batch([PutOp(("same",), f"{n:02}", {"text": "same"}) for n in range(70)])

    found = indexed.search(("same",), query="same", limit=5, offset=5)

    assert [item.key for item in found] == ["05", "06", "07", "08", "09"]


def test_what_is_written_at_random_is_found_as_comparing_finds_it(indexed: RedisStore, server: Redis) -> None:
    chance = random.Random(4)
    for _ in range(40):
        place, key = chance.choice((USER, OTHER, ("x",))), f"{chance.randrange(COUNT // 2):03}"
        value = chance.choice((None, {"text": f"t{chance.random()}"}, {"text": "a", "more": ["b", "c"]}, {"n": 1}))
        indexed.batch([PutOp(place, key, value, chance.choice((None, False)))])

        assert is_as_compared(indexed, chance.choice(((), ("users",), USER)), query=str(chance.random()))

    assert vectors(server) > COUNT // 2


def test_a_store_of_one_process_has_no_index_to_build() -> None:
    store = InMemoryStore(index={"dims": DIMS, "embed": embed})

    assert store._nearest is not None
    assert store._nearest._index is None
