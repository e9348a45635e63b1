"""What functions call while they run: side by side, and each task once."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.errors import NodeCancelledError, NodeTimeoutError, NotSerializable
from treadle.func import entrypoint, task
from treadle.graph import START, StateGraph
from treadle.runtime import Runtime, get_runtime
from treadle.types import Command, RetryPolicy, StreamWriter, interrupt

CONFIG = {"thread_id": "t"}


@dataclass
class Point:
    x: int


class Trail(TypedDict):
    trail: list[Any]


@task
def double(number: int) -> int:
    return 2 * number


@task
def ask(question: str) -> Any:
    return interrupt(question)


def counted(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[Any]]:
    """Return a function with a list of what it was called with."""
    calls: list[Any] = []

    def call(value: Any) -> Any:
        calls.append(value)
        return function(value)

    return call, calls


# Calling


def test_tasks_run_at_the_same_time(saver: BaseCheckpointSaver) -> None:
    barrier = threading.Barrier(3, timeout=10)

    @task
    def meet(number: int) -> int:
        barrier.wait()
        return number

    @task
    async def meet_async(number: int) -> int:
        await asyncio.to_thread(barrier.wait)
        return number

    @entrypoint(checkpointer=saver)
    def flow(numbers: list[int]) -> list[int]:
        futures = [meet(numbers[0]), meet(numbers[1]), meet_async(numbers[2])]
        return [future.result() for future in futures]

    assert flow.invoke([1, 2, 3], CONFIG) == [1, 2, 3]


def test_async_entrypoints_await_tasks_of_both_kinds(saver: BaseCheckpointSaver) -> None:
    @task
    async def half(number: int) -> float:
        await asyncio.sleep(0)
        return number / 2

    @entrypoint(checkpointer=saver)
    async def flow(number: int) -> list[float]:
        return [await double(number), *(await asyncio.gather(half(number), double(number + 1)))]

    assert asyncio.run(flow.ainvoke(2, CONFIG)) == [4, 1.0, 6]


def test_async_code_that_would_block_its_loop_is_told_to_await(saver: BaseCheckpointSaver) -> None:
    @task
    async def forever() -> None:
        await asyncio.Event().wait()

    @entrypoint(checkpointer=saver)
    async def flow(_: Any) -> None:
        forever().result()

    with pytest.raises(RuntimeError, match="await it"):
        flow.invoke(1, CONFIG)


def test_a_task_is_given_what_it_asks_for_unless_the_caller_gives_it() -> None:
    @task
    def write(value: str, writer: StreamWriter, runtime: Runtime[None]) -> str:
        writer(value)
        assert runtime.execution_info is not None
        return runtime.execution_info.checkpoint_ns.partition(":")[0]

    @entrypoint(checkpointer=MemorySaver())
    def flow(_: None) -> list[str]:
        kept: list[str] = []
        names = [write("live").result(), write("kept", writer=kept.append).result()]  # type: ignore[call-arg]
        return [*names, *kept]

    assert list(flow.stream(1, CONFIG, stream_mode="custom")) == ["live"]
    assert flow.get_state(CONFIG).values == ["write", "write", "kept"]


def test_nodes_and_tasks_call_tasks(saver: BaseCheckpointSaver) -> None:
    @task
    def twice(number: int) -> int:
        return double(double(number).result()).result()

    def node(state: Trail) -> Trail:
        return {"trail": [twice(1).result()]}

    graph = StateGraph(Trail).add_node("node", node).add_edge(START, "node").compile(saver)

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": [4]}


def test_graphs_called_in_tasks_and_entrypoints_have_frames_of_their_own(saver: BaseCheckpointSaver) -> None:
    child = StateGraph(Trail).add_node("ask", lambda state: {"trail": [interrupt(state["trail"][0])]})
    graph = child.add_edge(START, "ask").compile()

    @task
    def call(question: str) -> Any:
        return graph.invoke({"trail": [question]})["trail"]

    @entrypoint(checkpointer=saver)
    def flow(questions: list[str]) -> Any:
        futures = [call(question) for question in questions]
        return [future.result() for future in futures]

    asked = flow.invoke(["a?", "b?"], CONFIG)["__interrupt__"]
    answers = {question.id: question.value.upper() for question in asked}

    assert [question.value for question in asked] == ["a?", "b?"]
    assert flow.invoke(Command(resume=answers), CONFIG) == [["A?"], ["B?"]]


def test_of_a_graph_that_a_function_calls_streams_show_what_its_nodes_write(saver: BaseCheckpointSaver) -> None:
    def write(state: Trail, writer: StreamWriter) -> None:
        writer("from inside")

    graph = StateGraph(Trail).add_node("write", write).add_edge(START, "write").compile()

    @entrypoint(checkpointer=saver)
    def flow(given: list[Any]) -> Any:
        return graph.invoke({"trail": given})["trail"]

    assert list(flow.stream([1], CONFIG, stream_mode=["custom", "updates"])) == [
        ("custom", "from inside"),
        ("updates", {"flow": [1]}),
    ]


def test_a_value_that_cannot_be_stored_is_the_tasks_failure(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(value: int) -> Any:
        return task(lambda: object(), name="odd")().result()

    with pytest.raises(NotSerializable, match="odd"):
        flow.invoke(1, CONFIG)


# Recording


def test_finished_tasks_do_not_run_again_on_resume(saver: BaseCheckpointSaver) -> None:
    function, calls = counted(lambda value: Point(value))
    work = task(name="work")(function)
    work.func.__annotations__["return"] = Point

    @entrypoint(checkpointer=saver)
    def flow(numbers: list[int]) -> Any:
        futures = [work(number) for number in numbers]
        return [future.result().x for future in futures], interrupt("?")

    flow.invoke([1, 2], CONFIG)

    assert flow.invoke(Command(resume="yes"), CONFIG) == ([1, 2], "yes")
    assert sorted(calls) == [1, 2]


def test_after_a_failure_only_unfinished_tasks_run_again(saver: BaseCheckpointSaver) -> None:
    broken = [True]
    good, goods = counted(lambda value: value)
    bad, bads = counted(lambda value: 1 / 0 if broken else value)
    good_task, bad_task = task(name="good")(good), task(name="bad")(bad)

    @task
    def outer(value: int) -> int:
        return int(good_task(value).result() + bad_task(value).result())

    @entrypoint(checkpointer=saver)
    def flow(value: int) -> int:
        return outer(value).result()

    with pytest.raises(ZeroDivisionError):
        flow.invoke(1, CONFIG)
    broken.clear()

    assert flow.invoke(None, CONFIG) == 2
    assert (goods, bads) == ([1], [1, 1])


def test_a_new_input_calls_all_tasks_anew(saver: BaseCheckpointSaver) -> None:
    function, calls = counted(lambda value: value)
    work = task(name="work")(function)

    @entrypoint(checkpointer=saver)
    def flow(value: int) -> Any:
        return work(value).result(), interrupt("?")

    flow.invoke(1, CONFIG)
    flow.invoke(2, CONFIG)

    assert flow.invoke(Command(resume="yes"), CONFIG) == (2, "yes")
    assert calls == [1, 2]


def test_a_replay_from_an_old_checkpoint_calls_all_tasks_anew(saver: BaseCheckpointSaver) -> None:
    function, calls = counted(lambda value: value)
    work = task(name="work")(function)
    flow = entrypoint(checkpointer=saver)(partial(_work, work))
    flow.invoke(1, CONFIG)
    first = list(flow.get_state_history(CONFIG))[-1]

    assert flow.invoke(None, first.config) == 1
    assert calls == [1, 1]


def _work(work: Any, value: int) -> Any:
    return work(value).result()


def test_a_tasks_failure_can_be_caught(saver: BaseCheckpointSaver) -> None:
    @task
    def fail() -> None:
        raise ValueError("no")

    @entrypoint(checkpointer=saver)
    def flow(_: Any) -> str:
        try:
            fail().result()
        except ValueError as error:
            return f"caught {error}"
        return "not caught"

    assert flow.invoke(1, CONFIG) == "caught no"


def test_a_task_is_tried_as_often_as_its_policy_says(saver: BaseCheckpointSaver) -> None:
    inner, inners = counted(lambda value: value)
    inner_task = task(name="inner")(inner)

    @task(retry_policy=RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError))
    def flaky() -> int:
        inner_task("once").result()
        if get_runtime().attempt < 3:
            raise ValueError
        return get_runtime().attempt

    @entrypoint(checkpointer=saver)
    def flow(_: Any) -> int:
        return flaky().result()

    assert flow.invoke(1, CONFIG) == 3
    assert inners == ["once"]


def test_an_async_task_keeps_to_its_time_limit(saver: BaseCheckpointSaver) -> None:
    @task(timeout=0.01)
    async def hang() -> None:
        await asyncio.Event().wait()

    @entrypoint(checkpointer=saver)
    def flow(_: Any) -> None:
        hang().result()

    with pytest.raises(NodeTimeoutError, match="hang"):
        flow.invoke(1, CONFIG)


def test_an_async_task_that_cancels_itself_has_failed(saver: BaseCheckpointSaver) -> None:
    @task
    async def cancel() -> None:
        raise asyncio.CancelledError

    @entrypoint(checkpointer=saver)
    async def flow(_: Any) -> None:
        await cancel()

    with pytest.raises(NodeCancelledError, match="cancel"):
        flow.invoke(1, CONFIG)


def test_when_the_function_fails_its_async_tasks_are_cancelled_and_the_others_finish(
    saver: BaseCheckpointSaver,
) -> None:
    seen: list[str] = []
    started, failed = threading.Barrier(3, timeout=10), threading.Event()

    @task
    async def hang() -> None:
        try:
            await asyncio.to_thread(started.wait)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            failed.set()
            raise

    @task
    def work() -> str:
        seen.append("work")
        started.wait()
        failed.wait(10)
        return "done"

    @entrypoint(checkpointer=saver)
    def flow(_: Any) -> str:
        hang()
        future = work()
        if not failed.is_set():
            started.wait()
            raise ZeroDivisionError
        return future.result()

    with pytest.raises(ZeroDivisionError):
        flow.invoke(1, CONFIG)

    assert seen == ["work", "cancelled"]


def test_tasks_that_a_failure_cancelled_run_again(saver: BaseCheckpointSaver) -> None:
    runs: list[str] = []
    began = threading.Event()

    @task
    async def hang() -> str:
        runs.append("hang")
        if len(runs) == 1:
            began.set()
            await asyncio.Event().wait()
        return "hang"

    @task
    def bad() -> str:
        began.wait(10)
        runs.append("bad")
        if runs == ["hang", "bad"]:
            raise ZeroDivisionError
        return "bad"

    @entrypoint(checkpointer=saver)
    def flow(_: Any) -> list[str]:
        futures = [hang(), bad()]
        return [future.result() for future in reversed(futures)]

    with pytest.raises(ZeroDivisionError):
        flow.invoke(1, CONFIG)

    assert flow.invoke(None, CONFIG) == ["bad", "hang"]
    assert sorted(runs) == ["bad", "bad", "hang", "hang"]
