"""A graph whose nodes find by meaning what others have put into the long-term memory."""

import os
import random
from collections.abc import Sequence
from typing import TypedDict

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.graph import END, START, CompiledStateGraph, StateGraph
from treadle.store.base import BaseStore
from treadle.store.redis import RedisStore

DOCUMENTS = ("docs", "shared")
DIMS = 16


class State(TypedDict, total=False):
    question: str
    found: list[str]
    remembered: list[str]


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Return a vector for each text, the same one in every process."""
    chances = [random.Random(text) for text in texts]
    return [[chance.gauss(0, 1) for _ in range(DIMS)] for chance in chances]


def store(url: str | None = None) -> RedisStore:
    """Return the memory that all of them share."""
    return RedisStore.from_conn_string(url, index={"dims": DIMS, "embed": embed, "fields": ["text"]})


def find(state: State, store: BaseStore) -> State:
    """Find the documents that are nearest to the question, and remember the question."""
    found = store.search(DOCUMENTS[:1], query=state["question"], limit=3)
    store.put(("questions",), state["question"], {"text": state["question"]})
    return {"found": [item.key for item in found]}


async def remember(state: State, store: BaseStore) -> State:
    """Find the question again."""
    found = await store.asearch(("questions",), query=state["question"], limit=1)
    return {"remembered": [item.key for item in found]}


def finder(saver: BaseCheckpointSaver | None = None, url: str | None = None) -> CompiledStateGraph:
    """Return the graph."""
    builder = StateGraph(State)
    builder.add_node("find", find)
    builder.add_node("remember", remember)
    builder.add_edge(START, "find")
    builder.add_edge("find", "remember")
    builder.add_edge("remember", END)
    return builder.compile(saver, store=store(url), name="finder")


graph = finder(url=os.environ.get("TREADLE_REDIS_URL", "redis://nowhere"))  # connects with its first use
