"""The census: right after a whole round, whatever comes and goes, and never more than a page at a time."""

import pytest
from redis import Redis

from scheduler.census import CensusTaker
from scheduler.client import Client
from scheduler.keys import PARTITIONS
from scheduler.steps import Steps

from .stage import begin, line, play

LINE = line("a")


def round_of(taker: CensusTaker) -> None:
    before = taker.census
    for _ in range(10 * PARTITIONS):
        taker.step()
        if taker.census is not before:
            return


def test_a_round_counts_each_thread_by_its_status(client: Client, steps: Steps) -> None:
    for number in range(30):
        client.threads.create(f"t{number}")
    play(steps, LINE, begin(client, LINE, {}, "done").orders)
    begin(client, LINE, {}, "runs")
    taker = CensusTaker(client.connection)
    assert taker.census is None

    round_of(taker)

    assert taker.census is not None
    assert taker.census.statuses == {"created": 30, "idle": 1, "running": 1}


def test_the_next_round_sees_what_has_changed(client: Client) -> None:
    taker = CensusTaker(client.connection)
    client.threads.create("t")
    round_of(taker)
    client.threads.delete("t")

    round_of(taker)

    assert taker.census is not None
    assert taker.census.statuses == {}


@pytest.mark.one_server
def test_a_step_looks_at_one_page(client: Client, round_trips: list[str]) -> None:
    for number in range(2_000):
        client.connection.client.zadd(client.connection.keys.thread_indexes()[0], {f"t{number}": number})
    taker = CensusTaker(client.connection)
    round_trips.clear()

    taker.step()

    assert round_trips == ["ZSCAN"]  # and one pipeline


def test_what_threads_take_is_estimated_where_redis_says_it(client: Client, steps: Steps, redis: Redis) -> None:
    play(steps, LINE, begin(client, LINE, {"answer": "x" * 10_000}).orders)
    taker = CensusTaker(client.connection)

    round_of(taker)

    assert taker.census is not None
    assert taker.census.bytes is None or taker.census.bytes > 10_000
