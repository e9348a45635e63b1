"""A function becomes a graph of one node."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from graphs.builder import GraphBuilder
from graphs.checkpoint import Result
from graphs.commands import PREVIOUS, START, Command, Returned
from graphs.entry import entry_graph
from graphs.errors import InvalidGraph
from graphs.graph import Graph
from graphs.planner import node_to_write_as, plan_entry, plan_next
from graphs.retry import RetryPolicy
from graphs.updates import written


@dataclass
class Question:
    text: str


@dataclass
class Answer:
    text: str


@dataclass
class Notes:
    text: str


def flow(question: Question, *, previous: Notes | None = None) -> Returned[Answer, Notes]:
    return Returned(Answer(question.text), Notes(""))


GRAPH = entry_graph(flow, retry_policy=RetryPolicy(max_attempts=7))


def started(graph: Graph, value: Any) -> Any:
    return plan_entry(graph, None, graph.input.read(value), "1")


def test_it_is_named_after_its_function_as_is_its_node() -> None:
    assert (GRAPH.name, list(GRAPH.nodes), GRAPH.triggers("flow")) == ("flow", ["flow"], (START,))
    assert GRAPH.node("flow").retry[0].max_attempts == 7


def test_its_classes_are_those_of_its_input_its_result_and_what_it_saves() -> None:
    assert {Question, Answer, Notes} <= GRAPH.classes


def test_an_input_makes_one_checkpoint_at_which_the_function_is_due() -> None:
    checkpoint = started(GRAPH, "tea?")

    assert (checkpoint.source, checkpoint.number, checkpoint.parent_id) == ("input", -1, None)
    assert [(step.node, step.triggers) for step in checkpoint.steps] == [("flow", (START,))]
    assert GRAPH.node("flow").input.view(checkpoint.values) == "tea?"
    assert GRAPH.output_of(checkpoint.values) is None


@pytest.mark.parametrize(
    ("returned", "shown", "saved"),
    [
        (1, 1, 1),
        (None, None, None),
        (Returned(1, 2), 1, 2),
        ({"a": 1}, {"a": 1}, {"a": 1}),
        ([Command(goto="x")], [Command(goto="x")], [Command(goto="x")]),
    ],
)
def test_what_it_returns_is_its_result_and_what_it_saves(returned: Any, shown: Any, saved: Any) -> None:
    checkpoint = started(GRAPH, "tea?")
    result = Result(checkpoint.steps[0], written(returned, GRAPH.channels).updates)

    after = plan_next(GRAPH, checkpoint, [result], "2")

    assert (GRAPH.output_of(after.values), after.values[PREVIOUS], after.steps) == (shown, saved, ())


def test_an_update_is_written_as_the_function_even_on_a_new_thread() -> None:
    assert node_to_write_as(GRAPH, None, None) == "flow"


def test_only_a_function_as_a_graph_is_an_entrypoint() -> None:
    assert GRAPH.is_entrypoint
    assert not GraphBuilder(int).add_node("a", flow).add_edge(START, "a").build("a", None, None).is_entrypoint


def generator(given: Any) -> Iterator[int]:
    yield 1


async def async_generator(given: Any) -> Any:
    yield 1


@pytest.mark.parametrize("function", [generator, async_generator])
def test_generators_are_refused(function: Any) -> None:
    with pytest.raises(NotImplementedError):
        entry_graph(function)


def test_a_function_without_input_is_refused() -> None:
    def inputless() -> None: ...

    with pytest.raises(InvalidGraph, match="inputless"):
        entry_graph(inputless)
