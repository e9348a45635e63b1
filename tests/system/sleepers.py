"""Graphs that sleep, for the system tests."""

import operator
from typing import Annotated, Any, TypedDict

from treadle import types
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, CompiledStateGraph, StateGraph

NAP_S = 2.0


class Trail(TypedDict):
    """A state that remembers who was here."""

    trail: Annotated[list[Any], operator.add]


def _rest(state: Trail) -> dict[str, Any]:
    types.sleep(NAP_S)
    return {"trail": ["rested"]}


def _call(state: Trail) -> dict[str, Any]:
    inner = StateGraph(Trail).add_node("rest", _rest).add_edge(START, "rest").compile()
    return {"trail": [*inner.invoke({"trail": []})["trail"], "called"]}


def sleeper(saver: RedisSaver) -> CompiledStateGraph:
    """Build a graph of which a node sleeps, and beside it a graph that another one calls."""
    builder = StateGraph(Trail).add_node("rest", _rest).add_node("call", _call)
    return builder.add_edge(START, "rest").add_edge(START, "call").compile(saver, name="sleeper")


def quick(saver: RedisSaver) -> CompiledStateGraph:
    """Build a graph that does not sleep."""
    return (
        StateGraph(Trail)
        .add_node("say", lambda state: {"trail": ["said"]})
        .add_edge(START, "say")
        .compile(saver, name="quick")
    )


all_graphs = [sleeper(RedisSaver()), quick(RedisSaver())]
