"""Following a run live: what happens to it, in one order, until it has ended; and nothing of others."""

import threading
import time
from typing import Any
from unittest.mock import patch

import pytest

from scheduler import following
from scheduler.claim import Claim
from scheduler.client import Client
from scheduler.errors import RunNotFound
from scheduler.following import Follower, Happening, LiveEvent
from scheduler.log import LogEntry
from scheduler.steps import Steps

from .stage import THREAD, begin, claim, finish, line, play, wrote

LINE = line("a", "b")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let followers wait in Redis for moments only: no test depends on how long they do."""
    monkeypatch.setattr(following, "_BLOCK_MS", 5)


@pytest.fixture
def follower(elsewhere: Client) -> Follower:
    return Follower(elsewhere.connection)


def say(client: Client, steps: Steps, claimed: Claim, value: Any) -> None:
    """Let a node write to its live stream."""
    event = [claimed.run.id, claimed.ref.step_id, claimed.step.node, claimed.attempt, value]
    steps.publish(claimed, client.connection.serde.dumps(event))


def told(happenings: list[Happening]) -> list[Any]:
    return [one.kind if isinstance(one, LogEntry) else one.value for one in happenings]


def test_what_happens_to_a_run_is_told_from_its_beginning_to_its_end(
    client: Client, steps: Steps, follower: Follower
) -> None:
    started = begin(client, LINE, {})
    play(steps, LINE, started.orders)
    begin(client, LINE, {})

    happened = list(follower.follow(THREAD, started.run.id, started.log_start))

    assert told(happened) == ["created", "started", "leased", "committed", "leased", "committed", "finished"]


@pytest.mark.parametrize("taken", [False, True])
def test_a_run_that_no_worker_takes_is_spoken_of_once(
    client: Client, steps: Steps, follower: Follower, caplog: pytest.LogCaptureFixture, taken: bool
) -> None:
    started = begin(client, LINE, {})
    if taken:
        claim(steps, started.orders[0].ref)

    with patch.object(following, "_LONELY_S", 0), pytest.raises(TimeoutError):
        list(follower.follow(THREAD, started.run.id, started.log_start, time.monotonic() + 0.05))

    assert [f"no worker has taken run {started.run.id}" in message for message in caplog.messages] == [True] * (
        not taken
    )


def test_of_earlier_runs_nothing_is_told(client: Client, steps: Steps, follower: Follower) -> None:
    first = begin(client, LINE, {})
    play(steps, LINE, first.orders)
    second = begin(client, LINE, {}, interrupt_before=["a"])

    assert told(list(follower.follow(THREAD, second.run.id, 0))) == ["started", "interrupted", "finished"]
    assert second.log_start == client.runs.get(THREAD, second.run.id).log_start > 0


def test_what_nodes_write_is_told_in_its_place(client: Client, steps: Steps, follower: Follower) -> None:
    started = begin(client, LINE, {})
    held = claim(steps, started.orders[0].ref)
    say(client, steps, held, "one")
    say(client, steps, held, {"two": (2,)})
    (order,) = steps.commit(held, LINE, wrote(held)).orders
    other = claim(steps, order.ref)
    say(client, steps, other, "three")
    steps.commit(other, LINE, wrote(other))

    happened = list(follower.follow(THREAD, started.run.id, 2))

    assert told(happened) == ["leased", "one", {"two": (2,)}, "committed", "leased", "three", "committed", "finished"]
    assert happened[1] == LiveEvent(4, started.run.id, held.ref.step_id, "a", 1, "one")
    assert [one.seq for one in happened] == sorted({one.seq for one in happened})


def test_a_follower_goes_on_after_what_it_has_seen(client: Client, steps: Steps, follower: Follower) -> None:
    started = begin(client, LINE, {})
    play(steps, LINE, started.orders)
    whole = list(follower.follow(THREAD, started.run.id, 0))

    for index, one in enumerate(whole):
        assert list(follower.follow(THREAD, started.run.id, one.seq)) == whole[index + 1 :]


def test_a_follower_is_told_while_it_happens(client: Client, steps: Steps, follower: Follower) -> None:
    started = begin(client, LINE, {})
    seen: list[Happening] = []
    leased, ended = threading.Event(), threading.Event()

    def follow() -> None:
        for one in follower.follow(THREAD, started.run.id, 0):
            seen.append(one)
            if isinstance(one, LogEntry) and one.kind == "leased":
                leased.set()
        ended.set()

    threading.Thread(target=follow, daemon=True).start()
    held = claim(steps, started.orders[0].ref)

    assert leased.wait(10), "the follower was not told before the step had finished"
    play(steps, LINE, steps.commit(held, LINE, wrote(held)).orders)
    assert ended.wait(10), "the follower was not told of the end"
    assert told(seen)[-1] == "finished"


def test_a_follower_waits_no_longer_than_its_deadline(client: Client, follower: Follower) -> None:
    started = begin(client, LINE, {})
    seen = []

    with pytest.raises(TimeoutError, match=f"Run {started.run.id} of thread 't' is still active; it goes on"):
        for one in follower.follow(THREAD, started.run.id, 0, time.monotonic() - 1):
            seen.append(one)

    assert told(seen) == ["created", "started"]


def test_a_run_that_ended_before_the_place_one_reads_from_is_over(
    client: Client, steps: Steps, follower: Follower
) -> None:
    started = begin(client, LINE, {})
    play(steps, LINE, started.orders)
    *_, last = client.log.read(THREAD)

    assert list(follower.follow(THREAD, started.run.id, last.seq)) == []


def test_a_run_that_is_deleted_while_it_is_followed_is_not_there_any_more(client: Client, follower: Follower) -> None:
    started = begin(client, LINE, {}, interrupt_before=["a"])
    happenings = follower.follow(THREAD, started.run.id, 0)
    next(happenings)
    client.threads.delete(THREAD)

    with pytest.raises(RunNotFound):
        for _ in follower.follow(THREAD, started.run.id, 0):
            pass


def test_only_the_newest_live_events_are_kept_and_the_log_is_kept_whole(
    client: Client, steps: Steps, follower: Follower
) -> None:
    started = begin(client, LINE, {})
    place = client.connection.place(THREAD, started.run.id)
    event = client.connection.serde.dumps([started.run.id, "s", "a", 1, "x"])
    for _ in range(400):
        client.connection.scripts.publish_event(place, run=started.run.id, max_events=100, event=event)
    finish(steps, LINE, started.orders[0].ref)
    client.runs.cancel(THREAD, started.run.id)

    happened = list(follower.follow(THREAD, started.run.id, 0))

    assert 100 <= len([one for one in happened if isinstance(one, LiveEvent)]) < 400
    assert [one.kind for one in happened if isinstance(one, LogEntry)] == [
        "created",
        "started",
        "leased",
        "committed",
        "finished",
    ]
