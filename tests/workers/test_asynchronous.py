"""The asynchronous calls do what the plain ones do, with async nodes on the loop of whoever awaits them."""

import asyncio
import operator
import threading
from contextvars import ContextVar
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.graph import START, CompiledStateGraph, StateGraph

CONFIG = {"thread_id": "t"}
MANY = 500
WHO = ContextVar("WHO", default="nobody")


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
        await handle.await_end(20)
        await graph.aupdate_state(CONFIG, {"trail": ["mine"]})
        state = await graph.aget_state(CONFIG)
        history = [snapshot async for snapshot in graph.aget_state_history(CONFIG, limit=1)]
        return [output, chunks, state.values, history == [state]]

    output, chunks, values, same = asyncio.run(use())

    assert output == {"trail": ["async"]}
    assert chunks == [{"node": {"trail": ["async"]}}]
    assert values == {"trail": ["async", "async", "async", "mine"]}
    assert same


def test_a_handle_has_asynchronous_forms_too(saver: BaseCheckpointSaver) -> None:
    graph = compiled(saver, node)

    async def use() -> list[Any]:
        handle = await graph.asubmit({"trail": []}, CONFIG)
        parts = [part["data"] async for part in handle.astream()]
        return [parts, await handle.aresult(20), await handle.await_end(), await handle.acancel()]

    parts, output, status, was_active = asyncio.run(use())

    assert parts == [{"node": {"trail": ["async"]}}]
    assert output == {"trail": ["async"]}
    assert (status, was_active) == ("success", False)


def test_async_nodes_and_routers_run_on_the_callers_loop(saver: BaseCheckpointSaver) -> None:
    loops = []

    async def on_loop(state: Trail) -> None:
        loops.append(asyncio.get_running_loop())
        assert asyncio.current_task() is not None

    async def router(state: Trail) -> str:
        loops.append(asyncio.get_running_loop())
        return "last"

    builder = StateGraph(Trail).add_node("first", on_loop).add_node("last", on_loop)
    builder.add_conditional_edges(START, lambda state: "first").add_conditional_edges("first", router)
    graph = builder.compile(saver)

    async def use() -> asyncio.AbstractEventLoop:
        await graph.ainvoke({"trail": []}, CONFIG)
        assert [chunk async for chunk in graph.astream({"trail": []}, CONFIG)]
        return asyncio.get_running_loop()

    here = asyncio.run(use())

    assert loops == [here] * 6


def test_an_async_router_of_the_input_runs_on_the_callers_loop(saver: BaseCheckpointSaver) -> None:
    loops = []

    async def router(state: Trail) -> str:
        loops.append(asyncio.get_running_loop())
        return "node"

    graph = StateGraph(Trail).add_node("node", node).add_conditional_edges(START, router).compile(saver)

    async def use() -> asyncio.AbstractEventLoop:
        await graph.ainvoke({"trail": []}, CONFIG)
        return asyncio.get_running_loop()

    here = asyncio.run(use())

    assert loops == [here]


def test_parallel_async_nodes_meet_at_the_callers_primitives(saver: BaseCheckpointSaver) -> None:
    async def use() -> Any:
        barrier = asyncio.Barrier(3)

        async def meet(state: Trail) -> dict[str, Any]:
            await barrier.wait()
            return {"trail": ["met"]}

        builder = StateGraph(Trail)
        for name in ("a", "b"):
            builder.add_node(name, meet).add_edge(START, name)
        run = asyncio.create_task(builder.compile(saver).ainvoke({"trail": []}, CONFIG))
        await barrier.wait()
        return await run

    assert asyncio.run(use()) == {"trail": ["met", "met"]}


def test_plain_nodes_leave_the_callers_loop_to_others(saver: BaseCheckpointSaver) -> None:
    async def use() -> Any:
        loop, answered = asyncio.get_running_loop(), threading.Event()

        def plain(state: Trail) -> dict[str, Any]:
            loop.call_soon_threadsafe(answered.set)
            return {"trail": [answered.wait(10)]}

        return await compiled(saver, plain).ainvoke({"trail": []}, CONFIG)

    assert asyncio.run(use()) == {"trail": [True]}


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("call", ["invoke", "stream", "ainvoke", "astream"])
def test_nodes_see_the_context_variables_of_their_caller(saver: BaseCheckpointSaver, call: str, kind: str) -> None:
    def plain(state: Trail) -> dict[str, Any]:
        return {"trail": [WHO.get()]}

    async def awaited(state: Trail) -> dict[str, Any]:
        return {"trail": [WHO.get()]}

    graph = compiled(saver, plain if kind == "plain" else awaited)

    async def use() -> None:
        WHO.set("caller")
        if call == "invoke":
            graph.invoke({"trail": []}, CONFIG)
        elif call == "stream":
            list(graph.stream({"trail": []}, CONFIG))
        elif call == "ainvoke":
            await graph.ainvoke({"trail": []}, CONFIG)
        else:
            assert [chunk async for chunk in graph.astream({"trail": []}, CONFIG)]

    asyncio.run(use())

    assert graph.get_state(CONFIG).values == {"trail": ["caller"]}


@pytest.mark.parametrize("call", ["invoke", "ainvoke"])
def test_an_async_node_may_block_its_loop_with_a_graph_that_has_async_nodes(
    saver: BaseCheckpointSaver, call: str
) -> None:
    async def router(state: Trail) -> str:
        return "node"

    builder = StateGraph(Trail).add_node("node", node).add_conditional_edges(START, router)
    inner = builder.add_node("twin", node).add_edge(START, "twin").compile()

    async def outer(state: Trail) -> Any:
        return inner.batch([{"trail": []}])[0] if call == "invoke" else inner.invoke({"trail": []})

    graph = compiled(saver, outer)

    output = (
        graph.invoke({"trail": []}, CONFIG) if call == "invoke" else asyncio.run(graph.ainvoke({"trail": []}, CONFIG))
    )

    assert output == {"trail": ["async", "async"]}


def test_a_submitted_run_outlives_the_loop_that_began_it(saver: BaseCheckpointSaver) -> None:
    go_on = threading.Event()

    async def patient(state: Trail) -> dict[str, Any]:
        await asyncio.to_thread(go_on.wait, 10)
        return {"trail": ["patient"]}

    graph = compiled(saver, patient)
    handle = asyncio.run(graph.asubmit({"trail": []}, CONFIG))

    go_on.set()

    assert handle.result(20) == {"trail": ["patient"]}


def test_what_no_coroutine_can_raise_is_still_an_error_of_the_run(saver: BaseCheckpointSaver) -> None:
    def stops(state: Trail) -> None:
        raise StopIteration

    graph = compiled(saver, stops)

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(graph.ainvoke({"trail": []}, CONFIG))


def test_hundreds_of_runs_wait_at_the_same_time_on_one_loop(saver: BaseCheckpointSaver) -> None:
    async def use() -> list[Any]:
        arrived = asyncio.Barrier(MANY + 1)

        async def wait(state: Trail) -> dict[str, Any]:
            await arrived.wait()
            return {"trail": ["went on"]}

        graph = compiled(saver, wait)
        runs = [asyncio.create_task(graph.ainvoke({"trail": []}, {"thread_id": f"t{n}"})) for n in range(MANY)]
        async with asyncio.timeout(60):
            await arrived.wait()
            return await asyncio.gather(*runs)

    assert asyncio.run(use()) == [{"trail": ["went on"]}] * MANY
