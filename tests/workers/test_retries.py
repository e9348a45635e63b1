"""Retries in this process: how long it waits, in which way, and what attempts know of each other."""

import operator
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.runtime import Runtime
from treadle.types import RetryPolicy

CONFIG = {"thread_id": "t"}


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


class Broken(Exception):
    """An error that is worth another attempt."""


def graph_of(saver: BaseCheckpointSaver, node: Any, *policies: RetryPolicy) -> CompiledStateGraph:
    builder = StateGraph(Trail)
    builder.add_node("node", node, retry_policy=policies)
    return builder.add_edge(START, "node").compile(saver)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The pauses that were asked for, of which none is taken, with a known noise."""
    seen: list[Any] = []

    async def asleep(delay_s: float) -> None:
        seen.append(("asyncio", delay_s))

    monkeypatch.setattr("time.sleep", lambda delay_s: seen.append(("time", delay_s)))
    monkeypatch.setattr("asyncio.sleep", asleep)
    monkeypatch.setattr("random.uniform", lambda low, high: low + (high - low) / 8)
    return seen


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_the_pauses_grow_and_have_noise(saver: BaseCheckpointSaver, pauses: list[Any], is_async: bool) -> None:
    def plain(state: Trail) -> None:
        raise Broken

    async def awaiting(state: Trail) -> None:
        raise Broken

    policy = RetryPolicy(initial_interval=0.5, backoff_factor=2, max_interval=0.75, max_attempts=4)

    with pytest.raises(Broken):
        graph_of(saver, awaiting if is_async else plain, policy).invoke({"trail": []}, CONFIG)

    way = "asyncio" if is_async else "time"
    assert pauses == [(way, 0.625), (way, 0.875), (way, 0.875)]


def test_the_first_policy_that_covers_an_error_decides(saver: BaseCheckpointSaver, pauses: list[Any]) -> None:
    def node(state: Trail, runtime: Runtime[None]) -> None:
        raise ZeroDivisionError if runtime.attempt == 1 else Broken

    seldom = RetryPolicy(initial_interval=1, max_attempts=2, jitter=False, retry_on=ZeroDivisionError)
    often = RetryPolicy(initial_interval=2, max_attempts=3, jitter=False, retry_on=Broken)

    with pytest.raises(Broken):
        graph_of(saver, node, seldom, often).invoke({"trail": []}, CONFIG)

    assert pauses == [("time", 1), ("time", 4)]


def test_attempts_are_counted_from_one_and_know_when_the_first_began(
    saver: BaseCheckpointSaver, pauses: list[Any]
) -> None:
    infos: list[Any] = []

    def node(state: Trail, runtime: Runtime[None]) -> None:
        infos.append(runtime.execution_info)
        if len(infos) < 3:
            raise Broken

    graph_of(saver, node, RetryPolicy(retry_on=Broken)).invoke({"trail": []}, CONFIG)

    assert [info.node_attempt for info in infos] == [1, 2, 3]
    assert len({info.node_first_attempt_time for info in infos}) == 1
    assert len({info.task_id for info in infos}) == 1


def test_a_failed_step_is_the_only_one_to_run_again_when_the_run_goes_on(saver: BaseCheckpointSaver) -> None:
    calls: list[str] = []

    def broken(state: Trail) -> dict[str, Any]:
        calls.append("broken")
        if calls.count("broken") == 1:
            raise Broken("first")
        return {"trail": ["mended"]}

    def fine(state: Trail) -> dict[str, Any]:
        calls.append("fine")
        return {"trail": ["fine"]}

    builder = StateGraph(Trail).add_node("broken", broken).add_node("fine", fine)
    graph = builder.add_edge(START, "broken").add_edge(START, "fine").compile(saver)

    with pytest.raises(Broken, match="first"):
        graph.invoke({"trail": []}, CONFIG)
    output = graph.invoke(None, CONFIG)

    assert output == {"trail": ["mended", "fine"]}
    assert sorted(calls) == ["broken", "broken", "fine"]


def test_what_a_server_says_of_the_call_reaches_the_node(saver: BaseCheckpointSaver) -> None:
    seen: list[Any] = []

    def node(state: Trail, runtime: Runtime[None]) -> None:
        seen.append((runtime.server_info, runtime.previous, runtime.override(previous=1).previous))

    config = {"configurable": {"thread_id": "t", "assistant_id": "a1", "graph_id": "g1"}}
    graph_of(saver, node).invoke({"trail": []}, config)
    graph_of(saver, node).invoke({"trail": []}, {"thread_id": "other"})

    ((server, previous, overridden), (nobody, *_)) = seen
    assert (server.assistant_id, server.graph_id, previous, overridden) == ("a1", "g1", None, 1)
    assert nobody is None
