"""The graphs that are measured, as workers load them: nothing else is imported here, for workers are weighed too."""

import asyncio
import operator
import os
import time
from typing import Annotated, Any, TypedDict

import redis

from treadle.checkpoint.redis import RedisSaver
from treadle.graph import END, START, MessagesState, StateGraph
from treadle.types import Send

from .baseline import BEGAN

#: How many steps a chain has.
STEPS = 100
#: How long a node waits that waits: longer than a worker takes to begin as many as are to wait at the same time.
WAIT_S = 15.0
#: What is said in a turn of a chat, by each side.
SAID = "x" * 200


class Counter(TypedDict):
    """A small state."""

    count: int


class Parts(TypedDict):
    """What a fan-out brings together."""

    number: int
    sum: Annotated[int, operator.add]


class Moment(TypedDict):
    """When a node began."""

    began: float


def count(state: Counter) -> Counter:
    """Count one step."""
    return {"count": state["count"] + 1}


def after_count(state: Counter) -> str:
    """Return what follows a step: another one, until there were STEPS."""
    return "count" if state["count"] < STEPS else END


def chains() -> StateGraph:
    """Return a cycle of one node that ends after STEPS rounds."""
    builder = StateGraph(Counter).add_node("count", count).set_entry_point("count")
    return builder.add_conditional_edges("count", after_count)


def chats() -> StateGraph:
    """Return a chat in which one node answers."""
    return _single(MessagesState, "answer", lambda state: {"messages": [{"role": "assistant", "content": SAID}]})


def notes() -> StateGraph:
    """Return a node that says when it began."""
    client = redis.Redis.from_url(os.environ.get("TREADLE_REDIS_URL", "redis://"))

    def note(state: Counter) -> dict[str, Any]:
        client.rpush(BEGAN, time.time())
        return {}

    return _single(Counter, "note", note)


def fan_outs() -> StateGraph:
    """Return a map-reduce: a trivial part for each of a number of Sends, whose results are summed up."""
    builder = StateGraph(Parts).add_node("part", lambda state: {"sum": 1})
    return builder.add_conditional_edges(
        START, lambda state: [Send("part", {}) for _ in range(state["number"])], ["part"]
    )


def waits() -> StateGraph:
    """Return a node that waits, as code that blocks does."""

    def wait(state: Moment) -> Moment:
        began = time.time()
        time.sleep(WAIT_S)
        return {"began": began}

    return _single(Moment, "wait", wait)


def async_waits() -> StateGraph:
    """Return a node that waits on its event loop."""

    async def wait(state: Moment) -> Moment:
        began = time.time()
        await asyncio.sleep(WAIT_S)
        return {"began": began}

    return _single(Moment, "wait", wait)


def _single(state: type[Any], name: str, node: Any) -> StateGraph:
    builder: StateGraph = StateGraph(state).add_node(name, node)
    return builder.add_edge(START, name).add_edge(name, END)


chain = chains().compile(RedisSaver(), name="chain")
chat = chats().compile(RedisSaver(), name="chat")
note = notes().compile(RedisSaver(), name="note")
fan_out = fan_outs().compile(RedisSaver(), name="fan_out")
wait = waits().compile(RedisSaver(), name="wait")
wait_async = async_waits().compile(RedisSaver(), name="wait_async")
