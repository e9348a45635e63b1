"""The long-term memory's promises, kept on fakeredis and on a real Redis alike."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from graphs.errors import InvalidNamespaceError
from graphs.store import BaseStore, GetOp, Item, ListNamespacesOp, Namespace, PutOp, SearchItem, SearchOp
from scheduler.errors import NotSerializable, StoreUnavailable
from scheduler.excess import StateTooLarge
from scheduler.keys import Keys
from scheduler.memory import PAGE, InMemoryStore, RedisStore
from scheduler.serde import Serde

KEYS = Keys("test")
USER = ("users", "u1")


@pytest.fixture
def store(redis: Redis) -> RedisStore:
    return RedisStore(redis, KEYS, Serde())


def stored(store: BaseStore, namespace: Namespace, key: str) -> Item:
    item = store.get(namespace, key)
    assert item is not None
    return item


def found_keys(items: list[SearchItem]) -> list[str]:
    return [item.key for item in items]


def test_a_stored_item_can_be_read_with_its_place_and_times(store: RedisStore) -> None:
    store.put(USER, "taste", {"likes": ["tea", {"with": None}], "n": 1.5})

    item = stored(store, USER, "taste")

    assert (item.namespace, item.key) == (USER, "taste")
    assert item.value == {"likes": ["tea", {"with": None}], "n": 1.5}
    assert item.created_at == item.updated_at
    assert item.created_at.utcoffset() is not None
    assert type(item) is Item


def test_an_item_that_was_never_stored_is_none(store: RedisStore) -> None:
    store.put(USER, "taste", {})

    assert store.get(USER, "other") is None
    assert store.get(("users",), "taste") is None


def test_changing_a_value_that_was_read_or_stored_changes_nothing_in_the_store(store: RedisStore) -> None:
    value = {"likes": ["tea"]}
    store.put(USER, "taste", value)

    value["likes"].append("milk")
    stored(store, USER, "taste").value["likes"].append("sugar")

    assert stored(store, USER, "taste").value == {"likes": ["tea"]}


def test_the_last_writer_stays_and_the_moment_of_the_first_write_too(store: RedisStore) -> None:
    store.put(USER, "taste", {"likes": "tea", "old": True})
    first = stored(store, USER, "taste")
    store.put(USER, "taste", {"likes": "coffee"})

    second = stored(store, USER, "taste")

    assert second.value == {"likes": "coffee"}
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at


def test_a_deleted_item_is_gone_from_everything_and_begins_anew(store: RedisStore, redis: Redis) -> None:
    store.put(USER, "taste", {}, ttl=5)
    first = stored(store, USER, "taste")

    store.delete(USER, "taste")

    assert store.get(USER, "taste") is None
    assert store.search(()) == []
    assert store.list_namespaces() == []
    assert redis.dbsize() == 0
    store.put(USER, "taste", {})
    assert stored(store, USER, "taste").created_at > first.created_at


def test_deleting_what_does_not_exist_is_no_error(store: RedisStore) -> None:
    store.put(USER, "taste", {})

    store.delete(USER, "other")

    assert found_keys(store.search(USER)) == ["taste"]


def test_keys_and_labels_with_odd_characters_do_not_collide(store: RedisStore) -> None:
    places = [
        (("a:b",), "c"),
        (("a",), "b:c"),
        (("a", "b"), "c"),
        (("a", "b:c"), "d"),
        (("a", "b"), "c:d"),
        (("a",), "\0b\0c"),
        (("a",), ".b"),
        (("a%2E",), "b"),
        (("é", "{x}"), "☃\n"),
        (("a", "*"), "*"),
    ]
    store.batch([PutOp(namespace, key, {"n": number}) for number, (namespace, key) in enumerate(places)])

    values = [stored(store, namespace, key).value["n"] for namespace, key in places]

    assert values == list(range(len(places)))
    assert {(item.namespace, item.key) for item in store.search((), limit=100)} == set(places)


def test_a_search_finds_the_items_below_its_prefix_in_the_order_of_namespace_and_key(store: RedisStore) -> None:
    places = [(USER, "b"), (("users",), "z"), (("users", "u1", "deep"), "c"), (("users", "u10"), "d"), (USER, "a")]
    for namespace, key in [*places, (("users-old", "u1"), "e"), (("teams", "users"), "f")]:
        store.put(namespace, key, {})

    assert found_keys(store.search(("users",))) == ["z", "a", "b", "c", "d"]
    assert found_keys(store.search(USER)) == ["a", "b", "c"]
    assert found_keys(store.search(("nobody",))) == []
    assert len(store.search(())) == 7


def test_a_search_pages_through_what_the_filter_accepts(store: RedisStore) -> None:
    store.batch([PutOp(USER, f"{number:03}", {"n": number, "even": number % 2 == 0}) for number in range(12)])

    page = store.search(USER, filter={"even": True, "n": {"$gte": 2}}, limit=2, offset=1)

    assert [item.value["n"] for item in page] == [4, 6]
    assert len(store.search(USER)) == 10
    assert store.search(USER, limit=0) == []
    assert store.search(USER, offset=12) == []


def test_a_search_reads_on_past_the_first_page_of_entries(store: RedisStore) -> None:
    total = 2 * PAGE + 1
    store.batch([PutOp(USER, f"{number:05}", {"n": number}) for number in range(total)])

    everything = store.search(USER, limit=10_000)
    last = store.search(USER, filter={"n": {"$gte": total - 1}})

    assert [item.value["n"] for item in everything] == list(range(total))
    assert found_keys(last) == [f"{total - 1:05}"]


def test_a_query_without_embeddings_ranks_nothing(store: RedisStore) -> None:
    store.put(USER, "a", {"text": "tea"}, index=["text"])
    store.put(USER, "b", {"text": "coffee"}, index=False)

    found = store.search(USER, query="what to drink")

    assert [(item.key, item.score) for item in found] == [("a", None), ("b", None)]
    assert found == store.search(USER)


def test_namespaces_with_items_are_listed_sorted_and_once(store: RedisStore) -> None:
    for namespace in [("b",), USER, ("a", "x"), ("a",), ("a-b",), ("users", "u10")]:
        store.put(namespace, "one", {})
        store.put(namespace, "two", {})

    assert store.list_namespaces() == [("a",), ("a", "x"), ("a-b",), ("b",), USER, ("users", "u10")]
    assert store.list_namespaces(limit=2, offset=1) == [("a", "x"), ("a-b",)]


def test_namespaces_are_chosen_by_prefix_suffix_and_depth(store: RedisStore) -> None:
    for namespace in [("u", "1", "facts"), ("u", "1", "tastes"), ("u", "2", "facts"), ("t", "1", "facts"), ("u",)]:
        store.put(namespace, "k", {})

    assert store.list_namespaces(prefix=("u",), suffix=("facts",)) == [("u", "1", "facts"), ("u", "2", "facts")]
    assert store.list_namespaces(prefix=("*", "1", "facts")) == [("t", "1", "facts"), ("u", "1", "facts")]
    assert store.list_namespaces(prefix=("u", "*", "facts"), max_depth=2) == [("u", "1"), ("u", "2")]
    assert store.list_namespaces(max_depth=1) == [("t",), ("u",)]


def test_more_namespaces_than_one_page_are_all_listed(store: RedisStore) -> None:
    total = 2 * PAGE + 1
    store.batch([PutOp(("users", f"{number:05}"), "k", {}) for number in range(total)])

    listed = store.list_namespaces(prefix=("users",), limit=10_000)

    assert [labels[1] for labels in listed] == [f"{number:05}" for number in range(total)]


LABELS = st.sampled_from(["a", "b", "a-", "*", "a\x01", "é"])
PLACES = st.tuples(st.lists(LABELS, min_size=1, max_size=3).map(tuple), st.sampled_from(["k", "\0", "ü"]))
NUMBERS = (Keys(f"test{number}") for number in count())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(PLACES, st.none() | st.integers(0, 3)), max_size=12),
    prefix=st.lists(LABELS, max_size=2).map(tuple),
    depth=st.none() | st.integers(1, 3),
    page=st.tuples(st.integers(0, 5), st.integers(0, 3)),
)
def test_the_store_answers_as_a_sorted_dict_would(
    redis: Redis,
    changes: list[tuple[tuple[Namespace, str], int | None]],
    prefix: Namespace,
    depth: int | None,
    page: tuple[int, int],
) -> None:
    limit, offset = page
    store = RedisStore(redis, next(NUMBERS), Serde())
    expected: dict[tuple[Namespace, str], int] = {}
    for (namespace, key), number in changes:
        store.batch([PutOp(namespace, key, None if number is None else {"n": number})])
        expected.pop((namespace, key), None)
        if number is not None:
            expected[namespace, key] = number

    found = store.search(prefix, filter={"n": {"$gte": 1}}, limit=limit, offset=offset)
    listed = store.batch([ListNamespacesOp(max_depth=depth, limit=limit, offset=offset)])[0]

    below = sorted(place for place, n in expected.items() if place[0][: len(prefix)] == prefix and n >= 1)
    assert [(item.namespace, item.key) for item in found] == below[offset : offset + limit]
    assert listed == sorted({namespace[:depth] for namespace, _ in expected})[offset : offset + limit]


def test_a_batch_answers_every_op_in_its_place(store: RedisStore) -> None:
    store.put(USER, "a", {"n": 1})
    store.put(USER, "b", {"n": 2})

    answers = store.batch(
        [
            GetOp(USER, "b"),
            PutOp(USER, "c", {"n": 3}),
            SearchOp(USER),
            GetOp(USER, "missing"),
            ListNamespacesOp(),
            GetOp(USER, "a"),
        ]
    )

    b, put, found, missing, namespaces, a = cast(list[Any], answers)
    assert (b.value, a.value) == ({"n": 2}, {"n": 1})
    assert (put, missing) == (None, None)
    assert found_keys(found) == ["a", "b"]
    assert namespaces == [USER]


def test_reads_of_a_batch_see_the_store_before_its_writes_and_the_last_write_stays(store: RedisStore) -> None:
    store.put(USER, "a", {"n": 0})

    before = store.batch([PutOp(USER, "a", {"n": 1}), GetOp(USER, "a"), PutOp(USER, "a", {"n": 2})])[1]

    assert cast(Item, before).value == {"n": 0}
    assert stored(store, USER, "a").value == {"n": 2}


def test_the_writes_of_a_batch_become_visible_all_at_once(store: RedisStore, redis: Redis) -> None:
    total = 500
    seen = set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(store.batch, [PutOp(USER, str(number), {}) for number in range(total)])
        while not writing.done():
            seen.add(redis.zcard(KEYS.memory_index()))
        writing.result()

    assert seen <= {0, total}


def test_an_empty_batch_answers_nothing(store: RedisStore) -> None:
    assert store.batch([]) == []


def test_a_batch_with_one_value_that_cannot_be_stored_writes_nothing(store: RedisStore, redis: Redis) -> None:
    ops = [PutOp(USER, "good", {"n": 1}), PutOp(USER, "bad", {"n": object()})]

    with pytest.raises(NotSerializable, match=r"Item 'bad' in \('users', 'u1'\).*object"):
        store.batch(ops)

    assert redis.dbsize() == 0


def test_a_value_above_the_size_limit_is_refused_by_the_name_of_its_item(redis: Redis) -> None:
    store = RedisStore(redis, KEYS, Serde(limit_bytes=100))

    with pytest.raises(StateTooLarge, match="Item 'big'"):
        store.put(USER, "big", {"text": "x" * 200})

    assert redis.dbsize() == 0


def test_something_that_is_no_op_is_refused_and_nothing_written(store: RedisStore, redis: Redis) -> None:
    ops: list[Any] = [PutOp(USER, "a", {}), "get"]

    with pytest.raises(TypeError, match="pass GetOp"):
        store.batch(ops)

    assert redis.dbsize() == 0


def test_bad_input_to_put_is_refused_before_anything_is_written(store: RedisStore, redis: Redis) -> None:
    with pytest.raises(InvalidNamespaceError):
        store.put(("users", "a.b"), "k", {})
    with pytest.raises(InvalidNamespaceError):
        store.put(("treadle",), "k", {})
    with pytest.raises(ValueError, match="ttl"):
        store.put(USER, "k", {}, ttl=-1)

    assert redis.dbsize() == 0


def test_fifty_one_parallel_writers_all_survive(store: RedisStore) -> None:
    def write(number: int) -> None:
        store.put(("users", str(number % 7)), f"{number:02}", {"n": number}, ttl=1 if number % 2 else None)
        store.put(USER, "shared", {"n": number})

    with ThreadPoolExecutor(51) as pool:
        list(pool.map(write, range(51)))

    found = store.search((), limit=1000)
    assert sorted(item.value["n"] for item in found if item.key != "shared") == list(range(51))
    assert len([item for item in found if item.key == "shared"]) == 1
    assert len(store.list_namespaces()) == 8


def test_parallel_tasks_of_one_event_loop_all_write(store: RedisStore) -> None:
    async def write_all() -> list[SearchItem]:
        await asyncio.gather(*(store.aput(USER, f"{number:02}", {"n": number}) for number in range(51)))
        assert (await store.aget(USER, "07")) is not None
        await store.adelete(USER, "00")
        assert await store.alist_namespaces() == [USER]
        return await store.asearch(USER, limit=100)

    found = asyncio.run(write_all())

    assert [item.value["n"] for item in found] == list(range(1, 51))


def test_two_stores_of_one_redis_share_items_and_two_prefixes_do_not(redis: Redis) -> None:
    writer, reader = (RedisStore(redis, KEYS, Serde()) for _ in range(2))
    stranger = RedisStore(redis, Keys("other"), Serde())

    writer.put(USER, "k", {"n": 1})

    assert stored(reader, USER, "k").value == {"n": 1}
    assert stranger.get(USER, "k") is None
    assert stranger.search(()) == []


def test_all_keys_of_the_memory_lie_in_one_cluster_slot(store: RedisStore, redis: Redis) -> None:
    store.put(USER, "k", {}, ttl=1)
    store.put(("teams", "{x}"), "k", {})

    keys = cast(list[bytes], redis.keys())

    assert len(keys) == 4
    assert len({key_slot(key) for key in keys}) == 1


def test_a_redis_that_does_not_answer_is_a_clear_error(tmp_path: Path) -> None:
    nowhere = Redis(unix_socket_path=str(tmp_path / "none.sock"), retry=Retry(NoBackoff(), 0))
    store = RedisStore(nowhere, KEYS, Serde())

    with pytest.raises(StoreUnavailable, match="long-term memory"):
        store.get(USER, "k")
    with pytest.raises(StoreUnavailable, match="memory put"):
        store.put(USER, "k", {})


def test_every_in_memory_store_is_a_store_of_its_own() -> None:
    one, other = InMemoryStore(), InMemoryStore()

    one.put(USER, "k", {"n": 1})

    assert isinstance(one, BaseStore)
    assert stored(one, USER, "k").value == {"n": 1}
    assert other.search(()) == []


def test_an_in_memory_store_refuses_an_index_that_it_would_not_use() -> None:
    with pytest.raises(NotImplementedError, match="no embeddings"):
        InMemoryStore(index={"dims": 3})


def test_importing_the_memory_does_not_import_fakeredis() -> None:
    program = "import scheduler.memory, sys; sys.exit('fakeredis' in sys.modules)"

    subprocess.run([sys.executable, "-c", program], check=True)
