"""Drains: a run that is asked to stop does so between two steps, and can be taken up again."""

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import GraphDrained
from treadle.func import entrypoint
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.runtime import RunControl, Runtime

CONFIG = {"thread_id": "t"}


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


def append(item: Any) -> Any:
    return lambda state: {"trail": [item]}


def draining(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
    assert runtime.control is not None
    runtime.control.request_drain("deploy")
    return {"trail": ["drains"]}


def chain(saver: Any, *nodes: Any) -> CompiledStateGraph:
    builder = StateGraph(Trail).add_sequence([(f"n{index}", node) for index, node in enumerate(nodes)])
    return builder.set_entry_point("n0").compile(saver)


def test_a_drained_run_saves_its_checkpoint_and_goes_on_later(saver: BaseCheckpointSaver) -> None:
    graph = chain(saver, draining, append("after"))

    with pytest.raises(GraphDrained) as drained:
        graph.invoke({"trail": []}, CONFIG)
    stopped = graph.get_state(CONFIG)
    output = graph.invoke(None, CONFIG)

    assert drained.value.reason == "deploy"
    assert (stopped.values, stopped.next) == ({"trail": ["drains"]}, ("n1",))
    assert output == {"trail": ["drains", "after"]}


def test_the_caller_and_the_nodes_hold_the_same_control(saver: BaseCheckpointSaver) -> None:
    control, seen = RunControl(), []

    def node(state: Trail, runtime: Runtime[None]) -> None:
        seen.append(runtime.control)

    chain(saver, node).invoke({"trail": []}, CONFIG, control=control)

    assert seen == [control]
    assert not control.drain_requested


def test_the_run_of_a_drained_thread_is_interrupted_and_says_why(saver: BaseCheckpointSaver) -> None:
    with pytest.raises(GraphDrained):
        chain(saver, draining, append("after")).invoke({"trail": []}, CONFIG)

    (run,) = saver.client.runs.recent("t")
    *_, last = saver.client.log.read("t")
    assert (run.status, saver.threads.get("t").status) == ("interrupted", "paused")
    assert (last.kind, last.data["error"]) == ("finished", "GraphDrained('deploy')")


def test_a_stream_yields_what_was_done_and_then_raises(saver: BaseCheckpointSaver) -> None:
    graph, chunks = chain(saver, draining, append("after")), []

    with pytest.raises(GraphDrained):
        for chunk in graph.stream({"trail": []}, CONFIG):
            chunks.append(chunk)

    assert chunks == [{"n0": {"trail": ["drains"]}}]


def test_a_drain_without_work_left_is_a_normal_end(saver: BaseCheckpointSaver) -> None:
    assert chain(saver, draining).invoke({"trail": []}, CONFIG) == {"trail": ["drains"]}


def test_a_run_drained_before_its_start_runs_no_node(saver: BaseCheckpointSaver) -> None:
    control = RunControl()
    control.request_drain()
    graph = chain(saver, append("ran"))

    with pytest.raises(GraphDrained, match="shutdown"):
        graph.invoke({"trail": ["in"]}, CONFIG, control=control)
    stopped = graph.get_state(CONFIG)
    with pytest.raises(GraphDrained):
        graph.invoke(None, CONFIG, control=control)
    output = graph.invoke(None, CONFIG)

    assert (stopped.values, stopped.next) == ({"trail": ["in"]}, ("n0",))
    assert output == {"trail": ["in", "ran"]}


def test_a_breakpoint_on_the_next_node_wins(saver: BaseCheckpointSaver) -> None:
    graph = chain(saver, draining, append("after"))

    paused = graph.invoke({"trail": []}, CONFIG, interrupt_before=["n1"])

    assert paused == {"trail": ["drains"]}
    assert graph.invoke(None, CONFIG) == {"trail": ["drains", "after"]}


def test_siblings_end_before_a_drained_run_stops(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail).add_node("drain", draining).add_node("sibling", append("sibling"))
    builder.add_node("after", append("after")).add_edge(START, "drain").add_edge(START, "sibling")
    graph = builder.add_edge(["drain", "sibling"], "after").compile(saver)

    with pytest.raises(GraphDrained):
        graph.invoke({"trail": []}, CONFIG)

    assert graph.get_state(CONFIG).values == {"trail": ["drains", "sibling"]}


@pytest.mark.parametrize("called", [False, True], ids=["as a node", "in a node's body"])
def test_a_graph_inside_is_drained_between_its_steps_and_goes_on_there(
    saver: BaseCheckpointSaver, called: bool
) -> None:
    ran: list[str] = []

    def first(state: Trail, runtime: Runtime[None]) -> None:
        ran.append("first")
        draining(state, runtime)

    child = chain(None, first, lambda state: ran.append("second"))
    graph = chain(saver, (lambda state: {"trail": [child.invoke(state) and "child"]}) if called else child)

    with pytest.raises(GraphDrained):
        graph.invoke({"trail": []}, CONFIG)
    drained = list(ran)
    graph.invoke(None, CONFIG)

    assert drained == ["first"]
    assert ran == ["first", "second"]


def test_a_handle_drains_a_run_from_anywhere(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
        assert runtime.execution_info is not None
        graph.run_handle("t", runtime.execution_info.run_id).drain("from outside")
        return {"trail": ["first"]}

    graph = chain(saver, node, append("second"))

    with pytest.raises(GraphDrained, match="from outside"):
        graph.invoke({"trail": []}, CONFIG)

    assert graph.get_state(CONFIG).next == ("n1",)


def test_every_way_to_begin_a_run_takes_a_control(saver: BaseCheckpointSaver) -> None:
    @entrypoint(saver)
    def workflow(value: str) -> str:
        return value

    control = RunControl()
    control.request_drain("deploy")

    async def astream() -> list[Any]:
        return [chunk async for chunk in workflow.astream("in", {"thread_id": "astream"}, control=control)]

    ways: dict[str, Callable[[], Any]] = {
        "invoke": lambda: workflow.invoke("in", {"thread_id": "invoke"}, control=control),
        "stream": lambda: list(workflow.stream("in", {"thread_id": "stream"}, control=control)),
        "submit": lambda: workflow.submit("in", {"thread_id": "submit"}, control=control).result(),
        "ainvoke": lambda: asyncio.run(workflow.ainvoke("in", {"thread_id": "ainvoke"}, control=control)),
        "astream": lambda: asyncio.run(astream()),
    }
    for thread_id, way in ways.items():
        with pytest.raises(GraphDrained, match="deploy"):
            way()
        assert workflow.invoke(None, {"thread_id": thread_id}) == "in"
