"""How soon a step runs again when its worker is gone, and that one which is there keeps it, by Redis' own clock."""

import signal
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from scheduler.log import LogEntry
from tests.system.conftest import Deployment, until
from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver

pytestmark = pytest.mark.system

LEASE_MS = 2_000
#: What the scheduler's sweep (250 ms), the queue and a loaded machine may add.
SLACK_MS = 1_000
#: How long a worker may work after SIGTERM, where a test wants that to be short.
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


class Noise(threading.Thread):
    """Measures how late this machine wakes whoever sleeps: a busy one adds that to each hand-over between processes."""

    #: From a dying worker to the scheduler, to Redis, to the next worker, to its pool.
    HAND_OVERS = 4

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.late_ms = 0.0

    def run(self) -> None:
        """Sleep again and again."""
        while not self.ended.is_set():
            began = time.monotonic()
            self.ended.wait(0.01)
            self.late_ms = max(self.late_ms, (time.monotonic() - began - 0.01) * 1000)

    def allows(self, limit_ms: int) -> float:
        """Return a limit as it counts on this machine now."""
        return limit_ms + self.HAND_OVERS * self.late_ms


@pytest.fixture
def noise() -> Iterator[Noise]:
    noise = Noise()
    noise.start()
    yield noise
    noise.ended.set()
    noise.join()


@pytest.fixture
def impatient(deployment: Deployment) -> None:
    deployment.settings |= {"TREADLE_STOP_MS": str(STOP_MS)}


@pytest.fixture
def pair(deployment: Deployment, request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """Two workers of one pool and a scheduler; the second one takes what the first one loses."""
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
    pair: Deployment, saver: RedisSaver, noise: Noise, how: signal.Signals
) -> None:
    name, _ = holder(pair, begun(saver, "slow", 30))
    began_ms = now_ms(saver)

    pair.kill(name, how)  # a machine that is gone closes no connection, as a process that is stopped for ever

    assert restarted_after_ms(saver, began_ms) < noise.allows(LEASE_MS + SLACK_MS)


@pytest.mark.parametrize("pair", ["prefork"], indirect=True)
def test_a_step_that_took_its_process_down_runs_again_within_a_second(
    pair: Deployment, saver: RedisSaver, noise: Noise
) -> None:
    began_ms = begun(saver, "deadly", 0).at_ms

    assert restarted_after_ms(saver, began_ms) < noise.allows(SLACK_MS)


@pytest.mark.parametrize("pair", POOLS, indirect=True)
def test_sigquit_hands_a_step_back_at_once_on_every_pool(pair: Deployment, saver: RedisSaver, noise: Noise) -> None:
    name, worker = holder(pair, begun(saver, "slow", 30))
    began_ms = now_ms(saver)

    worker.send_signal(signal.SIGQUIT)

    assert restarted_after_ms(saver, began_ms) < noise.allows(SLACK_MS)
    assert [entry.data["attempt"] for entry in entries(saver, "t", "leased")] == [1, 1]  # it was cut short: no attempt
    assert [entry.data["worker"] for entry in entries(saver, "t", "released")] == [f"{name}@test"]
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the worker has ended")


@pytest.mark.parametrize("pair", ["prefork", "threads"], indirect=True)
def test_sigterm_waits_for_a_step_and_hands_back_one_that_takes_too_long(
    impatient: None, pair: Deployment, saver: RedisSaver, noise: Noise
) -> None:
    name, worker = holder(pair, begun(saver, "slow", 30))
    began_ms = now_ms(saver)

    worker.send_signal(signal.SIGTERM)

    took_ms = restarted_after_ms(saver, began_ms)
    assert STOP_MS <= took_ms < noise.allows(STOP_MS + SLACK_MS)
    assert [entry.data["worker"] for entry in entries(saver, "t", "released")] == [f"{name}@test"]


@pytest.mark.parametrize("pair", ["threads", "solo", "gevent"], indirect=True)
def test_a_node_that_holds_the_interpreter_keeps_its_lease(pair: Deployment, saver: RedisSaver) -> None:
    handle = compiled("holding", saver).submit({"trail": [3 * LEASE_MS / 1000]}, {"thread_id": "t"})

    assert handle.result(timeout=30)["trail"][-1] == "held"
    assert len(entries(saver, "t", "leased")) == 1
    took_ms = entries(saver, "t", "committed")[0].at_ms - entries(saver, "t", "leased")[0].at_ms
    assert took_ms > LEASE_MS  # how long that takes is guessed from a sample


@pytest.mark.parametrize("pair", ["threads"], indirect=True)
def test_a_worker_that_is_stopped_loses_its_lease_although_its_keeper_runs(
    pair: Deployment, saver: RedisSaver, noise: Noise
) -> None:
    _, worker = holder(pair, begun(saver, "slow", 30))
    began_ms = now_ms(saver)

    worker.suspend()

    assert restarted_after_ms(saver, began_ms) < noise.allows(LEASE_MS + SLACK_MS)
