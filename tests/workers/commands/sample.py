"""A small graph for the commands to work on."""

from datetime import date
from operator import add
from typing import Annotated, TypedDict

from treadle.graph import START, StateGraph
from treadle.runtime import Runtime


class State(TypedDict, total=False):
    text: str
    steps: Annotated[list[str], add]
    day: date


def first(state: State, runtime: Runtime[None]) -> State:
    if state["text"] == "fail":
        raise ValueError("this text is no good")
    runtime.stream_writer({"reading": state["text"]})
    return {"steps": ["first"], "day": date(2024, 2, 29)}


def second(state: State) -> State:
    return {"steps": ["second"]}


builder = StateGraph(State)
builder.add_node(first).add_node(second, queue="slow").add_edge(START, "first").add_edge("first", "second")
graph = builder.compile(name="sample")
