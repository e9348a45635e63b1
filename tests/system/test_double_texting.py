"""Inputs for busy threads, and budgets, with real workers and schedulers that are killed, and callers that are gone."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.system import texters
from tests.system.conftest import Deployment, until
from treadle.checkpoint.redis import RedisSaver

pytestmark = pytest.mark.system

GRAPHS = "tests.system.texters:all_graphs"
#: A caller that dies right after its call.
CALL = """
import os, sys
from tests.system.texters import slow
from treadle.checkpoint.redis import RedisSaver
slow(RedisSaver(sys.argv[1])).submit({"trail": [2], "gate": sys.argv[2]}, {"thread_id": "queue"}, on_busy="enqueue")
os._exit(9)
"""


def test_what_waits_runs_and_what_is_spent_counts_once_whoever_dies(
    deployment: Deployment, saver: RedisSaver, tmp_path: Path
) -> None:
    deployment.worker("one", "-c", "5", graphs=GRAPHS)
    deployment.scheduler("first")
    deployment.scheduler("second")
    graph, gate = texters.slow(saver), tmp_path / "gate"
    first = {
        name: graph.submit({"trail": [1], "gate": str(gate)}, {"thread_id": name}) for name in ("queue", "stop", "back")
    }
    dozing, dear = texters.dozing(saver), texters.paid(saver)
    first["doze"] = dozing.submit({"trail": [1]}, {"thread_id": "doze"})
    first["paid"] = dear.submit({"trail": [1], "gate": str(gate)}, {"thread_id": "paid"}, budget={"usd": 1})
    until(lambda: all(handle.status == "running" for handle in first.values()), "all run")
    assert subprocess.run([sys.executable, "-c", CALL, deployment.url, str(gate)], check=False).returncode == 9
    stop = graph.submit({"trail": [2]}, {"thread_id": "stop"}, on_busy="interrupt")
    until(lambda: {step.state for step in dozing.threads.pending("doze")} == {"asleep"}, "the thread sleeps")
    woken = dozing.submit({"trail": [2]}, {"thread_id": "doze"}, on_busy="interrupt")
    back = graph.submit({"trail": [2], "gate": str(gate)}, {"thread_id": "back"}, on_busy="rollback")
    (queued,) = graph.threads.inputs("queue").list()
    deployment.kill("one")
    deployment.kill("first")
    gate.touch()
    deployment.worker("two", "-c", "2", graphs=GRAPHS)

    queue = graph.run_handle("queue", queued.run_id)
    assert queue.result(timeout=30)["trail"] == [1, "a", "b", 2, "a", "b"]
    assert stop.result(timeout=30)["trail"] == [1, "a", 2, "a", "b"]
    assert woken.result(timeout=30)["trail"] == [1, 2, "a"]
    assert back.result(timeout=30)["trail"] == [2, "a", "b"]
    ends = {"queue": "success", "stop": "interrupted", "doze": "interrupted", "back": "cancelled"}
    assert {name: first[name].status for name in ends} == ends
    assert first["paid"].wait(timeout=30) == "interrupted"
    assert "1 of 1 usd" in first["paid"].result()["__interrupt__"][0].value["reason"]
    assert dear.threads.budget("paid").spent["usd"] == 1  # the attempt that died with its worker does not count
    assert dear.invoke(None, {"thread_id": "paid"}, budget={"usd": 2})["trail"] == [1, "a", "b"]
    assert all(saver.client.log.verify(name) is None for name in first)
