"""The end of a thread's life, as those see it who compile graphs: kept for a time, pruned, put away, brought back."""

import asyncio
import operator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from redis import Redis

from scheduler.connection import open_connection
from scheduler.dispatch import Inline
from scheduler.settings import Settings
from treadle import MemorySaver, StateGraph, entrypoint, interrupt
from treadle.errors import InvalidConfig, InvalidGraph, ThreadArchived, ThreadNotFound
from treadle.types import Command
from workers.engine import Engine, open_engine
from workers.savers import Saver

CONFIG: Any = {"thread_id": "t"}


class State(TypedDict, total=False):
    said: Annotated[list[str], operator.add]


class Here(Saver):
    """Runs in this process, on the Redis of the test."""

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self._redis = redis

    def _open(self) -> Engine:
        return open_engine(open_connection(self._redis, Settings(), Inline()), durable=False)


@pytest.fixture
def saver(redis: Redis) -> Saver:
    return Here(redis)


def child(state: State) -> State:
    return {"said": [f"asked {interrupt('Really?')}"]}


def nested(saver: Saver) -> Any:
    """A graph with a graph inside that keeps its state and asks."""
    inner = StateGraph(State).add_node("ask", child).set_entry_point("ask").compile(checkpointer=True)
    builder = StateGraph(State).add_node("inner", inner).add_node("after", lambda state: {"said": ["after"]})
    return builder.set_entry_point("inner").add_edge("inner", "after").compile(checkpointer=saver, name="outer")


def test_a_graph_says_how_long_its_threads_are_kept(saver: Saver) -> None:
    builder = StateGraph(State).add_node("say", lambda state: {"said": ["hi"]}).set_entry_point("say")
    graph = builder.compile(checkpointer=saver, ttl=timedelta(days=30))

    graph.invoke({"said": []}, CONFIG)
    graph.invoke({"said": []}, {"thread_id": "short", "ttl": 60})

    assert graph.threads.get("t").ttl_s == 30 * 24 * 3600
    assert graph.threads.get("short").ttl_s == 60


def test_a_function_says_how_long_its_threads_are_kept(saver: Saver) -> None:
    @entrypoint(checkpointer=saver, ttl=60)
    def workflow(word: str) -> str:
        return word.upper()

    assert workflow.invoke("hi", CONFIG) == "HI"
    assert workflow.threads.get("t").ttl_s == 60


def test_how_long_a_thread_is_kept_is_a_positive_duration() -> None:
    builder = StateGraph(State).add_node("say", lambda state: {"said": ["hi"]}).set_entry_point("say")

    with pytest.raises(InvalidGraph):
        builder.compile(checkpointer=MemorySaver(), ttl=-1)


def test_a_question_in_a_graph_inside_is_answered_after_the_thread_was_away(saver: Saver, tmp_path: Path) -> None:
    graph = nested(saver)
    graph.invoke({"said": ["go"]}, CONFIG)
    before = graph.get_state(CONFIG, subgraphs=True)

    archived = graph.archives.put("t", str(tmp_path))
    with pytest.raises(ThreadArchived, match=archived.url):
        graph.invoke(Command(resume="yes"), CONFIG)
    graph.archives.restore("t")

    assert graph.get_state(CONFIG, subgraphs=True) == before
    assert graph.invoke(Command(resume="yes"), CONFIG)["said"][-2:] == ["asked yes", "after"]


def test_an_answer_restores_the_thread_where_it_says_so(saver: Saver, tmp_path: Path) -> None:
    graph = nested(saver)
    graph.invoke({"said": ["go"]}, CONFIG)
    graph.archives.put("t", str(tmp_path))

    answered = graph.invoke(Command(resume="yes"), CONFIG | {"on_archived": "restore"})

    assert answered["said"][-2:] == ["asked yes", "after"]


def test_a_pruned_thread_keeps_the_states_of_the_graphs_inside(saver: Saver) -> None:
    graph, twin = nested(saver), {"thread_id": "twin"}
    for number in range(4):
        for config in (CONFIG, twin):
            graph.invoke({"said": [f"go {number}"]}, config)
            graph.invoke(Command(resume=str(number)), config)
    before, asked = graph.get_state(CONFIG), [one for one in graph.get_state_history(CONFIG) if one.interrupts]

    saver.prune(["t"], keep=2)

    assert graph.get_state(CONFIG) == before
    assert [one for one in graph.get_state_history(CONFIG) if one.interrupts] == asked
    for config in (CONFIG, twin):
        graph.invoke({"said": ["go on"]}, config)
    assert graph.invoke(Command(resume="last"), CONFIG) == graph.invoke(Command(resume="last"), twin)


async def prune(saver: Saver) -> None:
    await saver.aprune(["t"], strategy="delete")


def test_threads_are_pruned_under_the_names_that_checkpointers_have(saver: Saver) -> None:
    graph = nested(saver)
    graph.invoke({"said": ["go"]}, CONFIG)

    with pytest.raises(InvalidConfig, match="keep_latest"):
        saver.prune(["t"], strategy="some")
    asyncio.run(prune(saver))

    with pytest.raises(ThreadNotFound):
        saver.threads.get("t")
