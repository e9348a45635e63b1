"""Graphs to be put into each other, for the tests of subgraphs."""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from treadle.graph import START, CompiledStateGraph, StateGraph

CONFIG = {"thread_id": "t"}


class Trail(TypedDict, total=False):
    """A state that remembers who was here; its reducer adds what a graph inside had got as well."""

    trail: Annotated[list[Any], operator.add]


class Plain(TypedDict, total=False):
    """A state without a reducer: what is written replaces what was there."""

    value: Any
    other: Any


def says(item: Any) -> Callable[[Any], dict[str, Any]]:
    """Return a node that says something."""
    return lambda state: {"trail": [item]}


def chain(saver: Any = None, *, schema: Any = Trail, breaks: Any = None, **nodes: Any) -> CompiledStateGraph:
    """Compile a graph whose nodes, functions or graphs, follow each other; it pauses before the nodes ``breaks``."""
    builder, before = StateGraph(schema), START
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(before, name)
        before = name
    return builder.compile(saver, interrupt_before=breaks)


def side_by_side(saver: Any = None, **nodes: Any) -> CompiledStateGraph:
    """Compile a graph that starts with all of its nodes at once."""
    builder = StateGraph(Trail)
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(START, name)
    return builder.compile(saver)


def asked(output: dict[str, Any]) -> dict[Any, str]:
    """Return the questions that an output asks, and their ids."""
    return {question.value: question.id for question in output["__interrupt__"]}
