"""Graphs inside of graphs, on real workers."""

import pytest

from tests.system.conftest import Deployment, until
from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver
from treadle.types import Command

pytestmark = pytest.mark.system


def committed(saver: RedisSaver) -> list[str]:
    return [entry.data["step"] for entry in saver.client.log.read("t") if entry.kind == "committed"]


def test_a_nest_of_graphs_outlives_the_death_of_workers(deployment: Deployment, saver: RedisSaver) -> None:
    for name in ("one", "two"):
        deployment.worker(name)
    deployment.scheduler()
    graph, config = compiled("nested", saver), {"thread_id": "t"}

    asking = graph.submit({"way": []}, config)
    until(lambda: len(committed(saver)) == 2, "the first levels are passed")
    deployment.kill("one")
    deployment.worker("one again")
    paused = asking.result(timeout=60)
    answering = graph.submit(Command(resume="yes"), config)
    until(lambda: len(committed(saver)) > 6, "the question is answered, and the way up begun")
    deployment.kill("two")
    deployment.worker("two again")
    output = answering.result(timeout=60)

    assert [question.value for question in paused["__interrupt__"]] == ["on?"]
    assert output == {"way": [*(f"down {level}" for level in range(4)), "yes", *(f"up {3 - n}" for n in range(4))]}
    assert len(committed(saver)) == len(set(committed(saver))) == 4 + 1 + 4 + 4
    assert saver.client.log.verify("t") is None
    assert saver.threads.pending("t") == []


def test_a_node_inside_of_a_graph_runs_on_the_workers_of_its_queue(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("default")
    deployment.worker("other", "-Q", "other", "-c", "1")

    here, there = compiled("pooled_inside", saver).invoke({"way": []}, {"thread_id": "t"})["way"]

    assert (here, there) == (deployment.processes["default"].pid, deployment.processes["other"].pid)
