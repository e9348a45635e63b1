"""Budgets, as users set and meet them, where steps run in this process."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.workers.asking import CONFIG, Trail
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import InvalidBudget
from treadle.func import entrypoint, task
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.runtime import Runtime, get_runtime
from treadle.types import Command, RetryPolicy, interrupt

Node = Callable[..., Any] | CompiledStateGraph


def spender(name: str, **amounts: float) -> Node:
    """Return a node that reports what it spends."""

    def node(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
        runtime.spend(**amounts)
        return {"trail": [name]}

    return node


def chain(saver: BaseCheckpointSaver, *nodes: Node, **options: Any) -> CompiledStateGraph:
    """Compile a graph of nodes, one after the other."""
    builder, before = StateGraph(Trail), START
    for number, node in enumerate(nodes):
        builder.add_node(str(number), node, retry=RetryPolicy(initial_interval=0.001, jitter=False))
        builder.add_edge(before, str(number))
        before = str(number)
    compiled: CompiledStateGraph = builder.compile(saver, name="spending", **options)
    return compiled


def test_a_run_over_its_budget_pauses_for_a_person_and_goes_on(saver: BaseCheckpointSaver) -> None:
    graph = chain(saver, *(spender(name, tokens=100) for name in "abc"), budget={"tokens": 150})

    output = graph.invoke({"trail": []}, CONFIG)

    assert output["trail"] == ["a", "b"]
    (question,) = output["__interrupt__"]
    assert "200 of 150 tokens of the run" in question.value["reason"]
    paused = graph.get_state(CONFIG)
    assert paused.next == ("2",)
    assert paused.metadata is not None
    assert paused.metadata["budget"]["spent"]["tokens"] == 200
    assert graph.invoke(None, CONFIG, budget={"tokens": 500})["trail"] == ["a", "b", "c"]
    assert "__interrupt__" not in graph.invoke({"trail": []}, {**CONFIG, "budget": {"tokens": None}})


def test_a_graph_inside_pauses_with_the_one_around_it(saver: BaseCheckpointSaver) -> None:
    inner = StateGraph(Trail).add_node("x", spender("x", usd=1)).add_node("y", spender("y", usd=1))
    graph = chain(saver, inner.add_edge(START, "x").add_edge("x", "y").compile(), spender("b"))

    output = graph.invoke({"trail": []}, CONFIG, budget={"usd": 1})

    assert "1 of 1 usd" in output["__interrupt__"][0].value["reason"]
    assert graph.threads.get("t").status == "paused"
    assert graph.invoke(None, CONFIG)["trail"] == ["x", "y", "b"]
    assert graph.threads.budget("t").spent["usd"] == 2


def test_each_attempt_counts_that_ends_in_this_process(saver: BaseCheckpointSaver) -> None:
    attempts: list[int] = []

    def node(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
        attempts.append(1)
        runtime.spend(calls=1)
        if len(attempts) < 3:
            raise ConnectionError
        return {"trail": ["done"]}

    graph = chain(saver, node)
    graph.invoke({"trail": []}, CONFIG)

    assert graph.threads.budget("t").spent["calls"] == 3


def test_a_report_that_does_not_fit_fails_the_node(saver: BaseCheckpointSaver) -> None:
    with pytest.raises(InvalidBudget, match="tokens"):
        chain(saver, spender("a", tokens=-1)).invoke({"trail": []}, CONFIG)
    with pytest.raises(InvalidBudget):
        chain(saver, spender("a"), budget={"tokens": "many"})


def test_parallel_steps_are_added_before_what_follows_them(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail).add_node("join", spender("join"))
    for name in "xyz":
        builder.add_node(name, spender(name, tokens=10)).add_edge(START, name)
    graph = builder.add_edge([*"xyz"], "join").compile(saver)

    output = graph.invoke({"trail": []}, CONFIG, budget={"tokens": 30})

    assert output["trail"] == ["x", "y", "z"]
    assert "30 of 30 tokens" in output["__interrupt__"][0].value["reason"]


def test_what_tasks_spend_counts_once_although_their_function_runs_again(saver: BaseCheckpointSaver) -> None:
    @task
    def buy(usd: float) -> float:
        get_runtime().spend(usd=usd)
        return usd

    @entrypoint(checkpointer=saver)
    def shopping(more: float) -> float:
        bought = [buy(0.1), buy(0.7)]
        return sum(one.result() for one in bought) + buy(interrupt("How much more?")).result()

    shopping.invoke(0, CONFIG)
    assert shopping.threads.budget("t").spent["usd"] == 0.8

    shopping.invoke(Command(resume=0.1), CONFIG)

    assert shopping.threads.budget("t").spent["usd"] == 0.9
