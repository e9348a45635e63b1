"""Graphs whose nodes ask, for the tests of what comes of it."""

import operator
from typing import Annotated, Any, TypedDict

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import interrupt

CONFIG = {"thread_id": "t"}


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


def parallel(saver: BaseCheckpointSaver | None, **nodes: Any) -> CompiledStateGraph:
    """Compile a graph that starts with all of its nodes at once."""
    builder = StateGraph(Trail)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder.compile(saver)


def asking(*questions: Any) -> Any:
    """Return a node that asks, and writes what it was answered."""
    return lambda state: {"trail": [interrupt(question) for question in questions]}


def asked(output: dict[str, Any]) -> list[Any]:
    """Return what an output asks."""
    return [question.value for question in output["__interrupt__"]]
