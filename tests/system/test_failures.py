"""What happens to threads when nodes fail, workers die and time runs out."""

import re
import signal
import time

import pytest

from tests.system.conftest import Deployment, until
from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import (
    GraphChanged,
    GraphDrained,
    NodeTimeoutError,
    RunCancelled,
    RunTimeout,
    ThreadBusy,
    WorkerLost,
)

pytestmark = pytest.mark.system


def kinds(saver: RedisSaver, thread_id: str) -> list[str]:
    return [entry.kind for entry in saver.client.log.read(thread_id)]


def leased(saver: RedisSaver, thread_id: str) -> bool:
    return any(step.state == "leased" for step in saver.threads.pending(thread_id))


def test_a_node_that_blocks_in_c_is_killed_at_its_time_limit(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    deployment.scheduler()
    graph = compiled("blocking", saver)
    began = time.monotonic()

    with pytest.raises(NodeTimeoutError, match="block"):
        graph.invoke({"trail": []}, {"thread_id": "t"})

    limit_s, grace_s, slack_s = 2, 1, 1
    assert time.monotonic() - began < limit_s + grace_s + slack_s
    assert saver.client.runs.recent("t")[0].status == "timeout"
    assert "timed out" in kinds(saver, "t")


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_a_pool_without_time_limits_keeps_them_all_the_same(
    deployment: Deployment, saver: RedisSaver, pool: str
) -> None:
    deployment.worker("one", "-P", pool, "-c", "4")
    deployment.scheduler()

    with pytest.raises(NodeTimeoutError):
        compiled("napping", saver).invoke({"trail": []}, {"thread_id": "t"})

    assert saver.client.runs.recent("t")[0].status == "timeout"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT])
def test_a_step_outlives_the_death_of_its_worker(
    deployment: Deployment, saver: RedisSaver, how: signal.Signals
) -> None:
    deployment.worker("first")
    deployment.scheduler()
    handle = compiled("slow", saver).submit({"trail": [2.0]}, {"thread_id": "t"})
    until(lambda: leased(saver, "t"), "the step is leased")

    deployment.kill("first", how)
    deployment.worker("second")

    assert handle.result(timeout=30) == {"trail": [2.0, "slept", "after"]}
    assert kinds(saver, "t").count("committed") == 2
    assert saver.client.log.verify("t") is None


def test_a_worker_that_was_frozen_beyond_its_lease_commits_nothing(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("first")
    deployment.scheduler()
    handle = compiled("slow", saver).submit({"trail": [1.0]}, {"thread_id": "t"})
    until(lambda: leased(saver, "t"), "the step is leased")

    deployment.kill("first", signal.SIGSTOP)
    deployment.worker("second")
    output = handle.result(timeout=30)
    deployment.kill("first", signal.SIGCONT)
    until(lambda: "given up" in deployment.output("first") or "stopped" in deployment.output("first"), "it noticed")

    assert output == {"trail": [1.0, "slept", "after"]}
    committed = [entry.data for entry in saver.client.log.read("t") if entry.kind == "committed"]
    assert [data["worker"] for data in committed] == ["second@test", "second@test"]


def test_a_node_that_kills_its_process_ends_as_an_error(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    deployment.scheduler()

    with pytest.raises(WorkerLost, match="die"):
        compiled("deadly", saver).invoke({"trail": []}, {"thread_id": "t"})

    assert kinds(saver, "t").count("lost worker") == 3
    assert saver.client.runs.recent("t")[0].status == "error"


def test_a_failing_node_is_tried_again_after_its_pause(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    deployment.scheduler()

    output = compiled("failing", saver).invoke({"trail": []}, {"thread_id": "t"})

    assert output == {"trail": ["attempt 3"]}
    assert kinds(saver, "t").count("retried") == 2


def test_a_failed_run_raises_what_the_node_raised_and_can_be_taken_up(
    deployment: Deployment, saver: RedisSaver
) -> None:
    deployment.worker("one")
    graph = compiled("failing", saver)
    config = {"thread_id": "t"}

    with pytest.raises(ZeroDivisionError, match="this node is broken"):
        graph.invoke({"trail": ["broken"]}, config)

    assert graph.get_state(config).next == ("broken",)
    assert "ZeroDivisionError" in graph.get_state(config).tasks[0].error
    graph.update_state(config, {"trail": ["mended"]}, as_node="broken")
    assert graph.invoke(None, config) == {"trail": ["broken", "mended"]}


def test_a_handler_takes_over_from_a_node_that_failed_ran_too_long_or_killed_its_worker(
    deployment: Deployment, saver: RedisSaver
) -> None:
    deployment.worker("one")
    deployment.scheduler()
    graph = compiled("handled", saver)
    ends = {
        "broken": "ZeroDivisionError",
        "nap": "NodeTimeoutError",
        "silent": "NodeTimeoutError",
        "die": "WorkerLost",
    }
    handles = {node: graph.submit({"trail": [node]}, {"thread_id": node}) for node in ends}

    outputs = {node: handle.result(timeout=60)["trail"][1:] for node, handle in handles.items()}

    assert outputs == {node: [node, error] for node, error in ends.items()}
    until(lambda: deployment.output("one").count("__default_error_handler__[") >= 2 * len(ends), "Celery ran them")
    told = deployment.output("one")
    assert re.search(r"handled\.broken\[\S+\] raised unexpected", told)
    assert re.search(r"handled\.__default_error_handler__\[\S+\] succeeded", told)


@pytest.mark.parametrize("who", ["a node", "a handle"])
def test_a_drained_run_stops_between_two_steps_and_goes_on_later(
    deployment: Deployment, saver: RedisSaver, who: str
) -> None:
    deployment.worker("one")
    graph = compiled("draining" if who == "a node" else "slow", saver)
    config = {"thread_id": "t"}
    handle = graph.submit({"trail": [0.5]}, config)
    if who == "a handle":
        handle.drain("deploy")

    with pytest.raises(GraphDrained, match="deploy"):
        handle.result(timeout=30)

    assert handle.status == "interrupted"
    assert graph.get_state(config).next == ("after",)
    assert graph.invoke(None, config)["trail"][-1] == "after"


def test_a_superstep_that_takes_too_long_ends_the_run(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    deployment.scheduler()
    graph = compiled("slow", saver)
    graph.step_timeout = 1

    with pytest.raises(TimeoutError, match="superstep"):
        graph.invoke({"trail": [60]}, {"thread_id": "t"})

    until(lambda: "step stopped" in deployment.output("one"), "the worker stopped the node", timeout_s=5)


def test_cancelling_stops_a_running_node(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    handle = compiled("slow", saver).submit({"trail": [60]}, {"thread_id": "t"})
    until(lambda: leased(saver, "t"), "the step is leased")

    assert handle.cancel("changed my mind")

    with pytest.raises(RunCancelled, match="changed my mind"):
        handle.result(timeout=1)
    until(lambda: "step stopped" in deployment.output("one"), "the worker stopped the node", timeout_s=5)
    assert compiled("chat", saver).invoke({"messages": ["free"]}, {"thread_id": "u"}) is not None
    assert compiled("slow", saver).invoke({"trail": [0]}, {"thread_id": "t"})["trail"][-1] == "after"


def test_a_busy_thread_refuses_a_second_run_or_lets_it_wait(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    graph = compiled("slow", saver)
    first = graph.submit({"trail": [1.0]}, {"thread_id": "t"})

    with pytest.raises(ThreadBusy, match=first.id):
        graph.invoke({"trail": [0]}, {"thread_id": "t"})
    output = graph.invoke({"trail": [0]}, {"thread_id": "t"}, on_busy="wait")

    assert first.status == "success"
    assert output["trail"] == [1.0, "slept", "after", 0, "slept", "after"]


def test_a_run_ends_at_its_own_time_limit(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    deployment.scheduler()

    with pytest.raises(RunTimeout):
        compiled("slow", saver).invoke({"trail": [60]}, {"thread_id": "t"}, timeout=1)

    assert saver.threads.get("t").status == "failed"


def test_a_graph_that_no_worker_knows_parks_the_thread(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one", graphs="tests.system.graphs:few_graphs")
    graph = compiled("chat", saver)

    with pytest.raises(GraphChanged, match=r"chat\.chat"):
        graph.invoke({"messages": ["Hello"]}, {"thread_id": "t"})

    assert saver.threads.get("t").status == "paused"
    deployment.kill("one", signal.SIGTERM)
    deployment.worker("two")
    assert graph.invoke(None, {"thread_id": "t"}) == {"messages": ["Hello", "Bot: I received -> Hello"]}


def test_a_map_of_a_thousand_outlives_the_death_of_a_worker(deployment: Deployment, saver: RedisSaver) -> None:
    items = 1000
    deployment.worker("first")
    deployment.worker("second")
    deployment.scheduler()
    handle = compiled("mapping", saver).submit({"trail": [items]}, {"thread_id": "t"})
    until(lambda: kinds(saver, "t").count("committed") > items // 4, "a quarter is done")

    deployment.kill("first")
    deployment.worker("third")

    assert handle.result(timeout=90) == {"trail": [items, *range(items), sum(range(items))]}
    assert kinds(saver, "t").count("committed") == items + 1


def test_a_step_that_ends_while_redis_is_away_is_kept_until_it_is_back(
    deployment: Deployment, saver: RedisSaver
) -> None:
    deployment.worker("one")
    deployment.scheduler()
    handle = compiled("slow", saver).submit({"trail": [0.3]}, {"thread_id": "t"})
    until(lambda: leased(saver, "t"), "the step is leased")

    deployment.redis.kill()
    time.sleep(1.3)  # the node has ended by then, and its lease has not
    deployment.redis.start()

    assert handle.result(timeout=30) == {"trail": [0.3, "slept", "after"]}
    assert kinds(saver, "t").count("leased") == 2


def test_threads_go_on_after_redis_was_killed_and_came_back(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    deployment.scheduler()
    handles = [compiled("chain", saver).submit({"trail": []}, {"thread_id": f"t{number}"}) for number in range(20)]
    until(lambda: kinds(saver, "t0").count("committed") > 2, "work is in flight")

    deployment.redis.kill()
    deployment.redis.start()

    for handle in handles:
        assert handle.result(timeout=60) == {"trail": list(range(20))}
        assert kinds(saver, handle.thread_id).count("committed") == 20
