"""The lifetimes of the long-term memory: what ends by itself, what a read prolongs, what is left of it."""

import time
from collections.abc import Callable
from typing import cast

import pytest
from redis import Redis

from graphs.store import BaseStore, Item, Namespace, PutOp, SearchItem
from scheduler.keys import Keys
from scheduler.memory import RedisStore
from scheduler.memory_items import SWEEP
from scheduler.namespaces import to_entry
from scheduler.serde import Serde

KEYS = Keys("test")
USER = ("users", "u1")


@pytest.fixture
def store(redis: Redis) -> RedisStore:
    return RedisStore(redis, KEYS, Serde())


def wait_until(condition: Callable[[], object], limit_s: float = 5.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


def expire(redis: Redis, namespace: Namespace, key: str) -> None:
    """Let the end of an item's lifetime be long past."""
    redis.pexpireat(KEYS.memory_item(namespace, key), 1)
    redis.zadd(KEYS.memory_expiry(), {to_entry(namespace, key): 1})


def lifetime_ms(redis: Redis, namespace: Namespace, key: str) -> int:
    return redis.pttl(KEYS.memory_item(namespace, key))


def stored(store: BaseStore, namespace: Namespace, key: str) -> Item:
    item = store.get(namespace, key)
    assert item is not None
    return item


def found_keys(items: list[SearchItem]) -> list[str]:
    return [item.key for item in items]


def test_a_ttl_is_in_minutes_and_kept_by_redis(store: RedisStore, redis: Redis) -> None:
    store.put(USER, "short", {}, ttl=0.5)
    store.put(USER, "ever", {})

    assert 29_000 < lifetime_ms(redis, USER, "short") <= 30_000
    assert lifetime_ms(redis, USER, "ever") == -1


def test_an_item_expires_by_itself(store: RedisStore) -> None:
    store.put(USER, "brief", {}, ttl=0.001)

    wait_until(lambda: store.get(USER, "brief", refresh_ttl=False) is None)

    assert store.search(()) == []
    assert store.list_namespaces() == []


def test_an_expired_item_is_found_by_nothing_while_its_neighbours_are(store: RedisStore, redis: Redis) -> None:
    store.put(USER, "gone", {}, ttl=1)
    store.put(("users", "u2"), "gone", {}, ttl=1)
    store.put(USER, "kept", {}, ttl=1)

    expire(redis, USER, "gone")
    expire(redis, ("users", "u2"), "gone")

    assert store.get(USER, "gone") is None
    assert found_keys(store.search(("users",), limit=1)) == ["kept"]
    assert store.list_namespaces() == [USER]


def test_an_expired_item_that_is_stored_again_begins_anew(store: RedisStore, redis: Redis) -> None:
    store.put(USER, "taste", {"n": 1}, ttl=1)
    first = stored(store, USER, "taste")
    expire(redis, USER, "taste")

    store.put(USER, "taste", {"n": 2})

    again = stored(store, USER, "taste")
    assert again.value == {"n": 2}
    assert again.created_at > first.created_at
    assert found_keys(store.search(USER)) == ["taste"]


@pytest.mark.parametrize("total", [1, SWEEP, 2 * SWEEP + 1])
def test_a_listing_leaves_no_trace_of_expired_items(store: RedisStore, redis: Redis, total: int) -> None:
    store.batch([PutOp(("users", str(number)), "k", {}, ttl=1) for number in range(total)])
    for number in range(total):
        expire(redis, ("users", str(number)), "k")

    assert store.list_namespaces() == []

    assert redis.dbsize() == 0


def test_a_write_or_a_search_forgets_expired_items_too(store: RedisStore, redis: Redis) -> None:
    for use in (lambda: store.search(USER), lambda: store.put(("others",), "k", {})):
        store.put(USER, "gone", {}, ttl=1)
        expire(redis, USER, "gone")

        use()

        assert redis.zscore(KEYS.memory_index(), to_entry(USER, "gone")) is None
        assert redis.exists(KEYS.memory_expiry()) == 0


def get(store: BaseStore, refresh_ttl: bool | None) -> None:
    assert store.get(USER, "k", refresh_ttl=refresh_ttl) is not None


def search(store: BaseStore, refresh_ttl: bool | None) -> None:
    assert store.search(USER, refresh_ttl=refresh_ttl) != []


def nearly_expired(store: BaseStore, redis: Redis) -> None:
    """Store an item for 10 minutes of which less than one is left."""
    store.put(USER, "k", {}, ttl=10)
    redis.pexpire(KEYS.memory_item(USER, "k"), 50_000)
    redis.zincrby(KEYS.memory_expiry(), -550_000, to_entry(USER, "k"))


@pytest.mark.parametrize("read", [get, search])
@pytest.mark.parametrize("refresh_ttl", [None, True])
def test_a_read_begins_the_lifetime_anew(
    store: RedisStore, redis: Redis, read: Callable[..., None], refresh_ttl: bool | None
) -> None:
    nearly_expired(store, redis)
    before = cast(float, redis.zscore(KEYS.memory_expiry(), to_entry(USER, "k")))

    read(store, refresh_ttl)

    assert 590_000 < lifetime_ms(redis, USER, "k") <= 600_000
    assert cast(float, redis.zscore(KEYS.memory_expiry(), to_entry(USER, "k"))) >= before + 550_000


@pytest.mark.parametrize("read", [get, search])
def test_a_read_without_refresh_leaves_the_lifetime_as_it_is(
    store: RedisStore, redis: Redis, read: Callable[..., None]
) -> None:
    nearly_expired(store, redis)

    read(store, False)

    assert lifetime_ms(redis, USER, "k") <= 50_000


def test_a_search_refreshes_only_what_it_returns(store: RedisStore, redis: Redis) -> None:
    nearly_expired(store, redis)
    store.put(USER, "a", {"wanted": True}, ttl=10)

    store.search(USER, filter={"wanted": True})

    assert lifetime_ms(redis, USER, "k") <= 50_000


def test_storing_without_a_ttl_makes_an_item_stay(store: RedisStore, redis: Redis) -> None:
    store.put(USER, "k", {}, ttl=1)

    store.put(USER, "k", {})

    assert lifetime_ms(redis, USER, "k") == -1
    assert redis.exists(KEYS.memory_expiry()) == 0


def test_a_store_with_a_default_ttl_lets_expire_what_is_put_without_one(redis: Redis) -> None:
    store = RedisStore(redis, KEYS, Serde(), ttl={"default_ttl": 2, "refresh_on_read": False})

    store.put(USER, "short", {})
    store.put(USER, "ever", {}, ttl=None)
    redis.pexpire(KEYS.memory_item(USER, "short"), 1_000)
    store.get(USER, "short")
    store.search(USER)

    assert lifetime_ms(redis, USER, "short") <= 1_000
    assert lifetime_ms(redis, USER, "ever") == -1
    store.get(USER, "short", refresh_ttl=True)
    assert lifetime_ms(redis, USER, "short") > 100_000


def test_what_is_left_of_expired_items_is_cleared_away_when_asked(store: RedisStore, redis: Redis) -> None:
    store.batch([PutOp(USER, f"{number:03}", {}, ttl=1) for number in range(SWEEP + 3)])
    for number in range(SWEEP + 3):
        expire(redis, USER, f"{number:03}")

    assert store.sweep_ttl() == SWEEP + 3
    assert store.sweep_ttl() == 0
    assert redis.dbsize() == 0


def test_reads_clear_away_as_well_when_the_interval_has_passed(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisStore(redis, KEYS, Serde(), ttl={"sweep_interval_minutes": 1})
    store.put(USER, "gone", {}, ttl=1)
    expire(redis, USER, "gone")

    store.get(USER, "other")
    assert redis.exists(KEYS.memory_index()) == 1
    monkeypatch.setattr(store, "_swept", time.monotonic() - 61)
    store.get(USER, "other")

    assert redis.exists(KEYS.memory_index()) == 0
