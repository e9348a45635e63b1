"""How urgent a run is: as its call says, else its config, else its graph."""

from typing import Any

import pytest

from tests.conftest import RealRedis
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import InvalidConfig, InvalidGraph
from treadle.graph import CompiledStateGraph, MessagesState, StateGraph


def graph(saver: RedisSaver, priority: int | None = None) -> CompiledStateGraph:
    builder = StateGraph(MessagesState).add_node("chat", lambda state: None).set_entry_point("chat")
    return builder.compile(saver, name="urgent", priority=priority)


@pytest.fixture
def saver(real_redis: RealRedis) -> RedisSaver:
    """A store that no worker looks at."""
    real_redis.flush()
    return RedisSaver(real_redis.url)


@pytest.mark.parametrize(
    ("compiled", "config", "option", "priority"),
    [(None, {}, {}, 5), (8, {}, {}, 8), (8, {"priority": 3}, {}, 3), (8, {"priority": 3}, {"priority": 0}, 0)],
)
def test_the_call_counts_most_and_the_graph_least(
    saver: RedisSaver, compiled: int | None, config: dict[str, Any], option: dict[str, Any], priority: int
) -> None:
    graph(saver, compiled).submit({"messages": []}, {"thread_id": "t", **config}, **option)

    assert [step.priority for step in saver.threads.pending("t")] == [priority]


def test_what_is_no_priority_is_refused_and_nothing_written(saver: RedisSaver) -> None:
    with pytest.raises(InvalidGraph, match="A graph's priority is a whole number from 0 to 9, got 10"):
        graph(saver, 10)
    with pytest.raises(InvalidConfig, match="'priority' is a whole number from 0 to 9, got 'high'"):
        graph(saver).submit({"messages": []}, {"thread_id": "t"}, priority="high")

    assert saver.threads.list() == []
