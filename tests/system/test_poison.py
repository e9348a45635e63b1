"""Steps that end the processes they run in: each becomes an error that names the cause, and harms no other."""

from collections.abc import Callable
from typing import Any

import pytest

from scheduler.handle import RunHandle
from tests.system.conftest import Deployment, until
from tests.system.poison import poison
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import NodeExitedError, WorkerLost

pytestmark = pytest.mark.system

_GRAPHS = "tests.system.poison:graph"
_DEATHS = {
    "segfault": "signal 11 (SIGSEGV)",
    "exit": "exitcode 3",
    "kill": "signal 9 (SIGKILL)",
    "abort": "signal 6 (SIGABRT)",
}
_FAILURES: dict[str, tuple[type[BaseException], str]] = {
    "eat": (MemoryError, ""),
    "leave": (NodeExitedError, r"raised SystemExit\(3\)"),
    "leave_loop": (NodeExitedError, r"raised SystemExit\(3\)"),
    "interrupt": (NodeExitedError, r"raised KeyboardInterrupt\(\)"),
}


@pytest.fixture
def begin(deployment: Deployment, saver: RedisSaver) -> Callable[[str], RunHandle]:
    deployment.settings |= {"TREADLE_MAX_ATTEMPTS": "2", "TREADLE_LEASE_MS": "1000"}
    deployment.scheduler()
    graph = poison(saver)
    return lambda node: graph.submit({"trail": [node]}, {"thread_id": node})


def test_each_way_to_die_is_an_error_that_names_it(
    deployment: Deployment, saver: RedisSaver, begin: Callable[[str], RunHandle]
) -> None:
    deployment.worker("prefork", graphs=_GRAPHS)
    handles = {node: begin(node) for node in (*_FAILURES, *_DEATHS, "stand_by")}

    for node, how in _DEATHS.items():
        with pytest.raises(WorkerLost, match="2 times") as raised:
            handles[node].result()
        assert how in str(raised.value)
        assert _lost(saver, node) == [how, how]
    for node, (kind, told) in _FAILURES.items():
        with pytest.raises(kind, match=told or None):
            handles[node].result()
        assert not _lost(saver, node)
    assert handles["stand_by"].result()["trail"][-1] == "alive"


def test_a_step_that_only_stood_by_is_not_blamed_for_the_death_of_a_worker(
    deployment: Deployment, saver: RedisSaver, begin: Callable[[str], RunHandle]
) -> None:
    options: tuple[Any, ...] = ("-P", "threads", "-c", "4", "-Q", "threads")
    deployment.worker("threads", *options, graphs=_GRAPHS)
    leaver, stander = begin("leave_loop_threads"), begin("stand_by_threads")
    until(lambda: saver.threads.pending("stand_by_threads")[0].state == "leased", "the step that stands by runs")
    killer = begin("segfault_threads")

    for _ in range(2):  # what a supervisor of processes does
        until(lambda: deployment.processes["threads"].poll() is not None, "the worker is dead")
        deployment.worker("threads", *options, graphs=_GRAPHS)

    with pytest.raises(WorkerLost, match="the last one by this: its process ended"):
        killer.result()
    assert stander.result()["trail"][-1] == "alive"
    assert _lost(saver, "stand_by_threads") == ["its process ended"]
    with pytest.raises(NodeExitedError):
        leaver.result()
    assert begin("stand_by_loop_threads").result()["trail"][-1] == "alive"


def _lost(saver: RedisSaver, thread_id: str) -> list[str]:
    return [entry.data["why"] for entry in saver.client.log.read(thread_id) if entry.kind == "lost worker"]
