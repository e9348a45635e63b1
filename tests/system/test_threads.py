"""Execution threads on real Celery workers, from the first step to the last."""

from collections import Counter

import pytest

from tests.system.conftest import Deployment, until
from tests.system.graphs import CHAIN_LENGTH, compiled
from treadle.checkpoint.redis import RedisSaver
from treadle.types import Command

pytestmark = pytest.mark.system

THREADS = 200


def test_a_conversation_goes_on_over_two_turns(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    graph = compiled("chat", saver)
    config = {"configurable": {"thread_id": "user-1"}}

    first = graph.invoke({"messages": ["Hello"]}, config)
    second = graph.invoke({"messages": ["How are you?"]}, config)

    assert first == {"messages": ["Hello", "Bot: I received -> Hello"]}
    assert second == {"messages": ["How are you?", "Bot: I received -> How are you?"]}


def test_200_threads_of_20_steps_end_exactly(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    deployment.worker("two")
    deployment.scheduler()
    graph = compiled("chain", saver)

    handles = [graph.submit({"trail": []}, {"thread_id": f"thread-{number}"}) for number in range(THREADS)]

    workers: Counter[str] = Counter()
    for handle in handles:
        assert handle.result(timeout=100) == {"trail": list(range(CHAIN_LENGTH))}
        entries = list(saver.client.log.read(handle.thread_id))
        committed = [entry.data for entry in entries if entry.kind == "committed"]
        assert [data["node"] for data in committed] == [f"step_{number}" for number in range(CHAIN_LENGTH)]
        assert saver.client.log.verify(handle.thread_id) is None
        workers.update(data["worker"] for data in committed)
    assert set(workers) == {"one@test", "two@test"}


def test_parallel_branches_run_at_the_same_time_in_different_processes(
    deployment: Deployment, saver: RedisSaver
) -> None:
    deployment.worker("one", "-c", "1", "-P", "solo")
    deployment.worker("two", "-c", "1", "-P", "solo")
    graph = compiled("parallel", saver)

    output = graph.invoke({"trail": []}, {"thread_id": "t"})

    assert output == {"trail": ["left", "right", "join"]}
    entries = [entry.data for entry in saver.client.log.read("t") if entry.kind == "committed"]
    assert {data["worker"] for data in entries if data["node"] in ("left", "right")} == {"one@test", "two@test"}


def test_a_node_runs_on_the_workers_of_its_queue(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("default")
    deployment.worker("other", "-Q", "other", "-c", "1")
    graph = compiled("pooled", saver)

    here, there = graph.invoke({"trail": []}, {"thread_id": "t"})["trail"]

    assert (here, there) == (deployment.processes["default"].pid, deployment.processes["other"].pid)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent"])
def test_every_pool_runs_plain_and_async_nodes(deployment: Deployment, saver: RedisSaver, pool: str) -> None:
    deployment.worker("one", "-P", pool, "-c", "2")

    output = compiled("asynchronous", saver).invoke({"trail": []}, {"thread_id": "async"})
    parts = list(compiled("chat", saver).stream({"messages": ["Hello"]}, {"thread_id": "plain"}))

    assert output == {"trail": ["written"]}
    assert parts == [{"chat": {"messages": ["Hello", "Bot: I received -> Hello"]}}]


def test_what_a_node_writes_is_seen_while_it_runs(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    graph = compiled("asynchronous", saver)

    parts = list(graph.stream({"trail": []}, {"thread_id": "t"}, stream_mode=["custom", "updates"]))

    assert parts == [("custom", "one"), ("custom", "two"), ("updates", {"write": {"trail": ["written"]}})]


def test_a_reader_goes_on_from_the_last_part_it_has_seen(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    handle = compiled("chain", saver).submit({"trail": []}, {"thread_id": "t"})
    handle.wait(timeout=20)
    everything = list(handle.stream("updates"))

    later = list(handle.stream("updates", after=everything[4]["id"]))

    assert later == everything[5:]
    assert len(everything) == CHAIN_LENGTH


def test_a_question_frees_the_worker_and_its_answer_may_come_from_anywhere(
    deployment: Deployment, saver: RedisSaver
) -> None:
    deployment.worker("one", "-c", "1", "-P", "solo")
    graph, config = compiled("asking", saver), {"thread_id": "t"}

    first = graph.invoke({"trail": []}, config)
    meanwhile = compiled("chat", saver).invoke({"messages": ["Hello"]}, {"thread_id": "u"})
    second = compiled("asking", RedisSaver(deployment.url)).invoke(Command(resume="ada"), config)
    output = graph.invoke(Command(resume=36), config)

    assert [question.value for question in (*first["__interrupt__"], *second["__interrupt__"])] == ["name?", "age?"]
    assert len(meanwhile["messages"]) == 2
    assert output == {"trail": ["ada", 36, "work"]}


def test_a_run_in_flight_can_be_looked_at(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    graph = compiled("slow", saver)
    graph.submit({"trail": [1.5]}, {"thread_id": "t"})
    until(lambda: any(step.state == "leased" for step in saver.threads.pending("t")), "the step is leased")

    (step,) = saver.threads.pending("t")

    assert (step.node, step.worker, step.attempt) == ("slow", "one@test", 1)
    assert step.due_ms is not None
    assert step.due_ms > step.since_ms
    assert graph.get_state({"thread_id": "t"}).next == ("slow",)
