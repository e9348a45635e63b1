"""The cache: what is kept is found until it expires or is cleared, by every process that shares the Redis."""

import asyncio
from datetime import date

import pytest
import redis as redis_py
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from graphs.cache import BaseCache
from scheduler.cache import PAGE, InMemoryCache, RedisCache, default_cache
from scheduler.connection import Connection
from scheduler.errors import NotSerializable, StoreUnavailable
from scheduler.keys import Keys
from scheduler.serde import Serde

KEYS = Keys("test")
A, B = ("shop", "a"), ("shop", "b")


@pytest.fixture
def cache(redis: Redis) -> RedisCache:
    return RedisCache(redis, prefix="test")


def lifetime_ms(redis: Redis, namespace: tuple[str, ...], key: str) -> int:
    return redis.pttl(KEYS.cache_item(namespace, key))


def test_what_is_kept_is_found_by_its_key(cache: RedisCache) -> None:
    cache.set({(A, "1"): ("one", None), (B, "1"): ({"day": date(2024, 2, 29)}, 60)})

    found = cache.get([(B, "1"), (A, "1"), (A, "2")])

    assert found == {(A, "1"): "one", (B, "1"): {"day": date(2024, 2, 29)}}
    assert cache.get([]) == {}


def test_a_value_of_none_is_found(cache: RedisCache) -> None:
    cache.set({(A, "1"): (None, None)})

    assert cache.get([(A, "1")]) == {(A, "1"): None}


def test_the_last_value_stays_with_its_own_lifetime(cache: RedisCache, redis: Redis) -> None:
    cache.set({(A, "1"): ("old", 60)})
    cache.set({(A, "1"): ("new", None)})

    assert cache.get([(A, "1")]) == {(A, "1"): "new"}
    assert lifetime_ms(redis, A, "1") == -1


def test_what_is_found_can_be_changed_without_changing_what_is_kept(cache: RedisCache) -> None:
    cache.set({(A, "1"): (["one"], None)})

    cache.get([(A, "1")])[A, "1"].append("two")

    assert cache.get([(A, "1")]) == {(A, "1"): ["one"]}


def test_a_ttl_is_in_seconds_and_kept_by_redis(cache: RedisCache, redis: Redis) -> None:
    cache.set({(A, "short"): (1, 30), (A, "ever"): (1, None)})

    assert 29_000 < lifetime_ms(redis, A, "short") <= 30_000
    assert lifetime_ms(redis, A, "ever") == -1


def test_what_has_expired_is_not_found_and_leaves_nothing_behind(cache: RedisCache, redis: Redis) -> None:
    cache.set({(A, "over"): (1, 0)})
    cache.set({(A, "ever"): (1, None)})

    assert cache.get([(A, "over")]) == {}
    assert redis.zrange(KEYS.cache_index(A), 0, -1) == [b"ever"]


def test_namespaces_are_cleared_one_by_one(cache: RedisCache) -> None:
    below = (*A, "deeper")
    cache.set({(A, "1"): (1, None), (A, "2"): (2, 60), (B, "1"): (3, None), (below, "1"): (4, None)})

    cache.clear([A])

    assert cache.get([(A, "1"), (A, "2"), (B, "1"), (below, "1")]) == {(B, "1"): 3, (below, "1"): 4}


def test_everything_of_one_prefix_is_cleared(cache: RedisCache, redis: Redis) -> None:
    other = RedisCache(redis, prefix="other")
    other.set({(A, "1"): (1, None)})
    cache.set({(A, "1"): (1, None), ((), "1"): (2, None), (("odd:{label}",), "1"): (3, None)})

    cache.clear()

    assert cache.get([(A, "1"), ((), "1"), (("odd:{label}",), "1")]) == {}
    assert other.get([(A, "1")]) == {(A, "1"): 1}
    assert [key for key in redis.keys("test:*") if key != KEYS.cache_namespaces().encode()] == []


def test_more_entries_are_cleared_than_fit_into_one_round_trip(cache: RedisCache, redis: Redis) -> None:
    cache.set({(A, str(number)): (number, None) for number in range(PAGE + 1)})

    cache.clear([A])

    assert redis.zcard(KEYS.cache_index(A)) == 0
    assert cache.get([(A, str(PAGE))]) == {}


def test_the_keys_of_a_namespace_share_a_slot_and_namespaces_do_not_meet() -> None:
    namespaces = [(), ("",), ("a", "b"), ("a:b",), ("a", "", "b"), ("{a}",)]

    tags = [KEYS.cache_index(namespace).split("{")[1].split("}")[0] for namespace in namespaces]

    assert len(set(tags)) == len(namespaces)
    assert [KEYS.cache_item(namespace, "}:x").split("{")[1].split("}")[0] for namespace in namespaces] == tags


def test_the_asynchronous_calls_do_the_same(cache: RedisCache) -> None:
    async def use() -> list[dict[tuple[tuple[str, ...], str], object]]:
        await cache.aset({(A, "1"): (1, None)})
        found = await cache.aget([(A, "1")])
        await cache.aclear([A])
        return [found, await cache.aget([(A, "1")])]

    assert asyncio.run(use()) == [{(A, "1"): 1}, {}]


def test_a_value_that_cannot_be_kept_is_refused_and_none_is_kept(cache: RedisCache) -> None:
    with pytest.raises(NotSerializable, match="Cache entry"):
        cache.set({(A, "1"): (1, None), (A, "2"): (object(), None)})

    assert cache.get([(A, "1")]) == {}


@pytest.mark.parametrize("call", ["get", "set", "clear"])
def test_a_redis_that_does_not_answer_is_said_to_be_unavailable(call: str) -> None:
    cache = RedisCache(redis_py.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0)))
    argument = {(A, "1"): (1, None)} if call == "set" else [(A, "1")] if call == "get" else [A]

    with pytest.raises(StoreUnavailable):
        getattr(cache, call)(argument)


def test_a_deployment_has_a_cache_in_the_redis_of_its_threads(connection: Connection, redis: Redis) -> None:
    default_cache(connection).set({(A, "1"): (1, None)})

    assert RedisCache(redis, serde=Serde(), prefix=connection.settings.prefix).get([(A, "1")]) == {(A, "1"): 1}


def test_a_cache_in_memory_keeps_what_it_is_given_to_itself() -> None:
    cache, other = InMemoryCache(), InMemoryCache()

    cache.set({(A, "1"): (1, None), (A, "over"): (2, 0)})

    assert isinstance(cache, BaseCache)
    assert cache.get([(A, "1"), (A, "over")]) == {(A, "1"): 1}
    assert other.get([(A, "1")]) == {}
    cache.clear()
    assert cache.get([(A, "1")]) == {}
