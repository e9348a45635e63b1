"""Inputs that come while a thread is busy, where steps run in this process."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import treadle.types
from tests.servers import until
from tests.workers.asking import CONFIG, Trail, asking
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import GraphDrained, InputsWaiting, RunCancelled, ThreadBusy
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command


class Gate:
    """A node that says that it has begun, and waits until it may go on."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self, state: Trail) -> dict[str, Any]:
        self.begun.set()
        assert self.open.wait(10)
        return {"trail": ["a"]}


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def chain(saver: BaseCheckpointSaver, first: Any, second: Any = lambda state: {"trail": ["b"]}) -> CompiledStateGraph:
    """Compile a graph of two nodes, one after the other."""
    builder = StateGraph(Trail).add_node("a", first).add_node("b", second).add_edge(START, "a").add_edge("a", "b")
    compiled: CompiledStateGraph = builder.compile(saver, name="chain")
    return compiled


def test_enqueued_inputs_run_in_their_order_after_the_active_run(saver: BaseCheckpointSaver, gate: Gate) -> None:
    graph = chain(saver, gate)
    active = graph.submit({"trail": [1]}, CONFIG)
    assert gate.begun.wait(10)
    two, three = (graph.submit({"trail": [number]}, CONFIG, on_busy="enqueue") for number in (2, 3))

    assert (two.status, three.status) == ("pending", "pending")
    assert [one.input for one in graph.threads.inputs("t").list()] == [{"trail": [2]}, {"trail": [3]}]
    with pytest.raises(TimeoutError):
        three.wait(0.01)
    gate.open.set()

    assert three.result(10) == {"trail": [1, "a", "b", 2, "a", "b", 3, "a", "b"]}
    assert active.result(10) == {"trail": [1, "a", "b"]}
    assert two.status == "success"


def test_an_enqueued_run_is_invoked_streamed_and_cancelled_as_any_other(saver: BaseCheckpointSaver, gate: Gate) -> None:
    graph = chain(saver, gate)
    graph.submit({"trail": [1]}, CONFIG)
    assert gate.begun.wait(10)
    dropped = graph.submit({"trail": ["dropped"]}, CONFIG, on_busy="enqueue")
    assert dropped.cancel("said twice")
    with pytest.raises(RunCancelled, match="said twice"):
        dropped.result(10)
    followed = graph.submit({"trail": [2]}, CONFIG, on_busy="enqueue")
    opening = threading.Timer(0.05, gate.open.set)
    opening.start()

    assert [*part_data(followed)] == [{"a": {"trail": ["a"]}}, {"b": {"trail": ["b"]}}]
    assert graph.invoke({"trail": [3]}, CONFIG, on_busy="enqueue")["trail"] == [
        1, "a", "b", 2, "a", "b", 3, "a", "b",
    ]  # fmt: skip
    opening.join()


def part_data(handle: Any) -> Iterator[Any]:
    return (part["data"] for part in handle.stream())


def test_interrupt_keeps_what_the_active_run_has_done(saver: BaseCheckpointSaver, gate: Gate) -> None:
    graph = chain(saver, gate)
    active = graph.submit({"trail": [1]}, CONFIG)
    assert gate.begun.wait(10)
    instead = graph.submit({"trail": [2]}, CONFIG, on_busy="interrupt")
    gate.open.set()

    assert instead.result(10) == {"trail": [1, "a", 2, "a", "b"]}
    assert active.status == "interrupted"
    with pytest.raises(GraphDrained, match=instead.id):
        active.result()


@pytest.mark.parametrize("inside", [False, True], ids=["", "in a graph inside"])
def test_an_input_interrupts_a_run_that_sleeps_at_once(saver: BaseCheckpointSaver, inside: bool) -> None:
    asleep = threading.Event()

    def sleeps(state: Trail) -> dict[str, Any]:
        if state["trail"][-1] == 1:
            asleep.set()
            treadle.types.sleep(3600)
        return {"trail": ["a"]}

    inner = StateGraph(Trail).add_node("x", sleeps).add_edge(START, "x").compile()
    graph = chain(saver, (lambda state: {"trail": inner.invoke(state)["trail"][-1:]}) if inside else sleeps)
    active = graph.submit({"trail": [1]}, CONFIG)
    assert asleep.wait(10)
    until(lambda: graph.threads.pending("t")[0].state == "asleep", "it sleeps")

    instead = graph.submit({"trail": [2]}, CONFIG, on_busy="interrupt")

    assert instead.result(10) == {"trail": [1, 2, "a", "b"]}
    assert active.status == "interrupted"


def test_rollback_takes_the_active_run_back(saver: BaseCheckpointSaver, gate: Gate) -> None:
    first = chain(saver, lambda state: {"trail": ["a"]})
    first.invoke({"trail": [0]}, CONFIG)
    graph = chain(saver, gate)
    active = graph.submit({"trail": [1]}, CONFIG)
    assert gate.begun.wait(10)
    instead = graph.submit({"trail": [2]}, CONFIG, on_busy="rollback")
    assert active.status == "cancelled"
    gate.open.set()

    assert instead.result(10) == {"trail": [0, "a", "b", 2, "a", "b"]}
    with pytest.raises(RunCancelled, match="taken back"):
        active.result()
    assert graph.threads.get("t").status == "idle"


@pytest.mark.parametrize("how", ["interrupt", "rollback"])
def test_a_graph_inside_stops_with_the_one_around_it(saver: BaseCheckpointSaver, gate: Gate, how: str) -> None:
    inner = StateGraph(Trail).add_node("x", gate).add_node("y", lambda state: {"trail": ["y"]})
    graph = chain(saver, inner.add_edge(START, "x").add_edge("x", "y").compile())
    graph.submit({"trail": [1]}, CONFIG)
    assert gate.begun.wait(10)
    instead = graph.submit({"trail": [2]}, CONFIG, on_busy=how)
    gate.open.set()

    begun_with = [1, 2] if how == "interrupt" else [2]
    assert instead.result(10) == {"trail": [*begun_with, *begun_with, "a", "y", "b"]}


def test_an_enqueued_input_waits_for_the_answer_of_a_person(saver: BaseCheckpointSaver) -> None:
    graph = chain(saver, asking("Really?"))
    graph.invoke({"trail": [1]}, CONFIG)

    waiting = graph.submit({"trail": [2]}, CONFIG, on_busy="enqueue")
    assert waiting.status == "pending"
    graph.invoke(Command(resume="yes"), CONFIG)

    assert waiting.wait(10) == "interrupted"
    assert graph.get_state(CONFIG).values["trail"] == [1, "yes", "b", 2]


def test_a_released_input_takes_the_question_away(saver: BaseCheckpointSaver) -> None:
    graph = chain(saver, asking("Really?"))
    graph.invoke({"trail": [1]}, CONFIG)
    first = graph.submit({"trail": [2]}, CONFIG, on_busy="enqueue")

    assert graph.threads.inputs("t").release()
    second = graph.submit({"trail": [3]}, CONFIG, on_busy="enqueue")  # here whoever calls next begins what waits

    assert first.wait(10) == "interrupted"
    assert second.status == "pending"
    with pytest.raises(InputsWaiting):
        graph.threads.terminate("t")
    assert graph.threads.inputs("t").clear() == 1
    graph.threads.delete("t")


def test_a_failure_of_the_active_run_begins_the_next_one(saver: BaseCheckpointSaver, gate: Gate) -> None:
    def fail(state: Trail) -> None:
        gate(state)
        if state["trail"] == [1]:
            raise ValueError("no")

    graph = chain(saver, fail)
    active = graph.submit({"trail": [1]}, CONFIG)
    assert gate.begun.wait(10)
    waiting = graph.submit({"trail": [2]}, CONFIG, on_busy="enqueue")
    with pytest.raises(ThreadBusy, match="enqueue"):
        graph.invoke({"trail": [3]}, CONFIG)
    gate.open.set()

    assert waiting.wait(10) == "success"
    assert active.status == "error"
