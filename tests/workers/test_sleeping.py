"""Sleeping in nodes, in every way of running in this process."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import treadle.types
from tests.workers.asking import CONFIG, Trail, asked, parallel
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import InvalidSleep, OutsideOfStep, RunCancelled, RunTimeout
from treadle.func import entrypoint, task
from treadle.graph import START, StateGraph
from treadle.types import Command, RetryPolicy, interrupt

NAP_S = 0.03


def kinds(saver: BaseCheckpointSaver) -> list[str]:
    """Return the log of the thread as the kinds of its entries."""
    return [entry.kind for entry in saver.client.log.read("t")]


def test_a_node_that_sleeps_is_run_again_from_its_top(saver: BaseCheckpointSaver) -> None:
    began: list[float] = []

    def node(state: Trail) -> dict[str, Any]:
        began.append(time.monotonic())
        treadle.types.sleep(NAP_S)
        treadle.types.sleep(timedelta(seconds=NAP_S))
        return {"trail": ["rested"]}

    output = parallel(saver, node=node).invoke({"trail": []}, CONFIG)

    assert output == {"trail": ["rested"]}
    assert len(began) == 3
    assert began[2] - began[0] >= 2 * NAP_S
    assert kinds(saver) == [
        "created",
        "started",
        "leased",
        "slept",
        "leased",
        "slept",
        "leased",
        "committed",
        "finished",
    ]


def test_a_moment_that_has_passed_returns_at_once(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        treadle.types.sleep_until(datetime.now(UTC) - timedelta(days=1))
        treadle.types.sleep(0)
        return {"trail": ["at once"]}

    assert parallel(saver, node=node).invoke({"trail": []}, CONFIG) == {"trail": ["at once"]}
    assert "slept" not in kinds(saver)


def test_an_async_node_sleeps_and_may_await_it(saver: BaseCheckpointSaver) -> None:
    async def node(state: Trail) -> dict[str, Any]:
        await treadle.types.sleep(NAP_S)
        await treadle.types.sleep_until(datetime.now(UTC) + timedelta(seconds=NAP_S))
        return {"trail": ["rested"]}

    output = asyncio.run(parallel(saver, node=node).ainvoke({"trail": []}, CONFIG))

    assert output == {"trail": ["rested"]}
    assert kinds(saver).count("slept") == 2


def test_siblings_sleep_side_by_side(saver: BaseCheckpointSaver) -> None:
    def sleeping(name: str, seconds: float) -> Any:
        def node(state: Trail) -> dict[str, Any]:
            treadle.types.sleep(seconds)
            return {"trail": [name]}

        return node

    graph = parallel(saver, a=sleeping("a", 4 * NAP_S), b=sleeping("b", NAP_S), c=sleeping("c", 0))
    began = time.monotonic()

    output = graph.invoke({"trail": []}, CONFIG)

    assert output == {"trail": ["a", "b", "c"]}
    assert time.monotonic() - began >= 4 * NAP_S
    assert kinds(saver).count("slept") == 2


def test_a_sleep_is_over_once_and_for_all_attempts(saver: BaseCheckpointSaver) -> None:
    attempts: list[int] = []

    def node(state: Trail, runtime: Any) -> dict[str, Any]:
        treadle.types.sleep(NAP_S)
        attempts.append(runtime.attempt)
        if len(attempts) == 1:
            raise ConnectionError
        return {"trail": ["second"]}

    builder = StateGraph(Trail).add_node("node", node, retry_policy=RetryPolicy(initial_interval=0.01, jitter=False))

    output = builder.add_edge(START, "node").compile(saver).invoke({"trail": []}, CONFIG)

    assert output == {"trail": ["second"]}
    assert attempts == [1, 2]
    assert kinds(saver).count("slept") == 1


def test_an_error_handler_sleeps_as_any_node_does(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> None:
        treadle.types.sleep(NAP_S)
        raise ConnectionError

    def handler(state: Trail) -> dict[str, Any]:
        treadle.types.sleep(NAP_S)
        return {"trail": ["handled"]}

    builder = StateGraph(Trail).add_node("node", node, error_handler=handler).add_edge(START, "node")

    assert builder.compile(saver).invoke({"trail": []}, CONFIG) == {"trail": ["handled"]}
    assert kinds(saver).count("slept") == 2


def test_a_question_after_a_sleep_does_not_repeat_the_sleep(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        treadle.types.sleep(NAP_S)
        answer = interrupt("well?")
        treadle.types.sleep(NAP_S)
        return {"trail": [answer]}

    graph = parallel(saver, node=node)

    assert asked(graph.invoke({"trail": []}, CONFIG)) == ["well?"]
    assert graph.invoke(Command(resume="yes"), CONFIG) == {"trail": ["yes"]}
    assert kinds(saver).count("slept") == 2


def test_a_loop_sleeps_in_each_of_its_rounds(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> Any:
        treadle.types.sleep(NAP_S)
        return Command(update={"trail": ["round"]}, goto="node" if len(state["trail"]) < 2 else "__end__")

    assert parallel(saver, node=node).invoke({"trail": []}, CONFIG) == {"trail": ["round"] * 3}
    assert kinds(saver).count("slept") == 3


@pytest.mark.parametrize("calls", [False, True], ids=["as a node", "in a node's body"])
def test_a_graph_inside_sleeps(saver: BaseCheckpointSaver, calls: bool) -> None:
    entered: list[str] = []

    def first(state: Trail) -> dict[str, Any]:
        entered.append("first")
        return {"trail": ["first"]}

    def second(state: Trail) -> dict[str, Any]:
        entered.append("second")
        treadle.types.sleep(NAP_S)
        return {"trail": ["second"]}

    child = StateGraph(Trail).add_sequence([("first", first), ("second", second)]).add_edge(START, "first").compile()

    def body(state: Trail) -> Any:
        treadle.types.sleep(NAP_S)
        return {"trail": child.invoke({"trail": []})["trail"]}

    output = parallel(saver, node=body if calls else child).invoke({"trail": []}, CONFIG)

    assert output == {"trail": ["first", "second"]}
    assert entered == ["first", "second", "second"]


def test_a_graph_that_sleeps_can_be_streamed_in_a_body(saver: BaseCheckpointSaver) -> None:
    def inner(state: Trail) -> dict[str, Any]:
        treadle.types.sleep(NAP_S)
        return {"trail": ["inner"]}

    child = parallel(None, inner=inner)

    def body(state: Trail) -> Any:
        return {"trail": list(child.stream({"trail": []}))}

    assert parallel(saver, node=body).invoke({"trail": []}, CONFIG) == {"trail": [{"inner": {"trail": ["inner"]}}]}


def test_tasks_that_sleep_come_to_their_end_once(saver: BaseCheckpointSaver) -> None:
    done: list[float] = []

    @task
    def later(seconds: float) -> float:
        treadle.types.sleep(seconds)
        done.append(seconds)
        return seconds

    @entrypoint(checkpointer=saver)
    def workflow(pauses: list[float]) -> list[float]:
        return [future.result() for future in [later(pause) for pause in pauses]]

    assert workflow.invoke([3 * NAP_S, NAP_S, 0.0], CONFIG) == [3 * NAP_S, NAP_S, 0.0]
    assert sorted(done) == [0.0, NAP_S, 3 * NAP_S]


def test_a_sleep_comes_before_a_question_of_the_same_function(saver: BaseCheckpointSaver) -> None:
    @task
    def asking() -> Any:
        return interrupt("well?")

    @task
    def sleeping() -> None:
        treadle.types.sleep(NAP_S)

    @entrypoint(checkpointer=saver)
    def workflow(given: str) -> Any:
        futures = [asking(), sleeping()]
        return [future.result() for future in futures]

    assert asked(workflow.invoke("x", CONFIG)) == ["well?"]
    assert workflow.invoke(Command(resume="yes"), CONFIG) == ["yes", None]
    assert kinds(saver).count("slept") == 1


def test_a_cancelled_sleep_ends_at_once_and_keeps_its_moment(saver: BaseCheckpointSaver) -> None:
    until = datetime.now(UTC) + timedelta(seconds=20)

    def node(state: Trail) -> dict[str, Any]:
        treadle.types.sleep_until(until)
        return {"trail": []}

    graph = parallel(saver, node=node)
    handle = graph.submit({"trail": []}, CONFIG)
    while "slept" not in kinds(saver):
        time.sleep(0.005)
    (step,) = graph.threads.pending("t")

    assert (step.state, step.due_ms) == ("asleep", round(until.timestamp() * 1000))
    assert handle.cancel()
    with pytest.raises(RunCancelled):
        handle.result(timeout=5)

    again = graph.submit(None, CONFIG)
    while kinds(saver).count("slept") < 2:
        time.sleep(0.005)
    assert graph.threads.pending("t")[0].due_ms == step.due_ms
    again.cancel()


def test_a_run_that_sleeps_past_its_time_limit_ends(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> None:
        treadle.types.sleep(20)

    with pytest.raises(RunTimeout):
        parallel(saver, node=node).invoke({"trail": []}, CONFIG, timeout=0.1)


def test_a_superstep_that_sleeps_past_its_time_limit_ends(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> None:
        treadle.types.sleep(20)

    graph = parallel(saver, node=node)
    graph.step_timeout = 0.1

    with pytest.raises(RunTimeout):
        graph.invoke({"trail": []}, CONFIG)


def test_a_sleep_does_not_count_against_the_time_limit_of_its_node(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        treadle.types.sleep(0.3)
        return {"trail": ["rested"]}

    builder = StateGraph(Trail).add_node("node", node, timeout=0.2).add_edge(START, "node")

    assert builder.compile(saver).invoke({"trail": []}, CONFIG) == {"trail": ["rested"]}


@pytest.mark.parametrize("pause", [-1, float("nan"), float("inf"), 10**400, timedelta(days=40_000), "1", None, True])
def test_a_pause_that_is_none_is_refused(pause: Any) -> None:
    def node(state: Trail) -> None:
        treadle.types.sleep(pause)

    with pytest.raises(InvalidSleep):
        parallel(None, node=node).invoke({"trail": []})


@pytest.mark.parametrize("moment", [datetime(2030, 1, 1), datetime(2230, 1, 1, tzinfo=UTC), 5], ids=str)
def test_a_moment_that_is_none_is_refused(moment: Any) -> None:
    def node(state: Trail) -> None:
        treadle.types.sleep_until(moment)

    with pytest.raises(InvalidSleep):
        parallel(None, node=node).invoke({"trail": []})


def test_nobody_sleeps_outside_of_a_node() -> None:
    with pytest.raises(OutsideOfStep):
        treadle.types.sleep(1)
