"""A thread is copied whole or not at all, and goes its own way from then on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from graphs.interrupts import GraphInterrupt, Questions
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.copying import COPIED_FIELDS
from scheduler.errors import StoreUnavailable, ThreadBusy, ThreadNotFound, TransitionNotAllowed
from scheduler.scripts import Scripts
from scheduler.snapshots import StateSnapshot
from scheduler.steps import Steps

from .stage import THREAD, begin, claim, everything, fan, finish, kinds, line, play, refs, state

LINE = line("a", "b")
FAN = fan("a", "b")
COPY = "copy"


#: What the hash of a thread that rests may hold and a copy does not have: it is of its runs, its line and its log.
OWN = {"before", "created", "fence", "head", "looks", "nonce", "run", "seq", "since", "updated"}


@pytest.fixture(params=["copied", "restored under another id"])
def duplicate(request: pytest.FixtureRequest, client: Client, tmp_path: Path) -> Callable[[], object]:
    """The two ways to a thread that is what another one was."""
    if request.param == "copied":
        return lambda: client.threads.copy(THREAD, COPY)
    return lambda: client.archives.restore(client.archives.put(THREAD, str(tmp_path)).url, COPY)


def fields(connection: Connection, thread_id: str) -> dict[str, str]:
    found = connection.redis.hgetall(connection.place(thread_id).keys.thread)
    return {name.decode(): value.decode() for name, value in found.items()}


def history(client: Client, thread_id: str, graph: Any = LINE) -> list[StateSnapshot]:
    return list(client.snapshots.history(graph, parse({"thread_id": thread_id})))


def told(shot: StateSnapshot) -> Any:
    """Return what a snapshot says, without the thread's id."""
    parent = shot.parent_config and shot.parent_config["configurable"]["checkpoint_id"]
    return shot._replace(config={"id": shot.config["configurable"]["checkpoint_id"]}, parent_config=parent)


def test_a_copy_has_the_state_and_the_history_of_its_original(client: Client, elsewhere: Client, steps: Steps) -> None:
    client.threads.create(THREAD, {"user": "u1"}, timeout_s=5)
    play(steps, LINE, begin(client, LINE, {"said": ["hi"]}).orders)

    copy = client.threads.copy(THREAD, COPY)

    original = client.threads.get(THREAD)
    assert (copy.id, copy.status, copy.graph, copy.cursor) == (COPY, "idle", "line", original.cursor)
    assert (copy.metadata, copy.timeout_s) == ({"user": "u1"}, 5.0)
    assert [told(shot) for shot in history(elsewhere, COPY)] == [told(shot) for shot in history(client, THREAD)]


def test_a_duplicate_has_all_of_its_original_that_is_not_of_a_run_or_of_the_log(
    client: Client, steps: Steps, connection: Connection, duplicate: Callable[[], object]
) -> None:
    client.threads.create(THREAD, {"user": "u1"}, timeout_s=5, budget={"usd": 1}, ttl_s=60)
    asking = claim(steps, begin(client, LINE, {}, budget={"usd": 1}).orders[0].ref)
    with pytest.raises(GraphInterrupt) as asked:
        Questions(asking.step.id).ask("Really?", None)
    steps.ask(asking, LINE, asked.value)
    connection.client.hset(connection.place(THREAD).keys.thread, mapping={"back": "-", "looks": "1"})
    known, original = fields(connection, THREAD), client.threads.get(THREAD)

    duplicate()

    copied = fields(connection, COPY)
    assert {"status", *COPIED_FIELDS} <= known.keys() <= {"status", *COPIED_FIELDS, *OWN}
    assert {name: copied.get(name) for name in COPIED_FIELDS} == {name: known[name] for name in COPIED_FIELDS}
    assert copied.keys() - COPIED_FIELDS == {"status", "created", "head", "nonce", "seq", "updated"}
    copy = client.threads.get(COPY)
    assert (copy.status, copy.budget, copy.ttl_s, copy.waits) == ("paused", {"usd": 1}, 60, original.waits)
    assert dict(client.threads.budget(COPY).spent) == {}
    (due,) = connection.redis.zmscore(connection.place(COPY).keys.due, [connection.place(COPY).member("expiry")])
    assert due is not None


def test_a_duplicate_of_a_thread_whose_run_was_taken_back_begins_where_that_did(
    client: Client, steps: Steps, duplicate: Callable[[], object]
) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["kept"]}).orders)
    wrong = begin(client, LINE, {"said": ["wrong"]})
    finish(steps, LINE, wrong.orders[0].ref, said=["wrong too"])
    begin(client, LINE, {"said": ["instead"]}, on_busy="rollback")
    client.threads.inputs(THREAD).clear()

    duplicate()

    play(steps, LINE, begin(client, LINE, {"said": ["right"]}, COPY).orders)
    assert state(client, LINE, COPY)["said"] == ["kept", "a", "b", "right", "a", "b"]


def test_at_a_duplicate_of_a_thread_that_asks_a_person_inputs_wait_for_the_answer_too(
    client: Client, steps: Steps, duplicate: Callable[[], object]
) -> None:
    begin(client, LINE, {"said": ["hi"]}, interrupt_before=["a"])

    duplicate()

    assert begin(client, LINE, {"said": ["more"]}, COPY, on_busy="enqueue").queued
    play(steps, LINE, begin(client, LINE, None, COPY).orders)
    assert state(client, LINE, COPY)["said"] == ["hi", "a", "b"]
    assert len(client.threads.inputs(COPY)) == 1


def test_a_copy_has_a_log_of_its_own_and_no_runs(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)

    client.threads.copy(THREAD, COPY)

    (entry,) = client.log.read(COPY)
    assert (entry.kind, entry.data) == ("copied", {"from": THREAD})
    assert client.log.verify(COPY) is None
    assert client.runs.recent(COPY) == []
    assert [thread.id for thread in client.threads.list()] == [COPY, THREAD]


def test_the_two_go_their_own_ways(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["hi"]}).orders)
    client.threads.copy(THREAD, COPY)

    play(steps, LINE, begin(client, LINE, {"said": ["again"]}, COPY).orders)
    client.threads.delete(THREAD)

    assert state(client, LINE, COPY)["said"] == ["hi", "a", "b", "again", "a", "b"]


def test_what_waits_in_a_thread_waits_in_its_copy(client: Client, steps: Steps) -> None:
    started = begin(client, FAN, {})
    finish(steps, FAN, refs(started.orders)["a"], said=["a"])
    client.runs.cancel(THREAD, started.run.id)

    client.threads.copy(THREAD, COPY)

    begun = begin(client, FAN, None, COPY)
    assert [order.node for order in begun.orders] == ["b"]
    play(steps, FAN, begun.orders)
    assert state(client, FAN, COPY)["said"] == ["a", "b", "join"]


def test_a_thread_that_was_never_run_can_be_copied(client: Client) -> None:
    client.threads.create(THREAD)

    assert client.threads.copy(THREAD, COPY).status == "created"


def test_a_thread_that_runs_is_not_copied(client: Client, redis: Redis) -> None:
    started = begin(client, LINE, {})
    before = everything(redis)

    with pytest.raises(ThreadBusy, match=started.run.id):
        client.threads.copy(THREAD, COPY)

    assert everything(redis) == before


def test_a_thread_that_is_not_there_is_not_copied(client: Client, redis: Redis) -> None:
    with pytest.raises(ThreadNotFound):
        client.threads.copy(THREAD, COPY)

    assert redis.dbsize() == 0


@pytest.mark.parametrize("target", [COPY, THREAD], ids=["another", "itself"])
def test_no_thread_is_copied_over(client: Client, steps: Steps, target: str) -> None:
    client.threads.create(COPY, {"user": "u2"})
    play(steps, LINE, begin(client, LINE, {}).orders)
    before = [history(client, THREAD), client.threads.get(target), kinds(client, target)]

    with pytest.raises(TransitionNotAllowed, match="be created again"):
        client.threads.copy(THREAD, target)

    assert [history(client, THREAD), client.threads.get(target), kinds(client, target)] == before


def test_a_copying_that_dies_half_way_left_no_thread_and_can_be_repeated(
    client: Client, steps: Steps, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)
    known = set(everything(redis))

    def dies(*args: Any) -> Any:
        raise StoreUnavailable

    with monkeypatch.context() as patched, pytest.raises(StoreUnavailable):
        patched.setattr(Scripts, "set_status", dies)
        client.threads.copy(THREAD, COPY)

    left = set(everything(redis)) - known
    assert client.threads.find(COPY) is None
    assert left
    assert all(redis.ttl(key) > 0 for key in left)
    client.threads.copy(THREAD, COPY)
    assert [told(shot) for shot in history(client, COPY)] == [told(shot) for shot in history(client, THREAD)]
    assert all(redis.ttl(key) == -1 for key in set(everything(redis)) - known - left)


def test_a_thread_that_ran_while_it_was_copied_is_copied_as_it_is_then(
    client: Client, steps: Steps, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["one"]}).orders)
    restore: Any = redis.restore

    def after_a_run(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(redis, "restore", restore)
        play(steps, LINE, begin(client, LINE, {"said": ["two"]}).orders)
        return restore(*args, **options)

    monkeypatch.setattr(redis, "restore", after_a_run)

    client.threads.copy(THREAD, COPY)

    assert state(client, LINE, COPY)["said"] == ["one", "a", "b", "two", "a", "b"]


@pytest.mark.usefixtures("sent_twice")
def test_a_copy_that_is_sent_twice_is_one_copy(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)

    client.threads.copy(THREAD, COPY)

    assert kinds(client, COPY) == ["copied"]
    assert state(client, LINE, COPY) == state(client, LINE)
