"""Whoever waits for a run in its process takes it along: its async nodes end with the caller."""

import _thread
import asyncio
import operator
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.errors import NodeCancelledError
from treadle.graph import START, CompiledStateGraph, StateGraph

CONFIG = {"thread_id": "t"}
EMPTY: dict[str, Any] = {"trail": []}


class Trail(TypedDict):
    trail: Annotated[list[str], operator.add]


class Patient:
    """An async node that waits for ever in its first run, and tells how it ended."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.heard: list[str] = []
        self.runs = 0

    async def __call__(self, state: Trail) -> dict[str, Any]:
        self.runs += 1
        if self.runs > 1:
            return {"trail": ["patient"]}
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.heard.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            self.heard.append("cleaned up")
        return {}


class Quick:
    """An async node that ends at once, and counts."""

    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self, state: Trail) -> dict[str, Any]:
        self.runs += 1
        return {"trail": ["quick"]}


def parallel(saver: BaseCheckpointSaver | None, **nodes: Any) -> CompiledStateGraph:
    builder = StateGraph(Trail)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder.compile(saver)


def status(saver: BaseCheckpointSaver) -> str:
    return saver.client.runs.recent("t")[0].status.value


async def seen(graph: CompiledStateGraph, done: Callable[[Any], bool]) -> None:
    """Wait until the run that is active has come to a point."""
    while not done(await graph.aget_state(CONFIG)):
        await asyncio.sleep(0)


async def begun(patient: Patient) -> None:
    assert await asyncio.to_thread(patient.began.wait, 10)


async def cancelled(graph: CompiledStateGraph, patient: Patient) -> None:
    task = asyncio.create_task(graph.ainvoke(EMPTY, CONFIG))
    await begun(patient)
    await seen(graph, lambda state: "quick" not in state.next)
    task.cancel()
    await task


async def timed_out(graph: CompiledStateGraph, patient: Patient) -> None:
    async with asyncio.timeout(None) as limit:
        waiting = asyncio.create_task(begun(patient))
        waiting.add_done_callback(lambda _: limit.reschedule(0))
        await graph.ainvoke(EMPTY, CONFIG)


async def closed(graph: CompiledStateGraph, patient: Patient) -> None:
    stream = graph.astream(EMPTY, CONFIG, stream_mode="tasks")
    async for _ in stream:
        await begun(patient)
        break
    await stream.aclose()  # type: ignore[attr-defined]


async def cancelled_in_a_stream(graph: CompiledStateGraph, patient: Patient) -> None:
    async def follow() -> None:
        async for _ in graph.astream(EMPTY, CONFIG):
            pass

    task = asyncio.create_task(follow())
    await begun(patient)
    task.cancel()
    await task


WAYS = [cancelled, timed_out, closed, cancelled_in_a_stream]
Way = Callable[[CompiledStateGraph, Patient], Awaitable[None]]


@pytest.mark.parametrize("way", WAYS)
def test_async_nodes_have_ended_when_their_caller_goes_on(saver: BaseCheckpointSaver, way: Way) -> None:
    patient = Patient()
    graph = parallel(saver, patient=patient)

    async def use() -> tuple[list[str], str]:
        with suppress(asyncio.CancelledError, TimeoutError):
            await way(graph, patient)
        return list(patient.heard), status(saver)

    heard, ended_as = asyncio.run(use())

    assert heard == ["cancelled", "cleaned up"]
    assert ended_as == "cancelled"


def test_a_cancelled_thread_goes_on_with_what_was_not_finished(saver: BaseCheckpointSaver) -> None:
    patient, quick = Patient(), Quick()
    graph = parallel(saver, patient=patient, quick=quick)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled(graph, patient))

    output = graph.invoke(None, CONFIG)

    assert output == {"trail": ["patient", "quick"]}
    assert (patient.runs, quick.runs) == (2, 1)


def test_plain_nodes_of_a_cancelled_run_end_alone(saver: BaseCheckpointSaver) -> None:
    running, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def plain(state: Trail) -> dict[str, Any]:
        running.set()
        go_on.wait(20)
        ended.set()
        return {"trail": ["plain"]}

    graph = parallel(saver, plain=plain)

    async def use() -> bool:
        task = asyncio.create_task(graph.ainvoke(EMPTY, CONFIG))
        await asyncio.to_thread(running.wait, 10)
        task.cancel()
        await asyncio.wait([task])
        return ended.is_set()

    had_ended = asyncio.run(use())
    go_on.set()

    assert not had_ended
    assert ended.wait(10)
    assert graph.get_state(CONFIG).next == ("plain",)


def test_a_caller_that_is_cancelled_before_its_run_began_leaves_the_thread_free(saver: BaseCheckpointSaver) -> None:
    quick = Quick()
    graph = parallel(saver, quick=quick)

    async def use() -> Any:
        task = asyncio.create_task(graph.ainvoke(EMPTY, CONFIG))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return await graph.ainvoke(EMPTY, CONFIG)

    assert asyncio.run(use()) == {"trail": ["quick"]}


def test_closing_a_plain_stream_cancels_its_async_nodes(saver: BaseCheckpointSaver) -> None:
    patient = Patient()
    stream = parallel(saver, patient=patient).stream(EMPTY, CONFIG, stream_mode="tasks")
    next(stream)
    patient.began.wait(10)

    stream.close()  # type: ignore[attr-defined]

    assert patient.heard == ["cancelled", "cleaned up"]
    assert status(saver) == "cancelled"


def test_ctrl_c_cancels_async_nodes(saver: BaseCheckpointSaver) -> None:
    patient = Patient()

    def interrupts(state: Trail) -> None:
        patient.began.wait(10)
        _thread.interrupt_main()

    with pytest.raises(KeyboardInterrupt):
        parallel(saver, interrupts=interrupts, patient=patient).invoke(EMPTY, CONFIG)

    assert patient.heard == ["cancelled", "cleaned up"]
    assert status(saver) == "cancelled"


@pytest.mark.parametrize("form", ["invoke", "ainvoke"])
def test_a_failure_cancels_the_async_siblings_and_keeps_what_finished(saver: BaseCheckpointSaver, form: str) -> None:
    patient, quick, fails = Patient(), Quick(), iter([True])

    async def bad(state: Trail) -> dict[str, Any]:
        if not next(fails, False):
            return {"trail": ["bad"]}
        await begun(patient)
        await seen(graph, lambda state: "quick" not in state.next)
        raise ZeroDivisionError("as planned")

    graph = parallel(saver, bad=bad, patient=patient, quick=quick)

    with pytest.raises(ZeroDivisionError, match="as planned") as raised:
        if form == "invoke":
            graph.invoke(EMPTY, CONFIG)
        else:
            asyncio.run(graph.ainvoke(EMPTY, CONFIG))

    task_ids = {task.name: task.id for task in graph.get_state(CONFIG).tasks}
    assert raised.value.__notes__ == [f"During task with name 'bad' and id {task_ids['bad']!r}"]
    assert patient.heard == ["cancelled", "cleaned up"]
    assert status(saver) == "error"
    assert graph.invoke(None, CONFIG) == {"trail": ["bad", "patient", "quick"]}
    assert quick.runs == 1


def test_a_plain_sibling_of_a_failure_ends_alone_and_is_kept(saver: BaseCheckpointSaver) -> None:
    failing, runs = threading.Event(), []
    patient = Patient()

    async def bad(state: Trail) -> dict[str, Any]:
        if failing.is_set():
            return {"trail": ["bad"]}
        await begun(patient)
        failing.set()
        raise ZeroDivisionError

    def plain(state: Trail) -> dict[str, Any]:
        runs.append("plain")
        failing.wait(10)
        return {"trail": ["plain"]}

    graph = parallel(saver, bad=bad, patient=patient, plain=plain)

    with pytest.raises(ZeroDivisionError):
        graph.invoke(EMPTY, CONFIG)

    assert graph.invoke(None, CONFIG) == {"trail": ["bad", "patient", "plain"]}
    assert runs == ["plain"]


def test_a_node_that_cancels_itself_fails(saver: BaseCheckpointSaver) -> None:
    async def gives_up(state: Trail) -> None:
        raise asyncio.CancelledError

    graph = parallel(saver, gives_up=gives_up)

    with pytest.raises(NodeCancelledError) as raised:
        asyncio.run(graph.ainvoke(EMPTY, CONFIG))

    assert raised.value.node == "gives_up"
    assert status(saver) == "error"


def test_cancelling_reaches_the_graphs_that_plain_nodes_invoke() -> None:
    patient = Patient()
    inner = parallel(None, patient=patient)
    graph = parallel(MemorySaver(), outer=lambda state: inner.invoke(EMPTY))

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled(graph, patient))

    assert patient.heard == ["cancelled", "cleaned up"]
