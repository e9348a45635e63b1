"""How soon a step runs again when its worker is gone, and that one which is there keeps it, by Redis' own clock."""

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from scheduler.log import LogEntry
from tests.system.conftest import Deployment, until
from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver

pytestmark = pytest.mark.system

LEASE_MS, SHORTEST_MS = 1_500, 300
#: What the scheduler's sweep (250 ms), the queue and a loaded machine may add.
SLACK_MS = 1_000
#: How long a worker may work after SIGTERM.
STOP_MS = 1_000
POOLS = ("prefork", "threads", "solo", "gevent")


def options(pool: str) -> tuple[str, ...]:
    return ("-P", pool) if pool == "solo" else ("-P", pool, "-c", "2")


def entries(saver: RedisSaver, thread_id: str, kind: str) -> list[LogEntry]:
    return [entry for entry in saver.client.log.read(thread_id) if entry.kind == kind]


def now_ms(saver: RedisSaver) -> int:
    seconds, micros = saver.engine.connection.redis.time()
    return seconds * 1000 + micros // 1000


def begun(saver: RedisSaver, graph: str, seconds: float, thread_id: str = "t") -> LogEntry:
    """Begin a run of one long node, and wait until it runs."""
    compiled(graph, saver).submit({"trail": [seconds]}, {"thread_id": thread_id})
    until(lambda: entries(saver, thread_id, "leased"), "the step is leased")
    return entries(saver, thread_id, "leased")[0]


def restarted_after_ms(saver: RedisSaver, since_ms: int, thread_id: str = "t") -> int:
    """Wait until the step runs again, and return how long that took."""
    until(lambda: len(entries(saver, thread_id, "leased")) > 1, "the step runs again", timeout_s=30)
    return entries(saver, thread_id, "leased")[1].at_ms - since_ms


def within(limit_ms: int) -> float:
    """Return a time as it counts here and now: a machine with more to do than it has cores takes so much longer."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return limit_ms * max(1.0, load / cores)


@pytest.fixture
def pair(deployment: Deployment, request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """Two workers of one pool and a scheduler; the second one takes what the first one loses."""
    deployment.settings |= {"TREADLE_LEASE_MS": str(LEASE_MS), "TREADLE_STOP_MS": str(STOP_MS)}
    deployment.scheduler()
    for name in ("first", "second"):
        deployment.worker(name, *options(request.param))
    until(lambda: "scheduler started" in deployment.output("scheduler"), "the scheduler has started")
    yield deployment


def holder(deployment: Deployment, leased: LogEntry) -> tuple[str, psutil.Process]:
    """Return which worker runs a step, and its process."""
    name = str(leased.data["worker"]).partition("@")[0]
    return name, psutil.Process(deployment.processes[name].pid)


@pytest.mark.parametrize("pair", ["prefork"], indirect=True)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_step_runs_again_within_its_lease_and_a_second(
    pair: Deployment, saver: RedisSaver, how: signal.Signals
) -> None:
    name, _ = holder(pair, begun(saver, "slow", 30))
    began_ms = now_ms(saver)

    pair.kill(name, how)  # a machine that is gone closes no connection, as a process that is stopped for ever

    assert restarted_after_ms(saver, began_ms) < LEASE_MS + within(SLACK_MS)


@pytest.mark.parametrize("pair", ["prefork"], indirect=True)
def test_sigterm_waits_for_a_step_and_hands_back_one_that_takes_too_long(pair: Deployment, saver: RedisSaver) -> None:
    name, worker = holder(pair, begun(saver, "slow", 30))
    began_ms = now_ms(saver)

    worker.send_signal(signal.SIGTERM)

    assert STOP_MS <= restarted_after_ms(saver, began_ms) < STOP_MS + within(SLACK_MS)
    assert [entry.data["worker"] for entry in entries(saver, "t", "released")] == [f"{name}@test"]


@pytest.mark.parametrize("pair", ["threads", "solo", "gevent"], indirect=True)
def test_a_pool_without_processes_holds_its_leases_and_hands_them_back(pair: Deployment, saver: RedisSaver) -> None:
    held = compiled("holding", saver).submit({"trail": [3 * LEASE_MS / 1000]}, {"thread_id": "held"})

    assert held.result(timeout=60)["trail"][-1] == "held"  # the interpreter, for several leases
    assert len(entries(saver, "held", "leased")) == 1
    took_ms = entries(saver, "held", "committed")[0].at_ms - entries(saver, "held", "leased")[0].at_ms
    assert took_ms > LEASE_MS  # how long it takes is guessed from a sample

    name, worker = holder(pair, begun(saver, "slow", 30))
    began_ms = now_ms(saver)

    worker.send_signal(signal.SIGQUIT)

    assert restarted_after_ms(saver, began_ms) < within(SLACK_MS)
    assert [entry.data["attempt"] for entry in entries(saver, "t", "leased")] == [1, 1]  # it was cut short: no attempt
    assert [entry.data["worker"] for entry in entries(saver, "t", "released")] == [f"{name}@test"]
    until(lambda: pair.processes[name].poll() == 0, "the worker has ended")


def test_a_long_node_keeps_its_short_lease_also_when_redis_goes_away(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.settings |= {"TREADLE_LEASE_MS": str(SHORTEST_MS)}
    deployment.scheduler()
    deployment.worker("one")
    handle = compiled("slow", saver).submit({"trail": [30 * SHORTEST_MS / 1000]}, {"thread_id": "t"})
    until(lambda: entries(saver, "t", "leased"), "the step is leased")

    for away_s in (0.0, 5 * SHORTEST_MS / 1000):
        deployment.redis.kill()
        time.sleep(away_s)
        deployment.redis.start()
        time.sleep(5 * SHORTEST_MS / 1000)

    assert handle.result(timeout=60)["trail"][1:] == ["slept", "after"]
    kinds = [entry.kind for entry in saver.client.log.read("t")]
    assert kinds == ["created", "started", "leased", "committed", "leased", "committed", "finished"]
