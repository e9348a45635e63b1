"""A step calls a graph: who waits for whom, what a lost worker can still do, and that every crash ends the same."""

from dataclasses import replace

import pytest
from redis import Redis

from graphs.commands import END, START, Send
from graphs.errors import SubgraphBusy
from graphs.frames import frame_ns
from graphs.graph import Child
from scheduler.calls import Call
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import StepOrder
from scheduler.errors import LeaseLost
from scheduler.failure import describe
from scheduler.scripts import Place, Request
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import (
    THREAD,
    begin,
    branching,
    claim,
    due_ms,
    everything,
    expire_lease,
    fan,
    kinds,
    now_ms,
    overtime,
    pass_deadline,
    record,
    refs,
    state,
    wrote,
)
from .troupe import CHILD, PARENT, Troupe, above, asks, called, fails, goes_up

FAN = above(fan("a", "b", name="child"))
KEEPS = above(CHILD, keeps=True)
LIMITED = above(CHILD, c={"timeout": 5})


@pytest.fixture
def troupe(connection: Connection, client: Client, steps: Steps) -> Troupe:
    """A worker that runs both graphs."""
    return Troupe(connection, client, steps)


@pytest.fixture
def other(elsewhere: Client, rival: Steps) -> Troupe:
    """A worker in another process."""
    return Troupe(elsewhere.connection, elsewhere, rival)


def test_a_step_that_calls_waits_without_a_lease_and_without_a_due_entry(
    connection: Connection, troupe: Troupe, rival: Steps
) -> None:
    caller, _ = called(troupe)

    waiting = record(connection, caller.ref)

    assert (waiting["state"], waiting["attempt"], due_ms(connection, caller.ref)) == ("called", 0, None)
    assert rival.claim(caller.ref, "another message") is None


def test_a_step_that_calls_is_due_at_its_time_limit(connection: Connection, troupe: Troupe) -> None:
    caller, _ = called(replace(troupe, graph=LIMITED))

    assert due_ms(connection, caller.ref) == record(connection, caller.ref)["deadline"]


def test_the_steps_of_a_called_graph_are_steps_like_any_other(
    connection: Connection, troupe: Troupe, dispatcher: RecordingDispatcher
) -> None:
    caller, (order,) = called(troupe)

    assert (order.node, order.frame.ns, order.frame.caller) == ("x", f"c:{caller.ref.step_id}", caller.ref.step_id)
    assert record(connection, order.ref)["state"] == "queued"
    assert dispatcher.nodes == ["c", "x"]
    assert (due_ms(connection, order.ref) or 0) > now_ms(connection)


def test_a_run_goes_through_the_graph_inside_and_on(client: Client, troupe: Troupe) -> None:
    troupe.play(begin(client, PARENT, {"said": []}).orders)

    assert state(client, PARENT) == {"said": ["in", "x", "y", "z"]}
    assert kinds(client) == [
        *("created", "started", "leased", "called", "leased", "committed", "leased", "committed", "returned"),
        *("leased", "committed", "leased", "committed", "finished"),
    ]
    assert client.log.verify(THREAD) is None


def test_the_last_step_of_a_graph_makes_its_caller_due(connection: Connection, troupe: Troupe) -> None:
    caller, (x,) = called(troupe)
    (y,) = troupe.run(x).orders

    (back,) = troupe.run(y).orders

    assert (back.ref, back.attempt) == (caller.ref, 1)
    assert record(connection, caller.ref)["state"] == "queued"
    assert (due_ms(connection, caller.ref) or 0) > now_ms(connection)


@pytest.mark.one_server
def test_the_message_for_the_caller_is_pushed_in_the_same_breath(redis: Redis) -> None:
    connection = open_connection(redis, Settings(), RecordingDispatcher("queue"))
    client = Client(connection, lambda call: call())
    troupe = Troupe(connection, client, Steps(connection, client.runs, "w1"))
    caller, (x,) = called(troupe)
    (y,) = troupe.run(x).orders
    redis.delete("queue")

    troupe.run(y)

    assert redis.lrange("queue", 0, -1) == [caller.ref.step_id.encode()]


def test_of_two_workers_that_close_a_superstep_one_gives_control_back(
    connection: Connection, troupe: Troupe, other: Troupe, client: Client
) -> None:
    _, orders = called(replace(troupe, graph=FAN))
    due = refs(orders)
    claimed = {name: claim(troupe.steps, due[name]) for name in ("a", "b")}
    graph = FAN.children["c"].graph
    troupe.steps.commit(claimed["a"], graph, wrote(claimed["a"], said=["a"]))

    first = troupe.steps.fail(claimed["b"], graph, describe(ValueError("no")))
    second = other.steps.close(claimed["a"], graph)

    assert [order.node for order in first.orders] == ["c"]
    assert second.orders in ((), first.orders)
    assert kinds(client).count("returned") == 1


def test_a_step_whose_lease_was_lost_cannot_call(
    client: Client, connection: Connection, troupe: Troupe, other: Troupe
) -> None:
    slow = claim(troupe.steps, begin(client, PARENT, {"said": []}).orders[0].ref)
    expire_lease(connection, slow.ref)
    fast = claim(other.steps, slow.ref)

    with pytest.raises(LeaseLost):
        troupe.enter(slow)

    assert kinds(client).count("called") == 0
    assert [order.node for order in other.enter(fast).orders] == ["x"]


def test_a_step_past_its_time_limit_cannot_call(client: Client, connection: Connection, troupe: Troupe) -> None:
    late = claim(troupe.steps, begin(client, LIMITED, {"said": []}).orders[0].ref)
    pass_deadline(connection, late.ref)

    with pytest.raises(LeaseLost):
        replace(troupe, graph=LIMITED).enter(late)


def test_a_zombie_that_runs_a_graph_in_its_body_commits_nothing_once_another_worker_does(
    client: Client, connection: Connection, troupe: Troupe, other: Troupe
) -> None:
    caller = claim(troupe.steps, begin(client, PARENT, {"said": []}).orders[0].ref)
    (x,) = troupe.here.enter(caller, parks=False).orders
    held = claim(troupe.here.steps, x.ref)
    expire_lease(connection, caller.ref)
    taken = claim(other.steps, caller.ref)
    (again,) = other.here.enter(taken, parks=False).orders
    claim(other.here.steps, again.ref)

    with pytest.raises(LeaseLost):
        troupe.here.act(held)
    with pytest.raises(LeaseLost):
        troupe.steps.commit(caller, PARENT, wrote(caller, said=["zombie"]))

    assert (again.ref, troupe.here.steps.claim(x.ref, "again")) == (x.ref, None)


def test_a_frame_that_a_zombie_moved_meanwhile_is_entered_where_it_stands_now(
    client: Client, connection: Connection, troupe: Troupe, other: Troupe, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = claim(troupe.steps, begin(client, PARENT, {"said": []}).orders[0].ref)
    (x,) = troupe.here.enter(caller, parks=False).orders
    held = claim(troupe.here.steps, x.ref)
    expire_lease(connection, caller.ref)
    taken = claim(other.steps, caller.ref)
    scripts = other.connection.scripts
    call_frame = scripts.call_frame

    def call_later(place: Place, request: Request) -> str:
        monkeypatch.setattr(scripts, "call_frame", call_frame)
        troupe.here.act(held)  # between the reading of where the frame stands, and the call
        return call_frame(place, request)

    monkeypatch.setattr(scripts, "call_frame", call_later)
    orders = other.here.enter(taken, parks=False).orders

    assert [order.node for order in orders] == ["y"]


def test_a_caller_that_died_in_its_body_goes_on_where_the_graph_stood(
    client: Client, connection: Connection, troupe: Troupe, other: Troupe
) -> None:
    caller = claim(troupe.steps, begin(client, PARENT, {"said": []}).orders[0].ref)
    troupe.here.run(troupe.here.enter(caller, parks=False).orders[0])
    expire_lease(connection, caller.ref)

    replace(other, in_body=True).play([StepOrder.from_record(THREAD, record(connection, caller.ref))])

    committed = [entry.data["node"] for entry in client.log.read(THREAD) if entry.kind == "committed"]
    assert committed == ["x", "y", "c", "z"]


def test_a_step_of_a_body_that_is_handed_back_is_nobody_elses(
    client: Client, connection: Connection, troupe: Troupe
) -> None:
    caller = claim(troupe.steps, begin(client, PARENT, {"said": []}).orders[0].ref)
    (x,) = troupe.here.enter(caller, parks=False).orders
    claim(troupe.here.steps, x.ref)

    assert troupe.here.steps.release(x.ref, "delivery", "released")

    assert due_ms(connection, x.ref) is None


@pytest.mark.parametrize("keeps", [None, True])
def test_steps_that_a_dropped_frame_has_called_are_dropped_with_it(
    client: Client, connection: Connection, troupe: Troupe, keeps: bool | None
) -> None:
    middle = fan("c", "up", name="middle")
    middle = replace(middle, children={"c": Child(CHILD, keeps)})
    deep = replace(troupe, graph=above(middle), acts={"up": goes_up})
    _, orders = called(deep)
    inner, up = (next(order for order in orders if order.node == node) for node in ("c", "up"))
    (x,) = deep.run(inner).orders

    deep.run(up)

    assert [step.node for step in client.threads.pending(THREAD)] == ["c"]
    assert due_ms(connection, x.ref) is None
    assert deep.steps.claim(x.ref, "late") is None


def test_frames_of_other_calls_of_the_same_step_are_left_alone(
    client: Client, connection: Connection, troupe: Troupe
) -> None:
    caller = claim(troupe.steps, begin(client, PARENT, {"said": []}).orders[0].ref)
    first = frame_ns("", caller.step, keeps=None)
    second = frame_ns("", caller.step, keeps=None, nth=1)
    asking = replace(troupe.here, acts={"x": asks})
    (asked,) = asking.calls.enter(Call(caller, CHILD, first, None, {"said": []}, parks=False)).orders
    (working,) = asking.calls.enter(Call(caller, CHILD, second, None, {"said": []}, parks=False)).orders

    asking.run(asked)

    assert record(connection, working.ref)["ns"] == second


def test_a_graph_that_keeps_its_state_cannot_be_called_twice_at_once(client: Client, troupe: Troupe) -> None:
    both = replace(branching(START, lambda state: [Send("c", {}), Send("c", {})], "c"), children=KEEPS.children)
    keeping = replace(troupe, graph=both)
    first, second = (claim(troupe.steps, order.ref) for order in begin(client, both, {"said": []}).orders)
    keeping.enter(first)

    with pytest.raises(SubgraphBusy, match="'c'"):
        keeping.enter(second)


def test_what_a_cancelled_run_had_called_runs_no_more(client: Client, connection: Connection, troupe: Troupe) -> None:
    caller, (x,) = called(troupe)
    held = claim(troupe.steps, x.ref)

    client.runs.cancel(THREAD, caller.run.id)

    with pytest.raises(LeaseLost):
        troupe.act(held)
    assert connection.client.zcard(connection.place(THREAD).keys.due) == 0
    troupe.play(begin(client, PARENT).orders)
    assert state(client, PARENT) == {"said": ["in", "x", "y", "z"]}


def test_a_run_past_its_time_limit_ends_with_all_that_it_called(
    client: Client, connection: Connection, watchdog: Watchdog, troupe: Troupe
) -> None:
    (order,) = client.start(PARENT, parse({"thread_id": THREAD}, timeout=5), {"said": []}).orders
    troupe.run(order)
    place = connection.place(THREAD, order.ref.run_id)
    connection.client.hset(place.named("run"), "deadline", 1)
    connection.client.zadd(place.keys.due, {place.run_member(): 1})

    watchdog.sweep()

    assert client.runs.status(THREAD, order.ref.run_id) == "timeout"
    assert client.threads.pending(THREAD) == []


def test_a_time_limit_that_passes_while_a_graph_runs_drops_its_frame(
    client: Client, connection: Connection, watchdog: Watchdog, troupe: Troupe
) -> None:
    limited = replace(troupe, graph=LIMITED)
    caller, (x,) = called(limited)
    held = claim(troupe.steps, x.ref)
    pass_deadline(connection, caller.ref)

    watchdog.sweep()

    with pytest.raises(LeaseLost):
        limited.act(held)
    late = claim(troupe.steps, caller.ref)
    assert (late.verdict, late.returned) == ("timed_out", False)
    assert [step.node for step in client.threads.pending(THREAD)] == ["c"]


def test_after_its_time_limit_a_step_that_is_tried_again_goes_on_where_the_graph_stood(
    client: Client, connection: Connection, watchdog: Watchdog, troupe: Troupe
) -> None:
    limited = replace(troupe, graph=LIMITED)
    caller, (x,) = called(limited)
    limited.run(x)
    pass_deadline(connection, caller.ref)
    watchdog.sweep()
    late = claim(troupe.steps, caller.ref)
    troupe.steps.retry(late, overtime("c"), 0)

    limited.play([StepOrder.from_record(THREAD, record(connection, caller.ref))])

    assert state(client, LIMITED) == {"said": ["in", "x", "y", "z"]}


def test_a_caller_that_is_tried_again_after_its_graph_failed_repeats_what_is_unfinished(
    client: Client, troupe: Troupe
) -> None:
    failing = replace(troupe, acts={"y": fails})
    caller, (x,) = called(failing)
    (y,) = failing.run(x).orders
    (back,) = failing.run(y).orders
    returned = claim(troupe.steps, back.ref)
    troupe.steps.retry(returned, describe(ValueError("no")), 0)

    troupe.play([back])

    committed = [entry.data["node"] for entry in client.log.read(THREAD) if entry.kind == "committed"]
    assert committed == ["x", "y", "c", "z"]
    assert (caller.attempt, returned.attempt) == (1, 1)


def test_a_graph_with_nothing_to_run_lets_its_caller_go_on_at_once(client: Client, troupe: Troupe) -> None:
    empty = replace(troupe, graph=above(branching(START, lambda state: END, "x")))

    empty.play(begin(client, empty.graph, {"said": []}).orders)

    assert state(client, empty.graph) == {"said": ["in", "z"]}


def test_a_breakpoint_before_the_first_node_outlives_the_worker_that_met_it(
    client: Client, connection: Connection, troupe: Troupe, other: Troupe
) -> None:
    graph = above(replace(CHILD, interrupt_before=("x",)))
    pausing = replace(troupe, graph=graph)
    caller, orders = called(pausing)
    expire_lease(connection, caller.ref)

    replace(other, graph=graph).play([StepOrder.from_record(THREAD, record(connection, caller.ref))])

    assert orders == []
    assert client.runs.status(THREAD, caller.run.id) == "interrupted"
    pausing.play(begin(client, graph).orders)
    assert state(client, graph) == {"said": ["in", "x", "y", "z"]}


@pytest.mark.parametrize("keeps", [None, True])
def test_a_deleted_thread_leaves_no_key(client: Client, redis: Redis, troupe: Troupe, keeps: bool | None) -> None:
    deep = above(replace(above(CHILD, keeps=keeps), name="middle"))
    replace(troupe, graph=deep).play(begin(client, deep, {"said": []}).orders)
    frames = [key for key in redis.scan_iter("*") if b"|c" in key]

    client.threads.delete(THREAD)

    assert frames != []
    assert everything(redis) == {}
