"""Inputs that come while a thread is busy: in line, before the line, and in the place of the run that is active."""

from dataclasses import dataclass
from typing import Any

import pytest
from redis import Redis

from graphs.commands import Command, Interrupt
from graphs.errors import GraphDrained, InvalidInput
from graphs.interrupts import GraphInterrupt
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.delayed import DelayedRuns
from scheduler.errors import InputsWaiting, InvalidConfig, RunCancelled, RunNotFound, ThreadBusy
from scheduler.inputs import Inputs
from scheduler.steps import Steps
from scheduler.storing import Started
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import (
    THREAD,
    begin,
    claim,
    everything,
    expire_lease,
    fan,
    finish,
    kinds,
    line,
    make_due,
    play,
    refs,
    state,
    wrote,
)

LINE = line("a", "b")
GRAPHS = {"line": LINE, "fan": fan("x", "y")}


@pytest.fixture
def inputs(connection: Connection) -> Inputs:
    return Inputs(connection, THREAD)


@pytest.fixture
def delayed(elsewhere: Client) -> DelayedRuns:
    """A worker that begins runs."""
    return DelayedRuns(elsewhere)


def say(client: Client, *words: str, on_busy: str = "enqueue", **config: Any) -> Started:
    """Let an input come."""
    return begin(client, LINE, {"said": [*words]}, on_busy=on_busy, **config)


@dataclass
class House:
    """A scheduler and a worker that begin what waits."""

    watchdog: Watchdog
    dispatcher: RecordingDispatcher
    delayed: DelayedRuns
    steps: Steps

    def told(self) -> list[str]:
        """Let the scheduler look; return the runs that it tells the workers of."""
        self.dispatcher.announced.clear()
        self.watchdog.sweep()
        return [run for _, run, _ in self.dispatcher.announced]

    def turns(self) -> list[str]:
        """Begin and play all that waits; return the runs in their order."""
        begun: list[str] = []
        while told := self.told():
            (run_id,) = told
            started = self.delayed.begin_here(THREAD, run_id, GRAPHS)
            assert isinstance(started, Started), started
            play(self.steps, LINE, started.orders)
            begun.append(run_id)
        return begun


@pytest.fixture
def house(watchdog: Watchdog, dispatcher: RecordingDispatcher, delayed: DelayedRuns, steps: Steps) -> House:
    return House(watchdog, dispatcher, delayed, steps)


def test_an_input_waits_in_the_store_and_begins_when_the_active_run_has_ended(
    client: Client, steps: Steps, inputs: Inputs, house: House
) -> None:
    first = say(client, "one")
    second = say(client, "two")

    assert (first.queued, second.queued) == (False, True)
    assert client.runs.status(THREAD, second.run.id) == "pending"
    assert [one.input for one in inputs.list()] == [{"said": ["two"]}]
    assert house.told() == []
    play(steps, LINE, first.orders)
    assert house.turns() == [second.run.id]

    assert client.runs.status(THREAD, second.run.id) == "success"
    assert state(client, LINE) == {"said": ["one", "a", "b", "two", "a", "b"]}
    assert len(inputs) == 0
    assert client.log.verify(THREAD) is None


def test_inputs_begin_in_the_order_in_which_they_came(
    client: Client, elsewhere: Client, steps: Steps, house: House
) -> None:
    active = say(client, "0")
    waiting = [say(one, str(number)).run.id for number, one in enumerate((client, elsewhere, client), start=1)]

    play(steps, LINE, active.orders)

    assert house.turns() == waiting
    assert [word for word in state(client, LINE)["said"] if word.isdigit()] == ["0", "1", "2", "3"]


def test_the_line_can_be_reordered_and_left(client: Client, steps: Steps, inputs: Inputs, house: House) -> None:
    active = say(client, "0")
    one, two, three = (say(client, word).run.id for word in "123")

    inputs.move(three, 0)
    assert inputs.run_ids() == [three, one, two]
    inputs.move(three, 7)
    assert inputs.run_ids() == [one, two, three]
    assert inputs.remove(one, "too late")
    assert not inputs.remove(one)
    assert client.runs.cancel(THREAD, two)
    with pytest.raises(RunNotFound):
        inputs.move(two, 0)

    assert client.wait(THREAD, one, 5) == "cancelled"
    with pytest.raises(RunCancelled, match="too late"):
        client.outcome(THREAD, one)
    play(steps, LINE, active.orders)
    assert house.turns() == [three]


def test_a_free_thread_begins_an_input_at_once_and_one_with_a_line_does_not(
    client: Client, steps: Steps, house: House
) -> None:
    play(steps, LINE, say(client, "0").orders)
    active = say(client, "1")
    waiting = say(client, "2").run.id
    play(steps, LINE, active.orders)

    with pytest.raises(ThreadBusy, match=waiting):
        say(client, "3", on_busy="reject")
    behind = say(client, "4")

    assert behind.queued
    assert house.turns() == [waiting, behind.run.id]


def test_an_answer_goes_before_the_line_and_an_input_takes_no_question_away(
    client: Client, steps: Steps, delayed: DelayedRuns, house: House
) -> None:
    active = say(client, "0")
    waiting = say(client, "1").run.id
    asking = claim(steps, active.orders[0].ref)
    steps.ask(asking, LINE, GraphInterrupt([Interrupt("Really?", "1a")]))

    assert client.runs.status(THREAD, active.run.id) == "interrupted"
    assert house.told() == []
    assert say(client, "2").queued
    assert delayed.begin(THREAD, waiting, GRAPHS) == "busy"
    answered = begin(client, LINE, Command(resume="yes"))
    play(steps, LINE, answered.orders)

    assert len(house.turns()) == 2


def test_a_person_can_let_the_line_go_before_the_question(
    client: Client, steps: Steps, inputs: Inputs, house: House
) -> None:
    active = begin(client, LINE, {"said": ["0"]}, interrupt_after=["a"])
    waiting = say(client, "1").run.id
    assert not inputs.release()
    finish(steps, LINE, active.orders[0].ref, said=["a"])
    assert house.told() == []

    assert inputs.release()

    assert house.turns() == [waiting]


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_whatever_ends_the_active_run_begins_the_next_one(client: Client, steps: Steps, how: str, house: House) -> None:
    active = say(client, "0")
    waiting = say(client, "1").run.id

    if how == "cancelled":
        client.runs.cancel(THREAD, active.run.id)
    else:
        steps.end(claim(steps, active.orders[0].ref), {"id": "1", "kind": "error", "repr": "no", "message": "no"})

    assert house.turns() == [waiting]


def test_interrupt_lets_the_active_run_stop_at_its_next_checkpoint_and_keeps_its_state(
    client: Client, steps: Steps, inputs: Inputs, house: House
) -> None:
    active = say(client, "0")
    later = say(client, "later").run.id
    urgent = say(client, "now", on_busy="interrupt").run.id
    assert inputs.run_ids() == [urgent, later]

    play(steps, LINE, active.orders)

    assert client.runs.status(THREAD, active.run.id) == "interrupted"
    with pytest.raises(GraphDrained, match=urgent):
        client.outcome(THREAD, active.run.id)
    assert house.turns() == [urgent, later]
    assert state(client, LINE)["said"] == ["0", "a", "now", "a", "b", "later", "a", "b"]


def test_interrupts_at_once_run_one_after_the_other_in_their_order(
    client: Client, elsewhere: Client, steps: Steps, house: House
) -> None:
    active = say(client, "0")
    one = say(client, "1", on_busy="interrupt").run.id
    two = say(elsewhere, "2", on_busy="interrupt").run.id

    play(steps, LINE, active.orders)

    assert house.turns() == [one, two]


def test_an_interrupted_run_that_asks_in_that_moment_makes_room_all_the_same(
    client: Client, steps: Steps, house: House
) -> None:
    active = say(client, "0")
    urgent = say(client, "1", on_busy="interrupt").run.id
    steps.ask(claim(steps, active.orders[0].ref), LINE, GraphInterrupt([Interrupt("Really?", "1a")]))

    assert house.turns() == [urgent]


def test_an_interrupt_waits_for_all_steps_of_the_superstep(client: Client, steps: Steps, house: House) -> None:
    graph = fan("x", "y")
    at = refs(begin(client, graph, {}).orders)
    finish(steps, graph, at["x"], said=["x"])
    urgent = begin(client, graph, {"said": ["now"]}, on_busy="interrupt").run.id
    assert house.told() == []

    finish(steps, graph, at["y"], said=["y"])

    assert house.told() == [urgent]
    assert state(client, graph)["said"] == ["x", "y"]


def test_rollback_ends_the_active_run_at_once_and_goes_back_to_before_it(
    client: Client, steps: Steps, house: House
) -> None:
    play(steps, LINE, say(client, "first").orders)
    active = say(client, "wrong")
    finish(steps, LINE, active.orders[0].ref, said=["a"])
    instead = say(client, "right", on_busy="rollback").run.id

    assert client.runs.status(THREAD, active.run.id) == "cancelled"
    assert kinds(client)[-2:] == ["enqueued", "finished"]
    assert house.turns() == [instead]
    assert state(client, LINE)["said"] == ["first", "a", "b", "right", "a", "b"]
    rolled_back = [
        one
        for one in client.snapshots.history(LINE, parse({"thread_id": THREAD}))
        if "wrong" in one.values.get("said", [])
    ]
    assert rolled_back  # its branch stays in history


def test_rollback_of_a_threads_first_run_begins_from_nothing(client: Client, steps: Steps, house: House) -> None:
    active = say(client, "wrong")
    finish(steps, LINE, active.orders[0].ref, said=["a"])
    instead = say(client, "right", on_busy="rollback").run.id

    assert house.turns() == [instead]
    assert state(client, LINE)["said"] == ["right", "a", "b"]


def test_rollback_takes_back_what_an_interrupt_left_standing(client: Client, house: House) -> None:
    say(client, "wrong")
    one = say(client, "1", on_busy="interrupt").run.id
    two = say(client, "2", on_busy="rollback").run.id

    assert house.turns() == [one, two]
    assert state(client, LINE)["said"] == ["1", "a", "b", "2", "a", "b"]


def test_a_worker_of_a_run_that_was_taken_back_can_commit_nothing(client: Client, steps: Steps) -> None:
    active = say(client, "wrong")
    claimed = claim(steps, active.orders[0].ref)
    say(client, "right", on_busy="rollback")

    with pytest.raises(Exception, match="lost"):
        steps.commit(claimed, LINE, wrote(claimed, said=["a"]))


@pytest.mark.parametrize("how", ["interrupt", "rollback"])
def test_on_a_thread_that_waits_for_a_person_an_urgent_input_begins_at_once(
    client: Client, steps: Steps, how: str
) -> None:
    active = begin(client, LINE, {"said": ["0"]}, interrupt_after=["a"])
    play(steps, LINE, active.orders)

    assert not say(client, "1", on_busy=how).queued


@pytest.mark.parametrize("how", ["enqueue", "interrupt", "rollback"])
def test_a_run_that_ends_in_the_same_moment_leaves_the_way_free(
    client: Client, steps: Steps, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    active = say(client, "0")
    look = client.runs.look_at

    def ends(thread_id: str, run_id: str) -> str:
        monkeypatch.setattr(client.runs, "look_at", look)
        play(steps, LINE, active.orders)
        return ""

    monkeypatch.setattr(client.runs, "look_at", ends)
    started = say(client, "1", on_busy=how)

    assert not started.queued
    assert client.runs.status(THREAD, active.run.id) == "success"


def test_a_run_that_another_one_followed_in_the_same_moment_is_not_taken_back(
    client: Client, elsewhere: Client, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    active, look = say(client, "0"), client.runs.look_at

    def follow(thread_id: str, run_id: str) -> str:
        monkeypatch.setattr(client.runs, "look_at", look)
        play(steps, LINE, active.orders)
        say(elsewhere, "1")
        return ""

    monkeypatch.setattr(client.runs, "look_at", follow)
    assert say(client, "2", on_busy="rollback").queued

    assert client.runs.status(THREAD, active.run.id) == "success"
    assert [run.status for run in client.runs.recent(THREAD)] == ["cancelled", "success"]


def test_a_worker_that_dies_while_it_begins_an_input_costs_nothing(
    client: Client,
    steps: Steps,
    delayed: DelayedRuns,
    monkeypatch: pytest.MonkeyPatch,
    house: House,
) -> None:
    active = say(client, "0")
    waiting = say(client, "1").run.id
    play(steps, LINE, active.orders)
    assert house.told() == [waiting]  # and the message is lost with the worker
    assert house.told() == []
    place = client.connection.place(THREAD)
    client.connection.client.zadd(place.keys.due, {place.turn_member(): 1})
    assert house.told() == [waiting]
    with monkeypatch.context() as dying:
        dying.setattr("scheduler.delayed.settle", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            delayed.begin(THREAD, waiting, GRAPHS)

    assert delayed.begin(THREAD, waiting, GRAPHS) == "over"
    assert kinds(client).count("started") == 2
    assert b"start" not in client.connection.client.hgetall(client.connection.place(THREAD, waiting).named("run"))


def test_a_lost_worker_of_the_active_run_leaves_the_line_where_it_is(
    client: Client, steps: Steps, inputs: Inputs, house: House
) -> None:
    active = say(client, "0")
    say(client, "1")
    claim(steps, active.orders[0].ref)
    expire_lease(client.connection, active.orders[0].ref)

    assert house.told() == []
    assert house.dispatcher.nodes[-1] == "a"
    assert len(inputs) == 1
    make_due(client.connection, active.orders[0].ref)


def test_two_workers_begin_an_input_once(client: Client, steps: Steps, delayed: DelayedRuns, house: House) -> None:
    active = say(client, "0")
    waiting = say(client, "1").run.id
    play(steps, LINE, active.orders)

    assert delayed.begin(THREAD, waiting, GRAPHS) == "begun"
    assert DelayedRuns(client).begin(THREAD, waiting, GRAPHS) == "over"
    assert house.told() == []


def test_a_message_that_comes_too_early_begins_nothing(
    client: Client, steps: Steps, inputs: Inputs, delayed: DelayedRuns
) -> None:
    active = say(client, "0")
    one, two = say(client, "1").run.id, say(client, "2").run.id
    assert delayed.begin(THREAD, one, GRAPHS) == "busy"
    play(steps, LINE, active.orders)

    assert delayed.begin(THREAD, two, GRAPHS) == "busy"
    assert inputs.run_ids() == [one, two]
    assert delayed.begin(THREAD, one, GRAPHS) == "begun"


def test_an_input_that_cannot_begin_lets_the_next_one_have_its_turn(
    client: Client, connection: Connection, steps: Steps, delayed: DelayedRuns, house: House
) -> None:
    active = say(client, "0")
    other = line("z", name="other")
    broken = begin(client, other, {}, on_busy="enqueue").run.id
    waiting = say(client, "1").run.id
    play(steps, LINE, active.orders)

    assert house.told() == [broken]
    assert delayed.begin(THREAD, broken, GRAPHS) == "unknown"
    connection.client.hset(connection.place(THREAD, broken).named("run"), "sends", 12)
    assert delayed.begin(THREAD, broken, GRAPHS) == "failed"
    assert house.turns() == [waiting]


def test_what_does_not_fit_is_refused_before_it_waits(client: Client, inputs: Inputs) -> None:
    say(client, "0")

    with pytest.raises(InvalidInput):
        begin(client, LINE, {"unknown": 1}, on_busy="enqueue")
    with pytest.raises(ThreadBusy):
        begin(client, LINE, Command(resume=1), on_busy="enqueue")
    with pytest.raises(InvalidConfig, match="rollback"):
        say(client, "1", on_busy="push")
    assert len(inputs) == 0


@pytest.mark.usefixtures("sent_twice")
@pytest.mark.parametrize("how", ["enqueue", "interrupt", "rollback"])
def test_an_input_that_is_put_twice_waits_once(client: Client, inputs: Inputs, how: str) -> None:
    say(client, "0")

    waiting = say(client, "1", on_busy=how)

    assert inputs.run_ids() == [waiting.run.id]
    assert kinds(client).count("enqueued") == 1


def test_a_thread_with_inputs_is_not_closed_and_deleting_drops_them(
    client: Client, steps: Steps, inputs: Inputs, redis: Redis
) -> None:
    active = say(client, "0")
    say(client, "1")
    say(client, "2")
    play(steps, LINE, active.orders)

    for close in (client.threads.terminate, client.threads.mark_archived):
        with pytest.raises(InputsWaiting):
            close(THREAD)
    assert client.threads.inputs(THREAD).clear() == 2
    client.threads.terminate(THREAD)
    client.threads.delete(THREAD)

    assert everything(redis) == {}


def test_a_deleted_thread_takes_its_line_with_it(client: Client, steps: Steps, redis: Redis) -> None:
    active = say(client, "0")
    say(client, "1")
    play(steps, LINE, active.orders)

    client.threads.delete(THREAD)

    assert everything(redis) == {}
