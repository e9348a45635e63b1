"""Webhooks as users say them: with the graph, or with the call; and what they check who receive them."""

from typing import Any

import pytest

from scheduler.config import parse
from scheduler.serde import Serde
from scheduler.waiting import Start, start_record
from scheduler.waiting import _config as config_of
from tests.conftest import RealRedis
from treadle.checkpoint.memory import MemorySaver
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import InvalidConfig
from treadle.func import entrypoint
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.webhooks import InvalidSignature, verify_webhook

URL = "https://hooks.example/runs"


def graph_of(checkpointer: Any, webhook: Any = None) -> CompiledStateGraph:
    return StateGraph(dict).add_node("a", lambda state: {"n": 1}).add_edge(START, "a").compile(
        checkpointer, webhook=webhook
    )  # fmt: skip


def told(saver: RedisSaver, thread_id: str) -> Any:
    return saver.client.runs.recent(thread_id)[0].webhook


def test_the_webhook_of_a_graph_counts_unless_a_call_names_another(real_redis: RealRedis) -> None:
    real_redis.flush()
    saver = RedisSaver(real_redis.url, inline=True)
    graph = graph_of(saver, {"url": URL, "include": ["output"]})

    graph.invoke({"n": 0}, {"thread_id": "graph"})
    graph.invoke({"n": 0}, {"thread_id": "call"}, webhook="https://other.example/")
    graph.invoke({"n": 0}, {"thread_id": "config", "webhook": "https://third.example/"})
    graph.invoke({"n": 0}, {"thread_id": "none", "webhook": None})

    assert told(saver, "graph")["url"] == URL
    assert told(saver, "graph")["include"] == ["output"]
    assert told(saver, "call")["url"] == "https://other.example/"
    assert told(saver, "config")["url"] == "https://third.example/"
    assert told(saver, "none") is None


def test_an_entrypoint_has_one_too(real_redis: RealRedis) -> None:
    real_redis.flush()
    saver = RedisSaver(real_redis.url, inline=True)

    @entrypoint(checkpointer=saver, webhook=URL)
    def workflow(number: int) -> int:
        return number + 1

    assert workflow.invoke(1, {"thread_id": "t"}) == 2
    assert told(saver, "t")["url"] == URL


def test_nodes_do_not_see_it(real_redis: RealRedis) -> None:
    real_redis.flush()
    seen: list[Any] = []

    def node(state: Any, config: Any) -> Any:
        seen.append(config)
        return {"n": 1}

    graph = StateGraph(dict).add_node("a", node).add_edge(START, "a").compile(
        RedisSaver(real_redis.url, inline=True), webhook=URL
    )  # fmt: skip
    graph.invoke({"n": 0}, {"thread_id": "t"})

    assert "hooks.example" not in repr(seen)


def test_a_run_that_begins_later_keeps_its_webhook(real_redis: RealRedis) -> None:
    config = parse({"thread_id": "t", "webhook": {"url": URL, "include": ["output"]}})
    serde = Serde()

    record = serde.loads(start_record(serde, Start(graph_of(MemorySaver()).graph, config)))

    assert config_of(record["config"]).webhook == config.webhook
    assert config_of(record["config"] | {"webhook": None}).webhook is None


def test_where_no_scheduler_looks_after_a_thread_a_webhook_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="use a RedisSaver"):
        graph_of(MemorySaver(), URL).invoke({"n": 0}, {"thread_id": "t"})


@pytest.mark.parametrize("webhook", ("example.com", {"url": URL, "include": ["state"]}, 7))
def test_what_is_no_webhook_is_refused_when_the_graph_is_made(webhook: Any) -> None:
    with pytest.raises(InvalidConfig):
        graph_of(MemorySaver(), webhook)


def test_receivers_have_a_check() -> None:
    with pytest.raises(InvalidSignature):
        verify_webhook(b"{}", None, "secret")
