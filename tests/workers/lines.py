"""The graphs that many of the worker floor's tests run: a line of nodes, or one."""

import operator
from typing import Annotated, Any, TypedDict

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.graph import CompiledStateGraph, StateGraph

CONFIG = {"configurable": {"thread_id": "t"}}


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


def append(item: Any) -> Any:
    return lambda state: {"trail": [item]}


def line(saver: BaseCheckpointSaver, *names: str, **options: Any) -> CompiledStateGraph:
    """Compile a chain of nodes, each of which appends its name."""
    builder = StateGraph(Trail).add_sequence([(name, append(name)) for name in names]).set_entry_point(names[0])
    return builder.compile(saver, **options)


def single(saver: BaseCheckpointSaver | None, node: Any, state: Any = Trail, **options: Any) -> CompiledStateGraph:
    """Compile a graph of one node."""
    builder = StateGraph(state).set_entry_point("node")
    builder.add_node("node", node, **options)
    return builder.compile(saver)
