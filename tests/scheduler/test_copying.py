"""A thread is copied whole or not at all, and goes its own way from then on."""

from typing import Any

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.config import parse
from scheduler.errors import StoreUnavailable, ThreadBusy, ThreadNotFound, TransitionNotAllowed
from scheduler.scripts import Scripts
from scheduler.snapshots import StateSnapshot
from scheduler.steps import Steps

from .stage import THREAD, begin, everything, fan, finish, kinds, line, play, refs, state

LINE = line("a", "b")
FAN = fan("a", "b")
COPY = "copy"


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
