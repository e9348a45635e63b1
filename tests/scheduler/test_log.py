"""The execution log: in order, complete, and proof against whoever would rewrite it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.errors import ThreadNotFound
from scheduler.log import _PAGE
from scheduler.scripts import Request
from scheduler.steps import Steps

from .stage import THREAD, begin, fan, kinds, line, play

LINE = line("a", "b")


def log_key(connection: Connection) -> str:
    return connection.place(THREAD).keys.log


@pytest.fixture
def long_log(client: Client, steps: Steps) -> Client:
    """A thread that has run twice."""
    for _ in range(2):
        play(steps, LINE, begin(client, LINE, {}).orders)
    return client


def test_the_log_tells_what_happened_in_order(client: Client, steps: Steps) -> None:
    started = begin(client, fan("a", "b"), {})
    play(steps, fan("a", "b"), started.orders)

    entries = list(client.log.read(THREAD))

    story = ["created", "started", "leased", "committed", "leased", "committed", "advanced", "leased", "committed"]
    assert [entry.kind for entry in entries] == [*story, "finished"]
    assert [entry.seq for entry in entries] == list(range(1, 11))
    assert sorted(entry.at_ms for entry in entries) == [entry.at_ms for entry in entries]
    assert {entry.run_id for entry in entries} == {started.run.id}
    assert {"step", "node", "attempt", "worker", "token", "ms"} <= set(entries[3].data)
    assert entries[-1].data["status"] == "success"


def test_the_log_is_read_on_after_an_entry(long_log: Client) -> None:
    entries = list(long_log.log.read(THREAD))

    assert list(long_log.log.read(THREAD, after=entries[4].seq)) == entries[5:]
    assert list(long_log.log.read(THREAD, after=entries[-1].seq)) == []
    assert list(long_log.log.read("nobody")) == []


def test_a_log_that_nobody_touched_verifies(long_log: Client) -> None:
    assert long_log.log.verify(THREAD) is None


def test_a_log_longer_than_one_page_is_read_and_verified_to_its_end(client: Client) -> None:
    client.threads.create(THREAD)
    many = {"token": THREAD, "nonce": "n", "status": "created", "allowed": {"created": True}, "thread_fields": {}}
    request = Request(many | {"entries": [{"kind": "noted"}] * _PAGE})
    client.connection.scripts.set_status(client.connection.place(THREAD), request)

    client.editor.update(LINE, parse({"thread_id": THREAD}), {"answer": 1}, "a")

    assert kinds(client) == ["created", *["noted"] * _PAGE, "updated"]
    assert client.log.verify(THREAD) is None


def alter(redis: Redis, key: str, entry_id: bytes, fields: Any) -> None:
    """Put another entry in the place of one, which a stream itself would not let anybody do."""
    kept: Any = redis.xrange(key)
    redis.delete(key)
    for other_id, other in kept:
        redis.xadd(key, fields if other_id == entry_id else other, id=other_id)


def altered(entries: list[Any], redis: Redis, key: str) -> None:
    entry_id, fields = entries[4]
    changed = json.loads(fields[b"entry"]) | {"worker": "somebody else"}
    alter(redis, key, entry_id, fields | {b"entry": json.dumps(changed).encode()})


def rehashed(entries: list[Any], redis: Redis, key: str) -> None:
    entry_id, fields = entries[4]
    alter(redis, key, entry_id, fields | {b"hash": entries[5][1][b"hash"]})


def removed(entries: list[Any], redis: Redis, key: str) -> None:
    redis.xdel(key, entries[4][0])


def beheaded(entries: list[Any], redis: Redis, key: str) -> None:
    redis.xdel(key, entries[0][0])


def truncated(entries: list[Any], redis: Redis, key: str) -> None:
    redis.xdel(key, entries[-1][0])


def emptied(entries: list[Any], redis: Redis, key: str) -> None:
    redis.delete(key)


def forged(entries: list[Any], redis: Redis, key: str) -> None:
    redis.xadd(key, entries[-1][1])


@pytest.mark.parametrize(
    ("harm", "verdict"),
    [
        (altered, "Entry 5 was altered, or an entry between 4 and 5 was removed."),
        (rehashed, "Entry 5 was altered, or an entry between 4 and 5 was removed."),
        (removed, "Entry 6 was altered, or an entry between 4 and 6 was removed."),
        (beheaded, "Entry 2 was altered, or an entry between 0 and 2 was removed."),
        (truncated, "The log ends at entry 12, but the thread knows a later one."),
        (emptied, "The log ends at entry 0, but the thread knows a later one."),
    ],
)
def test_an_entry_that_was_altered_or_removed_is_found(
    long_log: Client, redis: Redis, harm: Callable[[list[Any], Redis, str], None], verdict: str
) -> None:
    key = log_key(long_log.connection)
    entries: Any = redis.xrange(key)

    harm(entries, redis, key)

    assert long_log.log.verify(THREAD) == verdict


def test_an_entry_that_was_added_is_found(long_log: Client, redis: Redis) -> None:
    key = log_key(long_log.connection)
    entries: Any = redis.xrange(key)

    forged(entries, redis, key)

    assert "was altered" in (long_log.log.verify(THREAD) or "")


def test_a_thread_that_writes_on_while_its_log_is_verified_is_no_false_alarm(
    client: Client, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = begin(client, LINE, {})
    end = client.log._end

    def and_then_it_goes_on(*args: Any) -> Any:
        known = end(*args)
        play(steps, LINE, started.orders)
        return known

    monkeypatch.setattr(client.log, "_end", and_then_it_goes_on)

    assert client.log.verify(THREAD) is None
    assert kinds(client)[-1] == "finished"


def test_live_events_leave_no_gap_in_the_chain(client: Client, steps: Steps, connection: Connection) -> None:
    started = begin(client, LINE, {})
    place = connection.place(THREAD, started.run.id)
    for _ in range(3):
        connection.scripts.publish_event(place, run=started.run.id, max_events=10, event=b"x")

    play(steps, LINE, started.orders)

    assert [entry.seq for entry in client.log.read(THREAD)] == [1, 2, 6, 7, 8, 9, 10]
    assert client.log.verify(THREAD) is None


def test_the_log_of_a_thread_that_is_not_there_cannot_be_verified(client: Client) -> None:
    with pytest.raises(ThreadNotFound):
        client.log.verify("nobody")


def test_names_and_errors_in_any_script_are_logged_as_they_are(client: Client) -> None:
    started = begin(client, LINE, {}, "ä/ü 💡")

    client.runs.cancel("ä/ü 💡", started.run.id, "schöne Grüße 💡")

    *_, entry = client.log.read("ä/ü 💡")
    assert "schöne Grüße 💡" in entry.data["error"]
    assert client.log.verify("ä/ü 💡") is None
