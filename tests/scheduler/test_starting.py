"""How runs begin: with an input, from where a thread stands, from an old checkpoint; and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from redis import Redis

from graphs.builder import GraphBuilder
from graphs.commands import END, START
from graphs.errors import EmptyInputError, InvalidInput, UnknownNode
from graphs.graph import Graph
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import Inline
from scheduler.errors import (
    CheckpointNotFound,
    InvalidConfig,
    InvalidThreadId,
    NotSerializable,
    ThreadBusy,
    TransitionNotAllowed,
)
from scheduler.excess import StateTooLarge
from scheduler.lifecycle import RunStatus, ThreadStatus
from scheduler.scripts import Place, Scripts, Standing
from scheduler.settings import Settings
from scheduler.starting import Starter
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher

from .stage import (
    THREAD,
    State,
    begin,
    branching,
    claim,
    due_ms,
    everything,
    fan,
    finish,
    kinds,
    line,
    now_ms,
    play,
    silent,
    state,
)

LINE = line("a", "b")


def history(client: Client, graph: Graph) -> list[tuple[str, int]]:
    """Return a thread's checkpoints as source and number, the newest first."""
    found = client.snapshots.history(graph, parse({"thread_id": THREAD}))
    return [(shot.metadata["source"], shot.metadata["step"]) for shot in found if shot.metadata]


def id_of(client: Client, graph: Graph, index: int) -> str:
    """Return the id of a checkpoint; 0 is the newest."""
    shot = client.snapshots.history(graph, parse({"thread_id": THREAD}))[index]
    return str(shot.config["configurable"]["checkpoint_id"])


def test_an_input_is_stored_with_its_run_its_first_steps_and_their_due_times(
    client: Client, connection: Connection, dispatcher: RecordingDispatcher
) -> None:
    started = begin(client, LINE, {"said": ["hi"]})

    (order,) = started.orders
    thread = client.threads.get(THREAD)
    assert (order.node, order.ref.run_id, started.ended) == ("a", started.run.id, None)
    assert dispatcher.sent == [order]
    assert history(client, LINE) == [("loop", 0), ("input", -1)]
    assert (thread.status, thread.run_id, thread.graph) == (ThreadStatus.RUNNING, started.run.id, "line")
    assert thread.cursor == order.checkpoint_id
    assert 0 < (due_ms(connection, order.ref) or 0) - now_ms(connection) <= connection.settings.queue_wait_ms
    assert kinds(client) == ["created", "started"]
    assert state(client, LINE) == {"said": ["hi"]}


def test_a_second_input_goes_on_with_the_state_and_drops_the_steps_that_were_due(client: Client, steps: Steps) -> None:
    first = begin(client, LINE, {"said": ["one"]})
    finish(steps, LINE, first.orders[0].ref, said=["a"])
    client.runs.cancel(THREAD, first.run.id)

    second = begin(client, LINE, {"said": ["two"]})

    assert [order.node for order in second.orders] == ["a"]
    assert state(client, LINE) == {"said": ["one", "a", "two"]}
    assert kinds(client).count("created") == 1


def test_a_router_after_start_chooses_the_first_steps_by_the_input(client: Client) -> None:
    graph = branching(START, lambda state: state["answer"], "a", "b")

    assert [order.node for order in begin(client, graph, {"answer": "b"}).orders] == ["b"]


def test_a_run_with_nothing_to_do_ends_as_it_begins(client: Client) -> None:
    graph = branching(START, lambda state: END, "a")

    started = begin(client, graph, {"said": ["hi"]})

    assert (started.orders, started.ended) == ((), RunStatus.SUCCESS)
    assert client.threads.get(THREAD).status == "idle"
    assert client.output(graph, THREAD, started.run.id).value == {"said": ["hi"]}
    assert kinds(client) == ["created", "started", "finished"]


def test_no_input_on_a_finished_thread_runs_nothing_and_returns_its_state(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)
    before = history(client, LINE)

    started = begin(client, LINE)

    assert (started.orders, started.ended) == ((), RunStatus.SUCCESS)
    assert client.output(LINE, THREAD, started.run.id).value == {"said": ["a", "b"]}
    assert history(client, LINE) == before


@pytest.mark.parametrize("made", [False, True], ids=["unknown", "created"])
def test_no_input_on_a_thread_without_state_is_refused(client: Client, redis: Redis, made: bool) -> None:
    if made:
        client.threads.create(THREAD)
    before = everything(redis)

    with pytest.raises(EmptyInputError, match="Received no input"):
        begin(client, LINE)

    assert everything(redis) == before


def test_an_empty_input_is_an_input(client: Client) -> None:
    assert [order.node for order in begin(client, LINE, {}).orders] == ["a"]


def test_a_breakpoint_before_the_first_step_stops_the_run_where_it_begins(
    client: Client, steps: Steps, dispatcher: RecordingDispatcher
) -> None:
    started = begin(client, LINE, {}, interrupt_before=["a"])

    assert (started.orders, started.ended, dispatcher.sent) == ((), RunStatus.INTERRUPTED, [])
    assert client.threads.get(THREAD).status == "paused"
    assert kinds(client) == ["created", "started", "interrupted", "finished"]
    play(steps, LINE, begin(client, LINE, interrupt_before=["a"]).orders)
    assert state(client, LINE) == {"said": ["a", "b"]}


@pytest.mark.parametrize("config", [{"interrupt_before": "b"}, {"interrupt_after": ["a"]}], ids=["before", "after"])
def test_a_breakpoint_on_the_way_pauses_the_run_and_none_goes_on(
    client: Client, steps: Steps, config: dict[str, Any]
) -> None:
    started = begin(client, LINE, {}, **config)

    progress = finish(steps, LINE, started.orders[0].ref, said=["a"])
    status = client.threads.get(THREAD).status
    play(steps, LINE, begin(client, LINE).orders)

    assert (progress.ended, progress.orders, status) == (RunStatus.INTERRUPTED, (), ThreadStatus.PAUSED)
    assert client.outcome(THREAD, started.run.id).status is RunStatus.INTERRUPTED
    assert state(client, LINE) == {"said": ["a", "b"]}


def test_an_old_checkpoint_is_copied_before_its_steps_run_again(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["hi"]}).orders)
    before_b = id_of(client, LINE, 1)

    again = begin(client, LINE, checkpoint_id=before_b)
    play(steps, LINE, again.orders)

    newest, fork, *_ = client.snapshots.history(LINE, parse({"thread_id": THREAD}))
    assert [order.node for order in again.orders] == ["b"]
    assert history(client, LINE)[:3] == [("loop", 3), ("fork", 2), ("loop", 2)]
    assert (fork.parent_config or {})["configurable"]["checkpoint_id"] == before_b
    assert newest.values == {"said": ["hi", "a", "b"]}


def test_an_input_is_replayed_from_the_checkpoint_at_which_it_arrived(client: Client, steps: Steps) -> None:
    graph = branching(START, lambda state: "a" if state["said"] == ["hi"] else "b", "a", "b")
    play(steps, graph, begin(client, graph, {"said": ["hi"]}).orders)
    arrived = id_of(client, graph, 2)

    again = begin(client, graph, checkpoint_id=arrived)
    play(steps, graph, again.orders)

    assert [order.node for order in again.orders] == ["a"]
    assert history(client, graph) == [
        ("loop", 2),
        ("loop", 1),
        ("fork", 0),
        ("loop", 1),
        ("loop", 0),
        ("input", -1),
    ]
    assert state(client, graph) == {"said": ["hi", "a"]}


def test_an_old_checkpoint_takes_another_input_without_a_copy(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["hi"]}).orders)

    begin(client, LINE, {"said": ["other"]}, checkpoint_id=id_of(client, LINE, 1))

    assert state(client, LINE) == {"said": ["hi", "a", "other"]}
    assert history(client, LINE)[:2] == [("loop", 3), ("input", 2)]


def test_the_head_named_by_its_id_is_copied_too_unless_a_person_made_it(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)
    edited = client.editor.update(LINE, parse({"thread_id": THREAD}), {"said": ["x"]}, "a")

    begin(client, LINE, checkpoint_id=edited["configurable"]["checkpoint_id"])
    in_place = history(client, LINE)[0]
    client.runs.cancel(THREAD, client.threads.get(THREAD).run_id or "")
    play(steps, LINE, begin(client, LINE).orders)
    begin(client, LINE, checkpoint_id=id_of(client, LINE, 0))

    assert in_place == ("update", 3)
    assert history(client, LINE)[0] == ("fork", 5)


def test_a_time_limit_of_the_run_goes_before_the_one_of_its_thread(client: Client) -> None:
    client.threads.create(THREAD, timeout_s=60)

    of_thread = begin(client, LINE, {}).run.id
    client.runs.cancel(THREAD, of_thread)
    of_run = begin(client, LINE, {}, timeout=5).run.id

    assert [client.runs.get(THREAD, run).limit_s for run in (of_thread, of_run)] == [60, 5]


def test_a_run_that_begins_while_another_is_active_is_refused_with_all_there_is_to_know(
    client: Client, steps: Steps, redis: Redis
) -> None:
    active = begin(client, LINE, {})
    claim(steps, active.orders[0].ref)
    before = everything(redis)

    with pytest.raises(ThreadBusy) as refused:
        begin(client, LINE, {"said": ["me too"]})

    since = client.runs.get(THREAD, active.run.id).started_ms
    assert (refused.value.run_id, refused.value.steps, refused.value.since_ms) == (active.run.id, ("a",), since)
    assert everything(redis) == before


def test_a_thread_that_moved_between_reading_and_writing_is_read_again(
    client: Client, elsewhere: Client, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["one"]}).orders)
    plan, interferences = Starter.store, iter([True])

    def after_somebody_else(self: Starter, *args: Any) -> Any:
        if next(interferences, False):
            play(steps, LINE, begin(elsewhere, LINE, {"said": ["two"]}).orders)
        return plan(self, *args)

    monkeypatch.setattr(Starter, "store", after_somebody_else)

    begin(client, LINE, {"said": ["three"]})

    assert state(client, LINE)["said"] == ["one", "a", "b", "two", "a", "b", "three"]


def test_a_closed_thread_begins_no_run(client: Client, steps: Steps, redis: Redis) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)
    client.threads.terminate(THREAD)
    before = everything(redis)

    with pytest.raises(TransitionNotAllowed, match="is terminated: it cannot start"):
        begin(client, LINE, {})
    with pytest.raises(TransitionNotAllowed, match="is terminated: it cannot resume"):
        begin(client, LINE)

    assert everything(redis) == before


class Strict(BaseModel):
    """A state that its inputs must fit."""

    count: int


STRICT = GraphBuilder(Strict).add_node("a", silent).add_edge(START, "a").build("strict", None, None)


def a_router_that_fails(state: State) -> str:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "act"),
    [
        (InvalidThreadId, lambda client: begin(client, LINE, {}, "")),
        (InvalidThreadId, lambda client: begin(client, LINE, {}, "a\nb")),
        (InvalidConfig, lambda client: begin(client, LINE, {}, recursion_limit=0)),
        (InvalidConfig, lambda client: begin(client, LINE, {}, unknown=1)),
        (InvalidConfig, lambda client: begin(client, LINE, {}, checkpoint_id="1-99999999999999999999")),
        (CheckpointNotFound, lambda client: begin(client, LINE, {}, checkpoint_id="1-1")),
        (CheckpointNotFound, lambda client: begin(client, LINE, checkpoint_id="1-1")),
        (InvalidInput, lambda client: begin(client, LINE, "no dict")),
        (InvalidInput, lambda client: begin(client, LINE, {"unknown": 1})),
        (ValidationError, lambda client: begin(client, STRICT, {"count": "many"})),
        (NotSerializable, lambda client: begin(client, LINE, {"answer": object()})),
        (NotSerializable, lambda client: begin(client, LINE, {}, metadata={"x": object()})),
        (NotSerializable, lambda client: begin(client, LINE, {"answer": "\ud800"})),
        (StateTooLarge, lambda client: begin(client, LINE, {"answer": "x" * 2_000})),
        (UnknownNode, lambda client: begin(client, LINE, {}, interrupt_before=["nobody"])),
        (ZeroDivisionError, lambda client: begin(client, branching(START, a_router_that_fails, "a"), {})),
    ],
)
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_what_is_refused_at_the_door_has_written_nothing(
    redis: Redis, error: type[Exception], act: Callable[[Client], object], known: bool
) -> None:
    client = Client(open_connection(redis, Settings(max_value_bytes=1024), RecordingDispatcher()), lambda call: call())
    if known:
        play(Steps(client.connection, client.runs, "w1"), LINE, begin(client, LINE, {}).orders)
    before = everything(redis)

    with pytest.raises(error):
        act(client)

    assert everything(redis) == before


def test_a_node_that_the_graph_no_longer_has_is_refused_before_anything_is_written(
    client: Client, redis: Redis
) -> None:
    begin(client, LINE, {}, interrupt_before="a")
    before = everything(redis)

    with pytest.raises(UnknownNode, match="has no node 'a'"):
        begin(client, line("x", name="line"))

    assert everything(redis) == before


def test_an_inline_run_has_one_due_entry_for_all_of_its_steps(redis: Redis) -> None:
    client = Client(open_connection(redis, Settings(), Inline()), lambda call: call())

    started = begin(client, fan("a", "b"), {})

    place = client.connection.place(THREAD, started.run.id)
    assert redis.zrange(place.keys.due, 0, -1) == [place.run_member().encode()]
    assert client.runs.get(THREAD, started.run.id).inline


def test_a_run_begins_on_a_new_thread_in_two_round_trips(client: Client, redis: Redis, round_trips: list[str]) -> None:
    begin(client, LINE, {"said": ["x"]}, "other")  # Redis has seen the scripts
    round_trips.clear()
    redis.pipeline = None  # type: ignore[method-assign, assignment]

    begin(client, LINE, {"said": ["hi"]})

    assert round_trips == ["EVALSHA", "EVALSHA"]


def test_a_run_begins_in_two_round_trips_on_a_thread_that_ran_elsewhere(
    client: Client, elsewhere: Client, steps: Steps, round_trips: list[str]
) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["hi"]}).orders)
    begin(elsewhere, LINE, {"said": ["x"]}, "other")
    round_trips.clear()

    begun = begin(elsewhere, LINE, {"said": ["more"]})

    assert round_trips == ["EVALSHA", "EVALSHA"]
    held = elsewhere.connection.checkpoints.newest(elsewhere.connection.place(THREAD).keys, "")
    assert held == begun.orders[0].checkpoint_id
    assert state(client, LINE)["said"] == ["hi", "a", "b", "more"]


def test_a_process_that_holds_the_state_is_not_sent_it_to_begin_with(
    client: Client, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["hi"]}).orders)
    sent: list[Standing] = []
    look = Scripts.look_at_thread

    def noted(self: Scripts, place: Place, **args: str | int) -> Standing:
        sent.append(look(self, place, **args))
        return sent[-1]

    monkeypatch.setattr(Scripts, "look_at_thread", noted)

    begin(client, LINE, {"said": ["more"]})

    assert [standing.state for standing in sent] == [None]


def test_a_state_too_large_to_travel_is_loaded_before_a_run_begins(
    client: Client, elsewhere: Client, steps: Steps
) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["x" * 100_000]}).orders)

    begin(elsewhere, LINE, {"said": ["more"]})

    assert [len(text) for text in state(elsewhere, LINE)["said"]] == [100_000, 1, 1, 4]
