"""Chunks in blocks: whatever is packed, and whenever, every checkpoint has the value that it had."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from graphs.checkpoint import Checkpoint
from scheduler.checkpoints import CheckpointStore, Origin, StoredCheckpoint
from scheduler.chunk_blocks import ChunkBlocks
from scheduler.chunks import SPAN, ChannelValues
from scheduler.connection import Connection
from scheduler.ids import new_checkpoint_id

from .stage import THREAD


class Writer:
    """Writes a line of checkpoints with one list, and packs when it is told to."""

    def __init__(self, connection: Connection, redis: Redis) -> None:
        self.connection, self.redis = connection, redis
        self.place = connection.place(THREAD)
        self.written: list[StoredCheckpoint] = []
        redis.delete(self.place.keys.channels(""), self.place.keys.checkpoints(""))

    def write(self, value: list[Any], parent: StoredCheckpoint | None = None, **how: Any) -> StoredCheckpoint:
        before = self.written[-1] if self.written else None
        id_ = new_checkpoint_id(None if before is None else before.checkpoint.id)
        encoded = self.connection.checkpoints.encode(
            Checkpoint(id_, None, "loop", 0, {"items": value}), parent or before, Origin(), **how
        )
        self.redis.xadd(self.place.keys.checkpoints(""), {"record": encoded.record}, id=id_)
        for name, data in encoded.chunks.items():
            self.redis.hset(self.place.keys.channels(""), name, data)
        self.written.append(encoded.stored)
        return encoded.stored

    def grow(self, *items: Any) -> StoredCheckpoint:
        before = self.written[-1].checkpoint.values["items"] if self.written else []
        return self.write([*before, *items])

    def pack(self) -> None:
        ChunkBlocks(self.connection.redis, self.connection.scripts).pack(self.place, self.written[-1].refs)

    def fields(self) -> int:
        return self.redis.hlen(self.place.keys.channels(""))

    def check(self, store: CheckpointStore | None = None) -> None:
        """Check that a process without any memory finds every value."""
        for stored in self.written:
            fresh = store or CheckpointStore(self.connection.redis, self.connection.serde)
            found = fresh.load(self.place.keys, "", stored.checkpoint.id, THREAD)
            assert found.checkpoint.values == stored.checkpoint.values


@pytest.fixture
def writer(connection: Connection, redis: Redis) -> Writer:
    return Writer(connection, redis)


def test_a_long_list_lies_in_few_fields_and_every_checkpoint_has_what_it_had(writer: Writer) -> None:
    for number in range(4 * SPAN + 5):
        writer.grow(number)
    writer.pack()

    assert writer.fields() == 3 + 1 + SPAN + 5  # three blocks, their number, and what is new
    writer.check()


def test_a_process_that_holds_an_old_value_loads_what_came_after_it(writer: Writer) -> None:
    for number in range(SPAN + 7):
        writer.grow({"number": number})
    store = CheckpointStore(writer.connection.redis, writer.connection.serde)
    old = store.load(writer.place.keys, "", writer.written[-1].checkpoint.id, THREAD)
    for number in range(3 * SPAN):
        writer.grow({"number": -number})
    writer.pack()

    found = store.load(writer.place.keys, "", writer.written[-1].checkpoint.id, THREAD).checkpoint.values["items"]

    assert found == writer.written[-1].checkpoint.values["items"]
    assert all(one is other for one, other in zip(old.checkpoint.values["items"], found, strict=False))


def test_a_branch_of_a_packed_list_leaves_the_blocks_alone(writer: Writer) -> None:
    for number in range(3 * SPAN):
        writer.grow(number)
    writer.pack()
    old = writer.written[SPAN // 2]

    writer.write([*old.checkpoint.values["items"], "branch"], old, branching=True)
    for number in range(3 * SPAN):
        writer.grow(number)
    writer.pack()

    writer.check()


def test_large_chunks_stay_apart_and_later_ones_are_packed(writer: Writer) -> None:
    for _ in range(SPAN):
        writer.grow("large" * 10_000)
    for number in range(2 * SPAN):
        writer.grow(number)
    writer.pack()

    assert writer.fields() == SPAN + 1 + SPAN + 1
    writer.check()


def test_of_two_who_pack_one_does(writer: Writer) -> None:
    for number in range(3 * SPAN):
        writer.grow(number)
    writer.pack()
    fields = writer.fields()

    writer.pack()

    assert writer.fields() == fields
    writer.check()


def test_what_one_step_wrote_is_found_in_a_block(writer: Writer) -> None:
    for number in range(3 * SPAN):
        writer.grow({"number": number})
    writer.pack()
    key = writer.place.keys.channels("")

    for stored in writer.written:
        values = ChannelValues(writer.connection.redis, key, writer.connection.serde)
        assert values.newest("items", stored.refs["items"]) == stored.checkpoint.values["items"][-1:]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=12))
def test_whenever_it_is_packed_every_value_comes_back(
    connection: Connection, redis: Redis, turns: list[tuple[int, bool]]
) -> None:
    writer = Writer(connection, redis)
    for count, packs in turns:
        for number in range(count):
            writer.grow(number)
        if packs:
            writer.pack()

    for stored in writer.written[:: max(1, len(writer.written) // 7)]:
        fresh = CheckpointStore(connection.redis, connection.serde)
        found = fresh.load(writer.place.keys, "", stored.checkpoint.id, THREAD)
        assert found.checkpoint.values == stored.checkpoint.values
