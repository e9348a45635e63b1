"""A graph whose first node takes as long as a person wants, for the system tests."""

import operator
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

from treadle import types
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.runtime import Runtime


class Trail(TypedDict):
    """A state that remembers who was here."""

    trail: Annotated[list[Any], operator.add]
    #: A file without which nothing goes on.
    gate: str


def _wait(state: Trail) -> dict[str, Any]:
    while not Path(state["gate"]).exists():
        time.sleep(0.02)
    return {"trail": ["a"]}


def slow(saver: RedisSaver) -> CompiledStateGraph:
    """Build a graph of two nodes."""
    builder = StateGraph(Trail).add_node("a", _wait).add_node("b", lambda state: {"trail": ["b"]})
    compiled: CompiledStateGraph = builder.add_edge(START, "a").add_edge("a", "b").compile(saver, name="slow")
    return compiled


def _buy(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
    runtime.spend(usd=1)
    return _wait(state)


def paid(saver: RedisSaver) -> CompiledStateGraph:
    """Build a graph whose first node spends something."""
    builder = StateGraph(Trail).add_node("a", _buy).add_node("b", lambda state: {"trail": ["b"]})
    compiled: CompiledStateGraph = builder.add_edge(START, "a").add_edge("a", "b").compile(saver, name="paid")
    return compiled


def _doze(state: Trail) -> dict[str, Any]:
    if state["trail"][-1] == 1:
        types.sleep(3600)
    return {"trail": ["a"]}


def dozing(saver: RedisSaver) -> CompiledStateGraph:
    """Build a graph whose first input puts it to sleep for an hour, in a graph inside."""
    inner = StateGraph(Trail).add_node("x", _doze).add_edge(START, "x").compile()
    builder = StateGraph(Trail).add_node("a", lambda state: {"trail": inner.invoke(state)["trail"][-1:]})
    compiled: CompiledStateGraph = builder.add_edge(START, "a").compile(saver, name="dozing")
    return compiled


all_graphs = [slow(RedisSaver()), paid(RedisSaver()), dozing(RedisSaver())]
