"""A function as a graph, on real workers: what its tasks returned outlives the process that ran them."""

from pathlib import Path

import pytest

from tests.system.conftest import Deployment, until
from tests.system.graphs import workflow
from treadle.checkpoint.redis import RedisSaver
from treadle.types import Command

pytestmark = pytest.mark.system


def test_a_task_that_finished_does_not_run_again_after_its_worker_was_killed(
    deployment: Deployment, saver: RedisSaver, tmp_path: Path
) -> None:
    deployment.worker("first")
    deployment.scheduler()
    graph, config = workflow(saver), {"thread_id": "t"}
    handle = graph.submit(str(tmp_path), config)
    until(lambda: any(entry.kind == "task" for entry in saver.client.log.read("t")), "the first task is recorded")

    deployment.kill("first")
    deployment.worker("second")
    (tmp_path / "go").touch()
    paused = handle.result(timeout=30)
    noted_by, finished_by, answer = graph.invoke(Command(resume="yes"), config)

    assert [question.value for question in paused["__interrupt__"]] == ["done?"]
    assert (tmp_path / "notes").read_text() == "noted\n"
    assert noted_by != finished_by
    assert answer == "yes"
    assert saver.client.log.verify("t") is None
