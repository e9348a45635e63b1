"""How long threads are kept when nothing happens to them."""

from typing import Any

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.deliveries import member_of
from scheduler.errors import InvalidConfig, ThreadNotFound
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog

from .stage import THREAD, begin, everything, line, now_ms, play

GRAPH = line("a", "b")
DAY_MS = 24 * 3600 * 1000


def due_ms(connection: Connection) -> float | None:
    place = connection.place(THREAD)
    (score,) = connection.redis.zmscore(place.keys.due, [place.member("expiry")])
    return score


def age(connection: Connection, ms: int = DAY_MS) -> None:
    """Let a thread have rested for so much longer, and its time be looked at."""
    place = connection.place(THREAD)
    updated = int(connection.redis.hget(place.keys.thread, "updated") or 0)
    connection.client.hset(place.keys.thread, "updated", str(updated - ms))
    connection.client.zadd(place.keys.due, {place.member("expiry"): 1})


def finish(client: Client, steps: Steps, **config: Any) -> None:
    play(steps, GRAPH, begin(client, GRAPH, {"said": ["hi"]}, **config).orders)


def test_a_thread_that_has_rested_for_long_enough_is_deleted_as_a_whole(
    client: Client, steps: Steps, watchdog: Watchdog, connection: Connection, redis: Redis
) -> None:
    finish(client, steps, ttl=3600)
    age(connection)

    assert watchdog.sweep() == {"expired": 1}

    assert everything(redis) == {}
    with pytest.raises(ThreadNotFound):
        client.threads.get(THREAD)


def test_a_thread_is_kept_from_its_last_change_on(
    client: Client, steps: Steps, watchdog: Watchdog, connection: Connection
) -> None:
    finish(client, steps, ttl=2 * DAY_MS / 1000)
    age(connection)

    watchdog.sweep()

    assert client.threads.get(THREAD).ttl_s == 2 * DAY_MS / 1000
    due = due_ms(connection)
    assert due is not None
    assert 0 <= due - (client.threads.get(THREAD).updated_ms + 2 * DAY_MS) < 1
    assert due > now_ms(connection)


def test_a_thread_that_runs_stays_and_is_looked_at_again(
    client: Client, watchdog: Watchdog, connection: Connection
) -> None:
    begin(client, GRAPH, {"said": ["hi"]}, ttl=1)
    age(connection)

    watchdog.sweep()

    assert client.threads.get(THREAD).status == "running"
    assert (due_ms(connection) or 0) > now_ms(connection)


def test_a_thread_that_waits_for_a_person_stays_until_it_has_ended(
    client: Client, steps: Steps, watchdog: Watchdog, connection: Connection
) -> None:
    begin(client, GRAPH, {"said": ["hi"]}, ttl=1, interrupt_before=["a"])
    age(connection)
    watchdog.sweep()
    assert (client.threads.get(THREAD).status, due_ms(connection)) == ("paused", None)

    play(steps, GRAPH, begin(client, GRAPH).orders)
    age(connection)

    assert watchdog.sweep()["expired"] == 1


def test_a_terminated_thread_goes_when_its_time_is_over(
    client: Client, watchdog: Watchdog, connection: Connection
) -> None:
    begin(client, GRAPH, {"said": ["hi"]}, ttl=1, interrupt_before=["a"])
    age(connection)
    watchdog.sweep()

    client.threads.terminate(THREAD)
    age(connection)

    assert watchdog.sweep()["expired"] == 1


def test_a_thread_without_a_time_is_kept_for_ever(client: Client, steps: Steps, connection: Connection) -> None:
    finish(client, steps)

    assert due_ms(connection) is None
    assert client.threads.get(THREAD).ttl_s is None


def test_what_a_call_says_counts_more_than_the_thread_and_that_more_than_the_graph(
    client: Client, steps: Steps
) -> None:
    client.threads.create(THREAD, ttl_s=50)
    finish(client, steps, default_ttl=7)
    assert client.threads.get(THREAD).ttl_s == 50

    finish(client, steps, default_ttl=7, ttl=90)
    assert client.threads.get(THREAD).ttl_s == 90

    play(steps, GRAPH, client.start(GRAPH, parse({"thread_id": "new", "default_ttl": 7}), {"said": []}).orders)
    assert client.threads.get("new").ttl_s == 7


def test_a_thread_that_was_never_run_goes_as_well(client: Client, watchdog: Watchdog, connection: Connection) -> None:
    client.threads.create(THREAD, ttl_s=1)
    age(connection)

    assert watchdog.sweep()["expired"] == 1


def test_a_copy_is_kept_as_long_as_its_original(client: Client, connection: Connection) -> None:
    client.threads.create("source", ttl_s=60)

    client.threads.copy("source", THREAD)

    assert client.threads.get(THREAD).ttl_s == 60
    assert due_ms(connection) is not None


def test_an_archived_thread_is_known_for_ever_and_a_restored_one_is_kept_anew(
    client: Client, steps: Steps, watchdog: Watchdog, connection: Connection, tmp_path: object
) -> None:
    finish(client, steps, ttl=60)
    client.archives.put(THREAD, str(tmp_path))
    age(connection)
    watchdog.sweep()
    assert client.threads.get(THREAD).status == "archived"

    client.archives.restore(THREAD)

    assert (due_ms(connection) or 0) > now_ms(connection)


@pytest.mark.parametrize("ttl", [0, -1, "1", True])
def test_a_time_is_a_positive_number(client: Client, ttl: object) -> None:
    with pytest.raises(InvalidConfig):
        client.threads.create(THREAD, ttl_s=ttl)  # type: ignore[arg-type]


def test_a_thread_on_which_a_run_is_to_begin_stays(
    client: Client, steps: Steps, watchdog: Watchdog, connection: Connection
) -> None:
    finish(client, steps, ttl=60)
    connection.client.zadd(connection.place(THREAD).keys.starts, {"run": 1})
    age(connection)

    assert watchdog.sweep() == {"left alone": 1}

    assert (due_ms(connection) or 0) > now_ms(connection)


def test_a_thread_whose_webhook_is_still_to_be_told_stays(
    client: Client, steps: Steps, watchdog: Watchdog, connection: Connection
) -> None:
    started = begin(client, GRAPH, {"said": ["hi"]}, ttl=60, webhook="https://hooks.example")
    play(steps, GRAPH, started.orders)
    place = connection.place(THREAD, started.run.id)
    connection.client.zincrby(place.keys.due, 60_000, member_of(place))
    age(connection)

    assert watchdog.sweep() == {"left alone": 1}

    assert (due_ms(connection) or 0) > now_ms(connection)
    connection.client.zrem(place.keys.due, member_of(place))
    age(connection)
    assert watchdog.sweep() == {"expired": 1}


def test_a_deleted_thread_leaves_nothing_to_look_at(client: Client, connection: Connection, redis: Redis) -> None:
    client.threads.create(THREAD, ttl_s=60)

    client.threads.delete(THREAD)

    assert everything(redis) == {}
