"""What an index finds is what comparing everything finds."""

from typing import Any

import pytest
from redis import Redis

from graphs.store import PutOp
from scheduler import vector_index
from scheduler.memory import InMemoryStore, RedisStore
from tests.scheduler.indexed.conftest import DIMS, KEYS, PAGE, USER, embed, is_as_compared, vectors


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


def test_a_store_of_one_process_has_no_index_to_build() -> None:
    store = InMemoryStore(index={"dims": DIMS, "embed": embed})

    assert store._nearest is not None
    assert store._nearest._index is None
