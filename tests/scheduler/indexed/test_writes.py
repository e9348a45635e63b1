"""What an index finds is what comparing everything finds, whatever is written, and by whom."""

import random
from collections.abc import Callable
from typing import Any, cast

import pytest
from redis import Redis, ResponseError

from graphs.store import PutOp
from scheduler.memory import RedisStore
from scheduler.sealing import PLAIN, new_key, sealing_of
from scheduler.serde import Serde
from tests.scheduler.indexed.conftest import (
    COUNT,
    KEYS,
    OTHER,
    PAGE,
    PORTION,
    USER,
    is_as_compared,
    opened,
    vectors,
)


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


def test_what_is_sent_twice_builds_the_same_index(
    store: RedisStore, server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = store._scripts.send
    monkeypatch.setattr(store._scripts, "send", lambda *calls, **how: (send(*calls, **how), send(*calls, **how))[1])

    store.setup()

    assert vectors(server) == COUNT
    assert is_as_compared(store)


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


def test_a_search_answers_also_where_no_index_can_be_built(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_full(*_: Any) -> None:
        raise ResponseError("OOM command not allowed when used memory > 'maxmemory'.")

    monkeypatch.setattr(store._scripts, "begin_vectors", is_full)

    assert len(store.search((), query="what", refresh_ttl=False)) == 10


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


def test_a_vector_set_that_was_deleted_is_not_gone_on_with(store: RedisStore, server: Redis) -> None:
    store.search((), query="x")
    server.delete(KEYS.memory_vectors())  # half-way through
    store.setup()
    assert vectors(server) == COUNT

    server.delete(KEYS.memory_vectors())
    store.batch([PutOp(("new",), str(n), {"text": f"new {n}"}) for n in range(4 * PAGE)])

    assert server.exists(KEYS.memory_vectors(), KEYS.memory_gathered()) == 0
    assert is_as_compared(store, ())


def test_an_index_without_a_vector_is_whole_as_well(server: Redis) -> None:
    store = opened(server)
    store.batch([PutOp(USER, str(n), {"n": n}) for n in range(2 * PAGE)])
    store.setup()
    build = server.hget(KEYS.memory_gathered(), "build")

    assert is_as_compared(store, USER)
    assert server.hgetall(KEYS.memory_gathered()).keys() == {b"dims", b"build"}
    assert server.hget(KEYS.memory_gathered(), "build") == build


def test_what_is_written_at_random_is_found_as_comparing_finds_it(indexed: RedisStore, server: Redis) -> None:
    chance = random.Random(4)
    for _ in range(40):
        place, key = chance.choice((USER, OTHER, ("x",))), f"{chance.randrange(COUNT // 2):03}"
        value = chance.choice((None, {"text": f"t{chance.random()}"}, {"text": "a", "more": ["b", "c"]}, {"n": 1}))
        indexed.batch([PutOp(place, key, value, chance.choice((None, False)))])

        assert is_as_compared(indexed, chance.choice(((), ("users",), USER)), query=str(chance.random()))

    assert vectors(server) > COUNT // 2
