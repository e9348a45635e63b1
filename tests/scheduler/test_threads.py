"""Threads as they are stored: made, found, listed, closed and deleted; and that they share nothing."""

from typing import Any
from uuid import UUID

import pytest
from redis import Redis
from redis.crc import key_slot

from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.dispatch import StepRef
from scheduler.due_entry import place_of
from scheduler.errors import (
    CheckpointNotFound,
    InvalidConfig,
    InvalidThreadId,
    RunNotFound,
    ThreadBusy,
    ThreadNotFound,
    TransitionNotAllowed,
)
from scheduler.keys import PARTITIONS, Keys
from scheduler.lifecycle import ThreadStatus
from scheduler.steps import Steps

from .stage import THREAD, begin, claim, everything, expire_lease, fan, finish, kinds, line, play, refs, state

LINE = line("a", "b")
ODD = ["a", "a:b", "a b", "{x}", "x", "ä/ü", "x|y", "a%20b", "a%3Ab", "run:a", "*", "..", "💡", "a" * 255]


def test_a_thread_is_made_with_metadata_and_a_time_limit(client: Client) -> None:
    thread = client.threads.create(THREAD, {"user": "u1", "tags": ["x"]}, timeout_s=2.5)

    assert client.threads.get(THREAD) == thread
    assert (thread.status, thread.metadata, thread.timeout_s) == ("created", {"user": "u1", "tags": ["x"]}, 2.5)
    assert (thread.graph, thread.run_id, thread.cursor, thread.since_ms) == (None, None, None, None)
    assert thread.created_ms == thread.updated_ms > 0
    assert kinds(client) == ["created"]


def test_what_a_thread_was_made_with_outlives_its_runs(client: Client, steps: Steps) -> None:
    made = client.threads.create(THREAD, {"user": "u1"}, timeout_s=60)

    play(steps, LINE, begin(client, LINE, {}).orders)

    thread = client.threads.get(THREAD)
    assert (thread.metadata, thread.timeout_s, thread.created_ms) == ({"user": "u1"}, 60, made.created_ms)
    assert (thread.status, thread.graph, thread.run_id) == ("idle", "line", None)


def test_a_thread_is_made_once(client: Client, redis: Redis) -> None:
    client.threads.create(THREAD, {"user": "u1"})
    before = everything(redis)

    with pytest.raises(TransitionNotAllowed, match="'t' is created: it cannot be created again"):
        client.threads.create(THREAD, {"user": "u2"})

    assert everything(redis) == before


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"metadata": {"x": object()}}, InvalidConfig),
        ({"metadata": "text"}, InvalidConfig),
        ({"timeout_s": 0}, InvalidConfig),
        ({"timeout_s": float("nan")}, InvalidConfig),
        ({"thread_id": " "}, InvalidThreadId),
    ],
)
def test_a_thread_that_makes_no_sense_is_not_made(
    client: Client, redis: Redis, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        client.threads.create(**{"thread_id": THREAD} | options)

    assert redis.dbsize() == 0


def test_a_thread_that_is_not_there_is_named(client: Client) -> None:
    assert client.threads.find("nobody") is None
    for ask in (client.threads.get, client.threads.terminate, client.threads.mark_archived):
        with pytest.raises(ThreadNotFound, match="There is no thread 'nobody'"):
            ask("nobody")


@pytest.mark.parametrize("thread_id", [7, UUID(int=7)], ids=["int", "uuid"])
def test_a_thread_is_found_by_a_number_as_by_its_text(client: Client, thread_id: Any) -> None:
    begin(client, LINE, {}, thread_id)

    assert client.threads.get(thread_id) == client.threads.get(str(thread_id))
    assert client.threads.get(thread_id).id == str(thread_id)


def test_threads_are_listed_with_the_one_changed_last_first(client: Client, redis: Redis, steps: Steps) -> None:
    for moment, thread_id in enumerate(["old", "new", "newest"], 1):
        client.threads.create(thread_id, {"user": f"u{moment % 2}"})
        place = client.connection.place(thread_id)
        redis.zadd(place.keys.index, {place.keys.token: moment})

    begin(client, LINE, {}, "old")

    def ids(**wanted: Any) -> list[str]:
        return [thread.id for thread in client.threads.list(**wanted)]

    assert ids() == ["old", "newest", "new"]
    assert (ids(limit=1), ids(limit=0)) == (["old"], [])
    assert ids(status="created") == ["newest", "new"]
    assert ids(metadata={"user": "u1"}) == ["old", "newest"]
    assert ids(status="running", metadata={"user": "u0"}) == []


def test_the_steps_in_flight_say_who_has_them_and_when_they_are_due(
    client: Client, connection: Connection, steps: Steps
) -> None:
    graph = fan("a", "b", "c", b={"queue": "gpu"})
    due = refs(begin(client, graph, {}).orders)
    claim(steps, due["a"])
    finish(steps, graph, due["c"])

    found = {step.node: step for step in client.threads.pending(THREAD)}

    assert [(found[node].state, found[node].worker) for node in "abc"] == [
        ("leased", "w1"),
        ("queued", None),
        ("done", None),
    ]
    assert (found["a"].attempt, found["b"].attempt, found["b"].queue) == (1, 0, "gpu")
    assert (found["a"].due_ms or 0) - found["a"].since_ms == connection.settings.lease_ms
    assert (found["b"].due_ms or 0) - found["b"].since_ms == connection.settings.queue_wait_ms
    assert found["c"].due_ms is None
    assert client.threads.pending("nobody") == []


@pytest.mark.parametrize(
    ("close", "status", "word"),
    [("terminate", ThreadStatus.TERMINATED, "terminate"), ("mark_archived", ThreadStatus.ARCHIVED, "archive")],
)
def test_closing_a_thread_is_for_good(
    client: Client, redis: Redis, close: str, status: ThreadStatus, word: str
) -> None:
    client.threads.create(THREAD)

    closed = getattr(client.threads, close)(THREAD)
    before = everything(redis)

    assert closed.status is status
    with pytest.raises(TransitionNotAllowed, match=f"'t' is {status}: it cannot {word}"):
        getattr(client.threads, close)(THREAD)
    with pytest.raises(TransitionNotAllowed, match=f"'t' is {status}: it cannot start"):
        begin(client, LINE, {})
    with pytest.raises(TransitionNotAllowed, match=f"'t' is {status}: it cannot update"):
        client.editor.update(LINE, parse({"thread_id": THREAD}), {"answer": 1}, "a")
    assert everything(redis) == before
    client.threads.delete(THREAD)
    assert redis.dbsize() == 0


def test_a_thread_that_runs_can_be_neither_closed_nor_deleted(client: Client, redis: Redis) -> None:
    started = begin(client, LINE, {})
    before = everything(redis)

    for close in (client.threads.terminate, client.threads.mark_archived):
        with pytest.raises(TransitionNotAllowed, match="'t' is running: it cannot"):
            close(THREAD)
    with pytest.raises(ThreadBusy, match=rf"run {started.run.id} is active since .*, at step a\."):
        client.threads.delete(THREAD)

    assert everything(redis) == before


def test_a_closed_thread_can_be_read(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)

    client.threads.terminate(THREAD)

    assert state(client, LINE) == {"said": ["a", "b"]}
    assert kinds(client)[-1] == "terminated"
    assert client.log.verify(THREAD) is None


def test_deleting_a_thread_leaves_no_key_of_it(client: Client, connection: Connection, redis: Redis) -> None:
    steps = Steps(connection, client.runs, "w1")
    for _ in range(2):
        play(steps, LINE, begin(client, LINE, {"answer": 1}, timeout=60).orders)
    failed = claim(steps, begin(client, fan("a", "b", name="line"), {}).orders[0].ref)
    steps.publish(failed, connection.serde.dumps([failed.run.id, "s", "a", 1, "event"]))
    client.runs.cancel(THREAD, failed.run.id)

    client.threads.delete(THREAD)

    assert everything(redis) == {}
    assert client.threads.find(THREAD) is None
    client.threads.delete(THREAD)


def test_a_run_that_begins_while_its_thread_is_deleted_leaves_nothing_either(
    client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.threads.create(THREAD)
    delete, interferences = client.connection.scripts.delete_thread, iter([True])

    def after_somebody_else(*args: Any) -> Any:
        if next(interferences, False):
            client.runs.cancel(THREAD, begin(client, LINE, {}).run.id)
        return delete(*args)

    monkeypatch.setattr(client.connection.scripts, "delete_thread", after_somebody_else)

    client.threads.delete(THREAD)

    assert everything(redis) == {}


def test_what_was_deleted_is_not_remembered_either(client: Client, elsewhere: Client, steps: Steps) -> None:
    started = begin(client, LINE, {"said": ["secret"]})
    play(steps, LINE, started.orders)
    cursor = client.threads.get(THREAD).cursor
    named = parse({"thread_id": THREAD, "checkpoint_id": cursor})
    for reader in (client, elsewhere):
        reader.snapshots.current(LINE, named, {})

    client.threads.delete(THREAD)
    begin(client, LINE, {})

    for reader in (client, elsewhere):
        with pytest.raises(CheckpointNotFound):
            reader.snapshots.current(LINE, named, {})
        with pytest.raises(CheckpointNotFound):
            reader.editor.update(LINE, named, {"said": ["x"]}, "a")
        with pytest.raises(CheckpointNotFound):
            begin(reader, LINE, checkpoint_id=cursor)
        with pytest.raises(RunNotFound):
            reader.runs.status(THREAD, started.run.id)
    assert state(elsewhere, LINE) == {"said": []}


def test_a_thread_deleted_and_begun_again_begins_from_nothing(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["before"]}).orders)
    client.threads.delete(THREAD)

    play(steps, LINE, begin(client, LINE, {"said": ["after"]}).orders)

    assert state(client, LINE) == {"said": ["after", "a", "b"]}
    assert client.log.verify(THREAD) is None
    assert next(iter(client.log.read(THREAD))).seq == 1


def keys_of(connection: Connection, thread_id: str) -> set[str]:
    keys = connection.place(thread_id).keys
    own = [keys.thread, keys.steps, keys.runs, keys.log, keys.events, keys.run("r")]
    return {*own, keys.frame(""), keys.checkpoints(""), keys.channels(""), keys.results(""), keys.frame("a:b|c")}


def test_threads_with_odd_ids_share_no_key(connection: Connection) -> None:
    everybodys = [keys_of(connection, thread_id) for thread_id in ODD]

    assert len(set().union(*everybodys)) == sum(map(len, everybodys))


def test_threads_with_odd_ids_share_no_step_no_due_entry_and_no_failure(
    client: Client, connection: Connection, steps: Steps
) -> None:
    begun = {thread_id: begin(client, LINE, {"said": [thread_id]}, thread_id) for thread_id in ODD}
    lost = claim(steps, begun["a"].orders[0].ref)
    expire_lease(connection, lost.ref)
    client.runs.cancel("{x}", begun["{x}"].run.id)

    for thread_id in set(ODD) - {"a", "{x}"}:
        play(steps, LINE, begun[thread_id].orders)

    assert {thread.id for thread in client.threads.list()} == set(ODD)
    assert {thread.id: thread.status.value for thread in client.threads.list()} == dict.fromkeys(ODD, "idle") | {
        "a": "running",
        "{x}": "cancelled",
    }
    for thread_id in set(ODD) - {"a", "{x}"}:
        assert state(client, LINE, thread_id) == {"said": [thread_id, "a", "b"]}


@pytest.mark.parametrize("thread_id", ODD)
def test_the_keys_of_a_thread_lie_in_one_slot_and_its_due_entries_lead_back_to_it(
    connection: Connection, thread_id: str
) -> None:
    place = connection.place(thread_id, "r1")

    slots = {key_slot(key.encode()) for key in (*keys_of(connection, thread_id), place.keys.due, place.keys.index)}

    assert len(slots) == 1
    assert place_of(connection, place.member("s1")) == (connection.place(thread_id), thread_id, "s1")
    assert place_of(connection, place.run_member()) == (place, thread_id, "run:r1")


def test_a_message_for_one_thread_cannot_claim_a_step_of_another(client: Client, steps: Steps) -> None:
    ref = begin(client, LINE, {}, "a").orders[0].ref
    begin(client, LINE, {}, "a:b")

    assert steps.claim(StepRef("a:b", ref.run_id, ref.step_id), "d") is None


def test_threads_spread_over_all_partitions_and_two_prefixes_share_nothing() -> None:
    keys, others = Keys("one"), Keys("two")
    roots = {keys.of_thread(f"user-{number}").root for number in range(2_000)}

    assert len(roots) == PARTITIONS == len(keys.due_sets()) == len(keys.thread_indexes())
    assert {f"{root}:due" for root in roots} == set(keys.due_sets())
    assert not set(keys.due_sets()) & set(others.due_sets())


def test_the_partition_of_a_thread_is_for_ever() -> None:
    assert Keys().of_thread("user-1").thread == "treadle:{p40}:thread:user-1"
