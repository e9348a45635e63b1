"""Redis, a scheduler, three workers and a client, each with a network of its own, which is cut and comes back."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RealRedis
from tests.system import hosts
from tests.system.conftest import Deployment, until
from tests.system.graphs import CHAIN_LENGTH
from treadle.checkpoint.redis import RedisSaver

pytestmark = pytest.mark.system

LEASE_MS = 2_000
WORKERS = ("one", "two", "three")
ALL = ("redis", "scheduler", *WORKERS, "client")
CHAINS = 6


class Spread(Deployment):
    """A deployment of which each process is on a machine of its own."""

    def __init__(self, folder: Path) -> None:
        self.hosts = hosts.Hosts()
        self.addresses = {name: self.hosts.add(name) for name in ALL}
        super().__init__(folder, TREADLE_LEASE_MS=str(LEASE_MS), TREADLE_QUEUE_WAIT_MS="2000")

    def server(self) -> RealRedis:
        """Start Redis on its machine; the test looks at it past every network, by its socket."""
        options = ("--port", "6379", "--bind", self.addresses["redis"], "--protected-mode", "no")
        return RealRedis(self.folder, *options, "--appendonly", "yes", inside=self.hosts.inside("redis")).start()

    def url_of(self, command: str) -> str:
        """Return the address that everybody else uses."""
        return f"redis://{self.addresses['redis']}:6379/0"

    def inside(self, name: str) -> list[str]:
        """Start a process on the machine of its name, and let it write its sign of life."""
        self.settings["TREADLE_HEALTH_FILE"] = str(self.folder / f"{name}.health")
        return self.hosts.inside(name)

    def client(self, *runs: tuple[str, str, list[Any]]) -> "subprocess.Popen[str]":
        """Let the client begin runs (graph, thread, trail); returns when it has begun them all."""
        command = [*self.hosts.inside("client"), sys.executable, "-m", "tests.system.far_client", json.dumps(runs)]
        environment = {**os.environ, **self.settings, "TREADLE_REDIS_URL": self.url_of("client")}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    def is_healthy(self, name: str) -> bool:
        """Return what a probe on its machine would be told."""
        probe = [sys.executable, "-m", "treadle", "health", "--file", str(self.folder / f"{name}.health")]
        return subprocess.run([*self.hosts.inside(name), *probe], capture_output=True).returncode == 0

    def stop(self) -> None:
        """End everything, and take the machines away."""
        try:
            super().stop()
        finally:
            self.hosts.close()


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spread]:
    if (why := hosts.refusal()) is not None:
        pytest.skip(why)
    spread = Spread(tmp_path_factory.mktemp("s"))
    try:
        for name in WORKERS:
            spread.start_worker(name, "-c", "2", graphs="tests.system.graphs:all_graphs")
        spread.scheduler()
        for name in WORKERS:
            until(lambda name=name: " ready." in spread.output(name), f"worker {name} is ready")  # type: ignore[misc]
        yield spread
    finally:
        spread.stop()


@pytest.fixture
def saver(spread: Spread) -> RedisSaver:
    return RedisSaver(spread.redis.url)


def holders(saver: RedisSaver, thread_id: str) -> list[str]:
    """Return the workers that had the thread's step, in their order."""
    return [
        str(entry.data["worker"]).partition("@")[0]
        for entry in saver.client.log.read(thread_id)
        if entry.kind == "leased"
    ]


def seen(client: "subprocess.Popen[str]") -> dict[str, list[Any]]:
    """Return what the client saw at last."""
    told, _ = client.communicate(timeout=90)
    assert client.returncode == 0
    return dict(json.loads(told))


def test_a_worker_that_was_away_for_longer_than_its_lease_commits_nothing(spread: Spread, saver: RedisSaver) -> None:
    client = spread.client(("slow", "away", [3]))
    until(lambda: holders(saver, "away"), "the step is leased")
    lost = holders(saver, "away")[0]

    spread.hosts.cut(lost)
    until(lambda: len(holders(saver, "away")) > 1, "another worker has the step")
    assert spread.is_healthy(lost)  # a restart would help nobody
    spread.hosts.mend(lost)

    assert seen(client) == {"away": [3, "slept", "after"]}
    assert holders(saver, "away")[1] != lost
    once(saver, "away")


def test_a_client_and_a_scheduler_that_were_away_miss_nothing(spread: Spread, saver: RedisSaver) -> None:
    client = spread.client(("slow", "far", [2]), *((("chain", f"far-{number}", [])) for number in range(CHAINS)))

    for name in ("client", "scheduler"):
        spread.hosts.cut(name)
    until(lambda: "after" in trail_of(saver, "far"), "the runs ended meanwhile")
    for name in ("client", "scheduler"):
        spread.hosts.mend(name)

    chains = {f"far-{number}": list(range(CHAIN_LENGTH)) for number in range(CHAINS)}
    assert seen(client) == {"far": [2, "slept", "after"]} | chains
    once(saver, "far", *chains)


def test_a_redis_that_nobody_reached_for_ten_seconds_costs_time_alone(spread: Spread, saver: RedisSaver) -> None:
    slow, chains = {f"slow-{seconds}": seconds for seconds in (1, 2, 3, 4)}, [f"cut-{n}" for n in range(CHAINS)]
    client = spread.client(
        *(("slow", name, [seconds]) for name, seconds in slow.items()), *(("chain", name, []) for name in chains)
    )
    until(lambda: all(holders(saver, name) for name in slow), "the long steps are leased")

    spread.hosts.cut("redis")  # the long steps end while nobody can be told
    back_at = time.monotonic() + 10
    until(lambda: time.monotonic() > back_at, "ten seconds are over")
    spread.hosts.mend("redis")

    wanted = {name: [seconds, "slept", "after"] for name, seconds in slow.items()}
    assert seen(client) == wanted | {name: list(range(CHAIN_LENGTH)) for name in chains}
    once(saver, *slow, *chains)
    assert all(spread.is_healthy(name) for name in (*WORKERS, "scheduler"))


def trail_of(saver: RedisSaver, thread_id: str) -> list[Any]:
    found = saver.get_tuple({"configurable": {"thread_id": thread_id}})
    return [] if found is None else list(found.checkpoint["channel_values"].get("trail", []))


def once(saver: RedisSaver, *threads: str) -> None:
    """Fail if a step counted twice, or a log is not what it was."""
    for thread_id in threads:
        committed = Counter(
            entry.data["step"] for entry in saver.client.log.read(thread_id) if entry.kind == "committed"
        )
        assert committed
        assert set(committed.values()) == {1}
        assert saver.client.log.verify(thread_id) is None
