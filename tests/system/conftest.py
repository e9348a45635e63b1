"""A deployment for the system tests: a redis-server, real Celery workers and a scheduler, each a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import RealRedis
from treadle.checkpoint.redis import RedisSaver

_ROOT = Path(__file__).parent.parent.parent


def until(condition: Callable[[], object], what: str, timeout_s: float = 20) -> None:
    """Wait until a condition holds; the test fails with ``what`` when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"After {timeout_s} s still not: {what}")
        time.sleep(0.02)


class Deployment:
    """Processes that belong together, each in its own process group, stopped by their pids.

    Args:
        folder: where its Redis and its logs lie.
        store_url: the store; that Redis, where it is left out.
        fsync: when that Redis writes to its disk.
        **settings: of all processes.
    """

    def __init__(self, folder: Path, store_url: str = "", fsync: str = "always", **settings: str) -> None:
        self.folder = folder
        self.fsync = fsync
        self.redis = self.server()
        self.url = store_url or self.redis.url
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.settings = {"TREADLE_LEASE_MS": "2000", "TREADLE_GRACE_MS": "1000", "TREADLE_EXAMPLES": "false"} | settings

    def server(self) -> RealRedis:
        """Start the Redis."""
        return RealRedis(self.folder, "--save", "", "--appendonly", "yes", "--appendfsync", self.fsync).start()

    def url_of(self, command: str) -> str:
        """Return the URL with which a process of this command reaches the Redis."""
        return self.url

    def inside(self, name: str) -> Sequence[str]:
        """Return what a process of this name is started by, where it does not run here."""
        return ()

    def worker(self, name: str, *options: str, graphs: str = "tests.system.graphs:all_graphs") -> None:
        """Start a worker and wait until it is ready."""
        self.start_worker(name, *options, graphs=graphs)
        until(lambda: " ready." in self.output(name), f"worker {name} is ready:\n{self.output(name)}")

    def start_worker(self, name: str, *options: str, graphs: str) -> None:
        """Start a worker, and wait for nothing."""
        addresses = {"TREADLE_GRAPHS": graphs}
        self._start(name, ["worker", "-n", f"{name}@test", *(options or ("-c", "2"))], addresses)

    def scheduler(self, name: str = "scheduler") -> None:
        """Start a scheduler."""
        self._start(name, ["scheduler"], {})

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a process and all of its children."""
        os.killpg(self.processes[name].pid, how)

    def output(self, name: str) -> str:
        """Return what a process has printed so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        """End everything, whatever state it is in."""
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGCONT)
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        self.redis.kill()

    def _start(self, name: str, arguments: list[str], settings: dict[str, str]) -> None:
        inside = self.inside(name)
        environment = {**os.environ, **self.settings, **settings, "TREADLE_REDIS_URL": self.url_of(arguments[0])}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [*inside, sys.executable, "-m", "treadle", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=_ROOT,
                env=environment,
                start_new_session=True,
            )


@pytest.fixture
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Redis that writes every commit to disk, and nothing else yet."""
    deployment = Deployment(tmp_path_factory.mktemp("d"))
    yield deployment
    deployment.stop()


@pytest.fixture
def saver(deployment: Deployment) -> RedisSaver:
    """A saver whose runs go to the deployment's workers."""
    return RedisSaver(deployment.url)
