"""The scripts of the memory, each alone: what only a race or a large store would show."""

import pytest
from redis import Redis

from scheduler.keys import Keys
from scheduler.memory_scripts import MemoryScripts
from scheduler.namespaces import Span, to_entry, to_token

KEYS = Keys("test")
TASTE = to_entry(("users", "u1"), "taste")


@pytest.fixture
def scripts(redis: Redis) -> MemoryScripts:
    return MemoryScripts(redis, KEYS)


def put(scripts: MemoryScripts, *entries: bytes, ttl_ms: int | None = None) -> None:
    scripts.send(*(scripts.put(entry, b"value", ttl_ms) for entry in entries))


def test_refreshing_an_item_that_was_removed_meanwhile_brings_nothing_back(
    scripts: MemoryScripts, redis: Redis
) -> None:
    scripts.send(scripts.refresh(TASTE))

    assert redis.dbsize() == 0


def test_refreshing_an_item_that_lives_for_ever_by_now_leaves_it_so(scripts: MemoryScripts, redis: Redis) -> None:
    put(scripts, TASTE)

    scripts.send(scripts.refresh(TASTE))

    assert redis.pttl(scripts.item(TASTE)) == -1
    assert redis.exists(KEYS.memory_expiry()) == 0


def test_a_sweep_forgets_no_more_than_its_limit_and_the_oldest_first(scripts: MemoryScripts, redis: Redis) -> None:
    entries = [to_entry(("users",), key) for key in "abc"]
    put(scripts, *entries)
    redis.zadd(KEYS.memory_expiry(), {entries[0]: 3, entries[1]: 1, entries[2]: 2})

    first, second = scripts.send(scripts.sweep(2), scripts.sweep(2))

    assert (first, second) == (2, 1)
    assert redis.exists(KEYS.memory_index()) == 0


def test_a_sweep_leaves_what_has_not_expired(scripts: MemoryScripts, redis: Redis) -> None:
    put(scripts, TASTE, ttl_ms=60_000)
    put(scripts, to_entry(("users",), "ever"))

    assert scripts.send(scripts.sweep(10)) == [0]

    assert redis.zcard(KEYS.memory_index()) == 2


def test_namespaces_are_listed_once_each_up_to_the_limit(scripts: MemoryScripts) -> None:
    put(scripts, *(to_entry((label,), key) for label in "abc" for key in ("k", "\0", "\U0010ffff")))

    everything = scripts.namespaces(Span(), 10)
    rest = scripts.namespaces(Span().after_namespace(to_token(("a",))), 1)

    assert everything == [to_token(("a",)), to_token(("b",)), to_token(("c",))]
    assert rest == [to_token(("b",))]
