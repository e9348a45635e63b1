"""Time limits of nodes and supersteps, as users meet them in this process."""

import asyncio
import operator
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableConfig

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import NodeTimeoutError, RunTimeout
from treadle.func import entrypoint
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.runtime import Runtime
from treadle.types import RetryPolicy, Send, TimeoutPolicy

CONFIG = {"thread_id": "t"}


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """What a node may wait for in vain; it is set when the test has ended, so that no thread stays."""
    event = threading.Event()
    yield event
    event.set()


def graph_of(saver: BaseCheckpointSaver, node: Any, **options: Any) -> CompiledStateGraph:
    builder = StateGraph(Trail)
    builder.add_node("node", node, **options)
    return builder.add_edge(START, "node").compile(saver)


def test_a_plain_node_that_runs_too_long_fails_with_all_that_is_known(
    saver: BaseCheckpointSaver, never: threading.Event
) -> None:
    graph = graph_of(saver, lambda state: never.wait(30), timeout=TimeoutPolicy(run_timeout=0.05, idle_timeout=20))

    with pytest.raises(NodeTimeoutError) as up:
        graph.invoke({"trail": []}, CONFIG)

    error = up.value
    assert (error.node, error.kind, error.timeout) == ("node", "run", 0.05)
    assert (error.run_timeout, error.idle_timeout) == (0.05, 20.0)
    assert error.elapsed is not None and error.elapsed >= 0.05
    assert not isinstance(error, TimeoutError)
    stored = saver.client.runs.recent("t")[0].error
    assert stored is not None and tuple(stored["args"]) == error.args


@pytest.mark.parametrize("kind", ["run", "idle"])
def test_an_async_node_is_cancelled_at_its_await(saver: BaseCheckpointSaver, kind: str) -> None:
    ended: list[str] = []

    async def node(state: Trail) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")

    limit = TimeoutPolicy(run_timeout=0.05) if kind == "run" else TimeoutPolicy(idle_timeout=timedelta(seconds=0.05))

    with pytest.raises(NodeTimeoutError) as up:
        graph_of(saver, node, timeout=limit).invoke({"trail": []}, CONFIG)

    assert (up.value.kind, ended) == (kind, ["cancelled"])


def lively(sign: str, is_async: bool) -> Any:
    """Return a node that takes twice its idle limit, and gives signs of life all the while."""

    def live(runtime: Runtime[None]) -> None:
        runtime.heartbeat() if sign == "heartbeat" else runtime.stream_writer("alive")

    def plain(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
        for _ in range(8):
            threading.Event().wait(0.1)
            live(runtime)
        return {"trail": ["done"]}

    async def awaiting(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
        for _ in range(8):
            await asyncio.sleep(0.1)
            live(runtime)
        return {"trail": ["done"]}

    return awaiting if is_async else plain


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize("sign", ["heartbeat", "stream"])
def test_signs_of_life_keep_a_node_from_its_idle_limit(saver: BaseCheckpointSaver, sign: str, is_async: bool) -> None:
    graph = graph_of(saver, lively(sign, is_async), timeout=TimeoutPolicy(idle_timeout=0.6))

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": ["done"]}


def test_the_tokens_of_a_model_are_signs_of_life(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail, config: RunnableConfig) -> dict[str, Any]:
        model = FakeListChatModel(responses=["8 tokens"], sleep=0.1)
        return {"trail": ["".join(str(chunk.content) for chunk in model.stream("?", config))]}

    graph = graph_of(saver, node, timeout=TimeoutPolicy(idle_timeout=0.6))

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": ["8 tokens"]}


def test_where_heartbeats_alone_count_what_is_streamed_does_not(saver: BaseCheckpointSaver) -> None:
    policy = TimeoutPolicy(idle_timeout=0.6, refresh_on="heartbeat")

    with pytest.raises(NodeTimeoutError) as up:
        graph_of(saver, lively("stream", True), timeout=policy).invoke({"trail": []}, CONFIG)

    assert graph_of(saver, lively("heartbeat", True), timeout=policy).invoke({"trail": []}, {"thread_id": "beats"})
    assert up.value.kind == "idle"


def test_the_limit_of_a_send_stands_for_its_nodes(saver: BaseCheckpointSaver, never: threading.Event) -> None:
    builder = StateGraph(Trail)
    builder.add_node("item", lambda arg: never.wait(30) if arg == "slow" else {"trail": [arg]}, timeout=20)
    builder.add_conditional_edges(START, lambda state: [Send("item", "slow", timeout=0.05), Send("item", "fast")])
    graph = builder.compile(saver)

    with pytest.raises(NodeTimeoutError) as up:
        graph.invoke({"trail": []}, CONFIG)
    with pytest.raises(NodeTimeoutError) as again:
        graph.invoke(None, CONFIG)

    assert up.value.run_timeout == again.value.run_timeout == 0.05
    assert graph.get_state(CONFIG).values == {"trail": ["fast"]}


def test_a_time_limit_is_worth_another_attempt(saver: BaseCheckpointSaver, never: threading.Event) -> None:
    def node(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
        if runtime.attempt == 1:
            never.wait(30)
        return {"trail": [runtime.attempt]}

    policy = RetryPolicy(initial_interval=0.001, jitter=False)
    graph = graph_of(saver, node, timeout=0.1, retry_policy=policy)

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": [2]}


def test_a_superstep_that_takes_too_long_ends_the_run_and_keeps_what_has_finished(
    saver: BaseCheckpointSaver, never: threading.Event
) -> None:
    cancelled: list[str] = []

    async def waiting(state: Trail) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append("async")
            raise

    builder = StateGraph(Trail).add_node("quick", lambda state: {"trail": ["quick"]}).add_node("async", waiting)
    builder.add_node("plain", lambda state: never.wait(30))
    graph = builder.add_edge(START, "quick").add_edge(START, "async").add_edge(START, "plain").compile(saver)
    graph.step_timeout = 0.3
    chunks: list[Any] = []

    with pytest.raises(TimeoutError, match=r"superstep ran longer than its time limit of 0\.3 s"):
        for chunk in graph.stream({"trail": []}, CONFIG):
            chunks.append(chunk)

    assert chunks == [{"quick": {"trail": ["quick"]}}]
    assert cancelled == ["async"]
    stopped = graph.get_state(CONFIG)
    assert (stopped.values, set(stopped.next)) == ({"trail": ["quick"]}, {"async", "plain"})


def test_every_superstep_has_the_whole_of_its_time(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        threading.Event().wait(0.2)
        return {"trail": ["done"]}

    builder = StateGraph(Trail).add_sequence([("a", node), ("b", node), ("c", node)]).set_entry_point("a")
    graph = builder.compile(saver)
    graph.step_timeout = 0.5

    assert graph.with_config({"tags": ["copy"]}).step_timeout == 0.5
    assert graph.invoke({"trail": []}, CONFIG) == {"trail": ["done"] * 3}


def test_the_step_timeout_of_an_entrypoint_is_that_of_its_function(
    saver: BaseCheckpointSaver, never: threading.Event
) -> None:
    @entrypoint(saver)
    def workflow(value: str) -> None:
        never.wait(30)

    workflow.step_timeout = 0.05

    with pytest.raises(RunTimeout, match="superstep"):
        workflow.with_config(tags=["limited"]).invoke("in", CONFIG)
