"""The state, the nodes and the shapes that most plays share."""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from treadle.graph import START, StateGraph
from treadle.types import interrupt


class State(TypedDict, total=False):
    """A list that grows, and a value that is replaced."""

    said: Annotated[list[Any], operator.add]
    value: Any


def says(item: Any) -> Callable[[State], State]:
    """Return a node that says something."""
    return lambda state: {"said": [item]}


def asks(*questions: Any) -> Callable[[State], State]:
    """Return a node that asks, and says the answers."""
    return lambda state: {"said": [interrupt(question) for question in questions]}


def line(schema: Any = State, **nodes: Any) -> StateGraph:
    """Build nodes that follow each other."""
    builder = StateGraph(schema)
    return builder.add_sequence([*nodes.items()]).add_edge(START, next(iter(nodes)))


def fan(schema: Any = State, **nodes: Any) -> StateGraph:
    """Build nodes that begin side by side."""
    builder = StateGraph(schema)
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(START, name)
    return builder
