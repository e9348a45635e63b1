"""The packed part of a log: the same entries, the same chain, and nobody who reads notices."""

import zlib
from collections.abc import Iterator
from typing import Any

import ormsgpack
import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.following import Follower
from scheduler.log import LogEntry
from scheduler.log_blocks import SPAN, Block, LogBlocks
from scheduler.steps import Steps

from .stage import THREAD, begin, line, play

LINE = line("a")


@pytest.fixture
def long_log(client: Client, connection: Connection, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> list[LogEntry]:
    """Return the log of a thread with many runs, before anything of it was packed."""
    with monkeypatch.context() as patched:
        patched.setattr(LogBlocks, "pack", lambda *_: None)
        for _ in range(SPAN):
            play(steps, LINE, begin(client, LINE, {}).orders)
    return [*client.log.read(THREAD)]


@pytest.fixture
def packed(connection: Connection, long_log: list[LogEntry]) -> Iterator[str]:
    """Pack the log, and return the key of its blocks."""
    LogBlocks(connection).pack(THREAD, long_log[-1].seq)
    yield connection.place(THREAD).keys.blocks


def stored(redis: Redis, key: str) -> bytes:
    """Return the first block."""
    found: Any = redis.lindex(key, 0)
    return bytes(found)


def put(redis: Redis, key: str, block: Any) -> None:
    """Put another block in the place of the first one."""
    redis.lset(key, 0, block)


def test_a_log_that_was_packed_reads_as_before(
    client: Client, redis: Redis, packed: str, long_log: list[LogEntry]
) -> None:
    assert redis.llen(packed) == long_log[-1].seq // SPAN - 1
    assert [*client.log.read(THREAD)] == long_log
    assert client.log.verify(THREAD) is None


@pytest.mark.parametrize("after", [1, SPAN - 1, SPAN, SPAN + 1, 2 * SPAN, 10_000])
def test_a_log_is_read_from_any_entry_on(client: Client, packed: str, long_log: list[LogEntry], after: int) -> None:
    assert [*client.log.read(THREAD, after)] == [entry for entry in long_log if entry.seq > after]


def test_a_packed_log_takes_a_fraction(redis: Redis, packed: str, long_log: list[LogEntry]) -> None:
    assert len(stored(redis, packed)) < SPAN * 80


def test_an_altered_block_is_found(client: Client, redis: Redis, packed: str) -> None:
    before, after, entries = ormsgpack.unpackb(zlib.decompress(stored(redis, packed)))
    entries[5][1] = entries[5][1].replace(b'"run"', b'"ran"')
    put(redis, packed, zlib.compress(ormsgpack.packb([before, after, entries])))

    assert "was altered" in str(client.log.verify(THREAD))


@pytest.mark.parametrize("harm", ["removed", "unreadable"])
def test_a_lost_block_is_found(client: Client, redis: Redis, packed: str, harm: str) -> None:
    if harm == "removed":
        redis.lpop(packed)
    else:
        put(redis, packed, b"nothing")

    assert client.log.verify(THREAD) is not None


def test_what_was_altered_before_is_not_packed(
    client: Client, connection: Connection, redis: Redis, long_log: list[LogEntry]
) -> None:
    keys = connection.place(THREAD).keys
    entries: Any = redis.xrange(keys.log)
    redis.delete(keys.log)
    for id_, fields in entries:
        redis.xadd(keys.log, fields | ({b"entry": b"{}"} if id_ == b"7-0" else {}), id_)

    LogBlocks(connection).pack(THREAD, long_log[-1].seq)

    assert redis.llen(keys.blocks) == 0
    assert str(client.log.verify(THREAD)).startswith("Entry 7 was altered")


def test_of_two_who_pack_one_does(
    client: Client, connection: Connection, redis: Redis, packed: str, long_log: list[LogEntry]
) -> None:
    count = redis.llen(packed)

    LogBlocks(connection).pack(THREAD, long_log[-1].seq)

    assert redis.llen(packed) == count
    assert [*client.log.read(THREAD)] == long_log


def test_who_was_away_while_it_was_packed_is_shown_everything(
    client: Client, connection: Connection, packed: str, long_log: list[LogEntry]
) -> None:
    run = client.runs.recent(THREAD, 1000)[-1]

    seen = [one.seq for one in Follower(connection).follow(THREAD, run.id, run.log_start)]

    assert seen == [entry.seq for entry in long_log if entry.run_id == run.id]


def test_a_deleted_thread_leaves_no_blocks(client: Client, redis: Redis, packed: str) -> None:
    client.threads.delete(THREAD)

    assert not redis.exists(packed)


def test_runs_pack_as_they_begin(client: Client, connection: Connection, redis: Redis, steps: Steps) -> None:
    for _ in range(SPAN):
        play(steps, LINE, begin(client, LINE, {}).orders)

    assert redis.llen(connection.place(THREAD).keys.blocks) > 1
    assert client.log.verify(THREAD) is None


def test_a_span_without_entries_is_a_block_without_entries() -> None:
    block = Block.read(Block("ab", []).data())

    assert (block.before, block.entries) == ("ab", [])
