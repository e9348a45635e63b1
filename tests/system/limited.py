"""Graphs with limits over a whole deployment; their nodes note in files when they enter and leave."""

import operator
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import RetryPolicy, Send, interrupt, sleep


class Work(TypedDict, total=False):
    """What is to be done, and where it is noted."""

    notes: str
    seconds: float
    items: int
    done: Annotated[list[Any], operator.add]


def work(state: Work) -> Work:
    """Be at work for a while; notes say from when to when."""
    began = time.time()
    time.sleep(state.get("seconds", 0.2))
    with Path(state["notes"]).open("a") as notes:
        notes.write(f"{began} {time.time()} {os.getppid()}\n")
    return {"done": ["worked"]}


def over(state: Work) -> Work:
    """End."""
    return {"done": ["over"]}


def fan(state: Work) -> list[Send]:
    """Hand the same work out several times."""
    return [Send("work", state)] * state["items"]


def many() -> StateGraph:
    """Build work side by side."""
    return StateGraph(Work).add_node("work", work).add_conditional_edges(START, fan)


def paced() -> StateGraph:
    """Build work that starts ten times a second."""
    return StateGraph(Work).add_node("work", work, rate_limit="10/s").add_conditional_edges(START, fan)


def free() -> StateGraph:
    """Build work without limits."""
    return StateGraph(Work).add_node("work", work).add_edge(START, "work")


def inner() -> StateGraph:
    """Build a graph to be called."""
    return StateGraph(Work).add_sequence([work, over]).add_edge(START, "work")


def body(state: Work) -> Work:
    """Call a graph in the body of a node."""
    inner().compile().invoke({"notes": state["notes"], "seconds": 0.1})
    return {"done": ["called"]}


def nap(state: Work) -> Work:
    """Sleep, and end."""
    sleep(0.5)
    return {"done": ["slept"]}


def ask(state: Work) -> Work:
    """Ask, and end."""
    return {"done": [interrupt("go on?")]}


def fail(state: Work) -> Work:
    """Fail."""
    raise ValueError("no")


def handle(state: Work) -> Work:
    """Take over."""
    return {"done": ["handled"]}


def everything() -> StateGraph:
    """Build what a thread may do, one after the other, for a graph of which one step runs at once."""
    again = RetryPolicy(max_attempts=2, initial_interval=0.1, jitter=False, retry_on=ValueError)
    builder = StateGraph(Work).add_node("inside", inner().compile()).add_node("body", body).add_node("nap", nap)
    builder.add_node("ask", ask).add_node("fail", fail, retry=again, error_handler=handle)
    return builder.add_edge(START, "inside").add_edge("inside", "body").add_edge("body", "nap").add_edge(
        "nap", "ask"
    ).add_edge("ask", "fail")  # fmt: skip


GRAPHS: dict[str, tuple[Callable[[], StateGraph], int | dict[str, int] | None]] = {
    "three": (many, 3),
    "shared": (many, {"graph": 4, "tenant": 2}),
    "paced": (paced, None),
    "free": (free, None),
    "one": (everything, 1),
}


def compiled(name: str, saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return one of these graphs on a saver."""
    builder, most = GRAPHS[name]
    return builder().compile(saver, name=name, max_concurrency=most)


all_graphs = [compiled(name, RedisSaver()) for name in GRAPHS]
