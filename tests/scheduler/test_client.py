"""Every verb on threads from the outside, and the handle on a run."""

import threading
from typing import Any

import pytest

from scheduler import following
from scheduler.client import Client, Following
from scheduler.config import parse
from scheduler.errors import InvalidConfig, NodeFailed, RunCancelled, RunNotFound, ThreadBusy
from scheduler.failure import describe
from scheduler.handle import RunHandle
from scheduler.lifecycle import RunStatus
from scheduler.steps import Steps

from .stage import THREAD, begin, claim, finish, line, play, state

LINE = line("a", "b")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let followers wait in Redis for moments only: no test depends on how long they do."""
    monkeypatch.setattr(following, "_BLOCK_MS", 5)


@pytest.fixture
def waiting(elsewhere: Client, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once somebody elsewhere waits for a run."""
    began, wait = threading.Event(), elsewhere.wait

    def noting(*args: Any) -> Any:
        began.set()
        return wait(*args)

    monkeypatch.setattr(elsewhere, "wait", noting)
    return began


class Background(threading.Thread):
    """Begins a run on a thread of its own, waiting for the one that is active."""

    def __init__(self, client: Client) -> None:
        super().__init__(daemon=True)
        self._client = client
        self.run_id = ""
        self.start()

    def run(self) -> None:
        self.run_id = begin(self._client, LINE, {"said": ["waited"]}, on_busy="wait").run.id


def test_a_run_that_may_wait_begins_when_the_active_one_has_ended(
    client: Client, elsewhere: Client, steps: Steps, waiting: threading.Event
) -> None:
    first = begin(client, LINE, {"said": ["first"]})
    background = Background(elsewhere)
    assert waiting.wait(10)

    play(steps, LINE, first.orders)
    background.join(10)

    assert client.threads.get(THREAD).run_id == background.run_id != ""
    assert state(client, LINE)["said"] == ["first", "a", "b", "waited"]
    assert client.output(LINE, THREAD, first.run.id).value == {"said": ["first", "a", "b"]}


def test_a_run_that_waits_for_one_whose_thread_is_deleted_begins_on_a_new_thread(
    client: Client, elsewhere: Client, waiting: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(client, LINE, {"said": ["first"]})
    deleted, wait = threading.Event(), elsewhere.wait

    def once_it_is_deleted(*args: Any) -> Any:
        waiting.set()
        deleted.wait(10)
        return wait(*args)

    monkeypatch.setattr(elsewhere, "wait", once_it_is_deleted)
    background = Background(elsewhere)
    assert waiting.wait(10)

    client.runs.cancel(THREAD, first.run.id)
    client.threads.delete(THREAD)
    deleted.set()
    background.join(10)

    assert client.threads.get(THREAD).run_id == background.run_id != ""
    assert state(client, LINE)["said"] == ["waited"]


def test_a_run_that_may_not_wait_is_refused_at_once(client: Client) -> None:
    first = begin(client, LINE, {})

    with pytest.raises(ThreadBusy, match=first.run.id):
        begin(client, LINE, {}, on_busy="reject")


def test_waiting_for_a_run_returns_how_it_ended(client: Client, elsewhere: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    found: list[RunStatus] = []
    waiter = threading.Thread(target=lambda: found.append(elsewhere.wait(THREAD, started.run.id)), daemon=True)
    waiter.start()

    play(steps, LINE, started.orders)
    waiter.join(10)

    assert found == [RunStatus.SUCCESS]
    assert client.wait(THREAD, started.run.id, 0) is RunStatus.SUCCESS


def test_waiting_ends_with_its_time_and_the_run_goes_on(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})

    with pytest.raises(TimeoutError, match="is still active; it goes on"):
        client.wait(THREAD, started.run.id, 0)

    play(steps, LINE, started.orders)
    assert client.runs.status(THREAD, started.run.id) is RunStatus.SUCCESS


def test_a_run_that_is_not_there_can_be_neither_waited_for_nor_streamed(client: Client) -> None:
    with pytest.raises(RunNotFound):
        client.wait(THREAD, "r")
    with pytest.raises(RunNotFound):
        list(client.stream(Following(LINE, THREAD, "r", ("values",))))


def test_the_output_is_the_keys_that_are_asked_for(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {"answer": 1})
    play(steps, LINE, started.orders)

    assert client.output(LINE, THREAD, started.run.id).value == {"said": ["a", "b"], "answer": 1}
    assert client.output(LINE, THREAD, started.run.id, ["answer"]).value == {"answer": 1}
    assert client.output(LINE, THREAD, started.run.id, "said").value == ["a", "b"]


@pytest.mark.parametrize("after", ["", "x", "1", "1-x", "-"])
def test_what_is_no_id_of_a_part_is_refused(client: Client, steps: Steps, after: str) -> None:
    started = begin(client, LINE, {})
    play(steps, LINE, started.orders)

    with pytest.raises(InvalidConfig, match="is not the id of a part"):
        list(client.stream(Following(LINE, THREAD, started.run.id, ("values",)), after))


def test_a_handle_follows_a_run_from_any_process(client: Client, elsewhere: Client, steps: Steps) -> None:
    started = begin(client, LINE, {"said": ["hi"]})
    handle = RunHandle(elsewhere, LINE, THREAD, started.run.id)
    pending = handle.status

    play(steps, LINE, started.orders)

    assert (pending, handle.status, handle.wait(0)) == (RunStatus.PENDING, RunStatus.SUCCESS, RunStatus.SUCCESS)
    assert handle.result(0) == {"said": ["hi", "a", "b"]}
    whole = list(handle.stream())
    assert [(part["type"], part["ns"], part["data"]) for part in whole] == [
        ("updates", (), {"a": {"said": ["a"]}}),
        ("updates", (), {"b": {"said": ["b"]}}),
    ]
    assert list(handle.stream(after=whole[0]["id"])) == whole[1:]
    assert repr(handle) == f"RunHandle(thread_id='t', id='{started.run.id}')"


def test_a_handle_cancels_its_run_for_everybody(client: Client, elsewhere: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    held = claim(steps, started.orders[0].ref)
    handle = RunHandle(elsewhere, LINE, THREAD, started.run.id)

    assert handle.cancel("enough")

    assert not handle.cancel()
    assert not steps.renew({held.ref: held.delivery})[held.ref]
    with pytest.raises(RunCancelled, match="enough"):
        handle.result(0)


def test_the_result_of_a_run_that_failed_is_its_error(client: Client, steps: Steps) -> None:
    class TheirError(Exception):
        pass

    started = begin(client, LINE, {})
    (order,) = finish(steps, LINE, started.orders[0].ref).orders
    steps.fail(claim(steps, order.ref), LINE, describe(TheirError("theirs"), "b"))

    with pytest.raises(NodeFailed, match="node 'b' raised TheirError: theirs"):
        RunHandle(client, LINE, THREAD, started.run.id).result(0)


def test_an_interrupted_run_is_no_failure(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {}, interrupt_after=["a"])
    play(steps, LINE, started.orders)

    assert client.outcome(THREAD, started.run.id).status is RunStatus.INTERRUPTED
    assert client.output(LINE, THREAD, started.run.id).value == {"said": ["a"]}
    assert client.snapshots.current(LINE, parse({"thread_id": THREAD}), {}).next == ("b",)
