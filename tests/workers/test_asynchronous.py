"""The asynchronous calls do what the plain ones do, and give up a run with their caller."""

import asyncio
import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.graph import CompiledStateGraph, StateGraph

CONFIG = {"thread_id": "t"}


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


def compiled(saver: BaseCheckpointSaver, node: Any) -> CompiledStateGraph:
    builder = StateGraph(Trail).set_entry_point("node")
    builder.add_node("node", node)
    return builder.compile(saver)


async def node(state: Trail) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"trail": ["async"]}


def test_every_call_has_an_asynchronous_form(saver: BaseCheckpointSaver) -> None:
    graph = compiled(saver, node)

    async def use() -> list[Any]:
        output = await graph.ainvoke({"trail": []}, CONFIG)
        chunks = [chunk async for chunk in graph.astream({"trail": []}, CONFIG)]
        handle = await graph.asubmit({"trail": []}, CONFIG)
        await asyncio.to_thread(handle.wait)
        await graph.aupdate_state(CONFIG, {"trail": ["mine"]})
        state = await graph.aget_state(CONFIG)
        history = [snapshot async for snapshot in graph.aget_state_history(CONFIG, limit=1)]
        return [output, chunks, state.values, history == [state]]

    output, chunks, values, same = asyncio.run(use())

    assert output == {"trail": ["async"]}
    assert chunks == [{"node": {"trail": ["async"]}}]
    assert values == {"trail": ["async", "async", "async", "mine"]}
    assert same


def test_cancelling_the_caller_cancels_its_run(saver: BaseCheckpointSaver) -> None:
    running, go_on = threading.Event(), threading.Event()

    def slow(state: Trail) -> None:
        running.set()
        go_on.wait(20)

    graph = compiled(saver, slow)

    async def use() -> None:
        task = asyncio.create_task(graph.ainvoke({"trail": []}, CONFIG))
        await asyncio.to_thread(running.wait, 10)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(_released(use(), go_on))

    assert saver.client.runs.recent("t")[0].status == "cancelled"


async def _released(call: Any, go_on: threading.Event) -> None:
    """Run a coroutine, and let the node end afterwards: Python waits for its thread."""
    try:
        await call
    finally:
        go_on.set()
