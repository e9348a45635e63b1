"""Several calls at once."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import InvalidConfig
from treadle.graph import CompiledStateGraph, StateGraph

THREADS = [{"thread_id": str(number)} for number in range(3)]


class Number(TypedDict):
    number: float


def compiled(saver: BaseCheckpointSaver | None, node: Any) -> CompiledStateGraph:
    builder = StateGraph(Number).set_entry_point("node")
    builder.add_node("node", node)
    return builder.compile(saver)


def inverse(state: Number) -> dict[str, Any]:
    return {"number": 1 / state["number"]}


def numbers(*values: int) -> list[dict[str, Any]]:
    return [{"number": value} for value in values]


def batch(graph: CompiledStateGraph, *args: Any, **options: Any) -> list[Any]:
    return graph.batch(*args, **options)


def abatch(graph: CompiledStateGraph, *args: Any, **options: Any) -> list[Any]:
    return asyncio.run(graph.abatch(*args, **options))


both = pytest.mark.parametrize("form", [batch, abatch])
Form = Callable[..., list[Any]]


@both
def test_outputs_come_in_the_order_of_the_inputs(saver: BaseCheckpointSaver, form: Form) -> None:
    graph = compiled(saver, inverse)

    outputs = form(graph, numbers(1, 2, 4), THREADS)

    assert outputs == [{"number": 1}, {"number": 0.5}, {"number": 0.25}]
    assert graph.get_state(THREADS[2]).values == {"number": 0.25}


@both
def test_one_config_serves_all_inputs(form: Form) -> None:
    graph = compiled(None, lambda state, config: {"number": config["metadata"]["factor"] * state["number"]})

    assert form(graph, numbers(1, 2), {"metadata": {"factor": 3}}) == [{"number": 3}, {"number": 6}]


@both
def test_nothing_in_nothing_out(form: Form) -> None:
    assert form(compiled(None, inverse), []) == []


@both
def test_the_calls_run_side_by_side(form: Form) -> None:
    met = threading.Barrier(3)

    def meet(state: Number) -> None:
        met.wait(20)

    assert len(form(compiled(None, meet), numbers(1, 2, 3))) == 3


@both
def test_max_concurrency_bounds_how_many_run_at_a_time(form: Form) -> None:
    running = threading.Lock()

    def alone(state: Number) -> dict[str, Any]:
        assert running.acquire(blocking=False)
        running.release()
        return {}

    assert len(form(compiled(None, alone), numbers(*range(20)), {"max_concurrency": 1})) == 20


@both
def test_exceptions_can_take_the_place_of_outputs(form: Form) -> None:
    first, second = form(compiled(None, inverse), numbers(0, 1), return_exceptions=True)

    assert isinstance(first, ZeroDivisionError)
    assert second == {"number": 1}


@both
def test_without_that_the_first_exception_is_raised(form: Form) -> None:
    with pytest.raises(ZeroDivisionError):
        form(compiled(None, inverse), numbers(1, 0))


@both
def test_there_is_a_config_for_each_input(form: Form) -> None:
    with pytest.raises(InvalidConfig, match="got 3 for 2 inputs"):
        form(compiled(None, inverse), numbers(1, 2), THREADS)


def test_the_first_failure_cancels_the_other_calls() -> None:
    async def use() -> list[str]:
        waiting, heard = asyncio.Event(), []

        async def node(state: Number) -> None:
            if state["number"] == 0:
                await waiting.wait()
                raise ZeroDivisionError
            try:
                waiting.set()
                await asyncio.Event().wait()
            finally:
                heard.append("cleaned up")

        with pytest.raises(ZeroDivisionError):
            await compiled(None, node).abatch(numbers(0, 1))
        return heard

    assert asyncio.run(use()) == ["cleaned up"]


def test_a_copy_runs_as_the_graph_does_under_the_same_name() -> None:
    graph = compiled(None, inverse).with_config(tags=["mine"])

    twin = graph.copy()

    assert twin is not graph
    assert twin.get_name() == graph.get_name() == graph.name
    assert twin.config == graph.config
    assert twin.invoke({"number": 2}) == {"number": 0.5}
