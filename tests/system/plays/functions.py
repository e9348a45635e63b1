"""Plays on functions as graphs, their tasks, and async nodes."""

import asyncio
from typing import Any

from tests.system.plays.stage import State, fan, line, says
from tests.system.scenario import Config, Sights, asked, chunks, history, scenario, state
from treadle.config import get_stream_writer
from treadle.func import entrypoint, task
from treadle.graph import CompiledStateGraph
from treadle.runtime import get_runtime
from treadle.types import Command, RetryPolicy, StreamWriter, interrupt


@task
def double(number: int) -> int:
    """Return a number twice, and tell that this ran."""
    get_stream_writer()(number)
    return 2 * number


@task
async def later(number: int) -> int:
    """Return a number a little later."""
    await asyncio.sleep(0.01)
    return number


@task(retry_policy=RetryPolicy(initial_interval=0.01, max_attempts=2, retry_on=ValueError))
def broken(number: int) -> int:
    """Fail."""
    raise ValueError(f"broken {number}")


def adding(numbers: list[int], *, previous: int | None = None) -> int:
    """Add up numbers, twice each, to what was there."""
    return (previous or 0) + sum(each.result() for each in [double(number) for number in numbers])


@scenario(adding)
def a_function_knows_what_it_returned_before(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke([1, 2], config), 6
    yield state(graph, config), (6, (), [])
    yield graph.invoke([3], config), 12
    yield chunks(graph, [5], config), [{"double": 10}, {"adding": 22}]
    yield graph.update_state(config, 100)["configurable"]["checkpoint_ns"], ""
    yield graph.invoke([], config), 100


def approving(number: int) -> Any:
    """Ask about a task's result, between two tasks."""
    doubled = double(number).result()
    answer = interrupt({"doubled": doubled})
    return [answer, double(doubled).result()]


@scenario(approving)
def a_task_that_finished_does_not_run_again(graph: CompiledStateGraph, config: Config) -> Sights:
    modes = ["updates", "custom"]
    question = {"doubled": 2}
    yield chunks(graph, 1, config, stream_mode=modes), [
        ("custom", 1), ("updates", {"double": 2}), ("updates", {"__interrupt__": (question,)}),
    ]  # fmt: skip
    yield asked(graph.invoke(None, config)), [question]
    yield chunks(graph, Command(resume="yes"), config, stream_mode=modes), [
        ("custom", 2), ("updates", {"double": 4}), ("updates", {"approving": ["yes", 4]}),
    ]  # fmt: skip
    yield state(graph, config), (["yes", 4], (), [])


@task
def costly(number: int) -> int:
    """Return a number, for a token, and tell that this ran."""
    get_runtime().spend(tokens=1)
    get_stream_writer()(number)
    return number


def spending(count: int) -> list[int]:
    """Call one task after the other."""
    return [costly(number).result() for number in range(count)]


@scenario(spending, budget={"tokens": 2})
def a_function_that_has_reached_a_limit_goes_on_with_its_next_task(graph: CompiledStateGraph, config: Config) -> Sights:
    reason = "budget: 2 of 2 tokens of the run; raise it and go on?"
    yield chunks(graph, 5, config, stream_mode="custom"), [0, 1]
    yield graph.threads.get(config["thread_id"]).status, "paused"
    yield [one["reason"] for one in asked(graph.invoke(None, config))], [reason]
    yield chunks(graph, None, config, stream_mode="custom"), [4]
    yield state(graph, config), ([0, 1, 2, 3, 4], (), [])


def saving(number: int, *, previous: Any = None) -> entrypoint.final[Any, int]:
    """Return what was saved, and save something else."""
    return entrypoint.final(value=previous, save=number)


@scenario(saving)
def what_is_saved_may_differ_from_what_is_returned(graph: CompiledStateGraph, config: Config) -> Sights:
    yield [graph.invoke(number, config) for number in (1, 2, 3)], [None, 1, 2]


def catching(number: int) -> str:
    """Catch what a task raises."""
    try:
        return str(broken(number).result())
    except ValueError as error:
        return f"caught {error}"


@scenario(catching)
def a_function_catches_what_its_task_raises(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke(7, config), "caught broken 7"


async def gathering(numbers: list[int]) -> list[int]:
    """Run tasks side by side."""
    return list(await asyncio.gather(*[later(number) for number in numbers]))


@scenario(gathering)
def an_async_function_awaits_its_tasks(graph: CompiledStateGraph, config: Config) -> Sights:
    yield asyncio.run(graph.ainvoke([3, 1, 2], config)), [3, 1, 2]
    yield graph.invoke([2, 1], config), [2, 1]


# Async nodes


async def _writes(state: State, writer: StreamWriter) -> State:
    writer("begun")
    await asyncio.sleep(0.01)
    return {"said": ["async"]}


@scenario(line(write=_writes, after=says("after")))
def an_async_node_streams_while_it_runs(graph: CompiledStateGraph, config: Config) -> Sights:
    async def streamed() -> list[Any]:
        return [chunk async for chunk in graph.astream({}, config, stream_mode=["custom", "updates"])]

    expected = [
        ("custom", "begun"),
        ("updates", {"write": {"said": ["async"]}}),
        ("updates", {"after": {"said": ["after"]}}),
    ]
    yield chunks(graph, {}, config, stream_mode=["custom", "updates"]), expected
    yield asyncio.run(streamed()), expected
    yield len(history(graph, config)), 8


@scenario(fan(a=_writes, b=_writes, c=says("sync")))
def async_and_other_nodes_run_side_by_side(graph: CompiledStateGraph, config: Config) -> Sights:
    yield graph.invoke({}, config), {"said": ["async", "async", "sync"]}
