"""Keys that are put together apart: complete, also when Redis is sent them twice, and gone when nobody takes them."""

from collections.abc import Sequence
from typing import Any

import pytest
from redis import Redis

from scheduler import staged

from .stage import everything

KEY = "{p0}:apart"


@pytest.mark.parametrize(
    ("write", "commands"),
    [
        (staged.write, [("HSET", KEY, str(number), "x") for number in range(1_200)]),
        (staged.write, [("SADD", KEY, str(number)) for number in range(1_200)]),
        (staged.write_at_once, [("RPUSH", KEY, str(number)) for number in range(1_200)]),
        (staged.write_at_once, [("XADD", KEY, f"{number}-1", "name", "x") for number in range(1_200)]),
    ],
    ids=["hash", "set", "list", "stream"],
)
def test_a_key_that_is_sent_twice_holds_what_it_would_hold_once(
    redis: Redis, write: Any, commands: Sequence[Any]
) -> None:
    write(redis, KEY, commands)
    once = everything(redis)

    write(redis, KEY, commands)

    assert everything(redis) == once
    assert [len(value) for value in once.values()] == [1_200]
    assert 0 < redis.pttl(KEY) <= staged.KEPT_MS


def test_a_writing_that_dies_between_two_batches_leaves_what_goes_by_itself(redis: Redis) -> None:
    def dies() -> Any:
        for number in range(700):
            yield "HSET", KEY, str(number), "x"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        staged.write(redis, KEY, dies())

    assert redis.hlen(KEY) == 500
    assert redis.pttl(KEY) > 0
