"""A redis-server and workers for as long as a measurement takes, and what they spend."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import redis

from tests.conftest import RealRedis

#: How often a condition is looked at: seldom enough that waiting takes nothing from what is waited for.
POLL_S = 0.01

_GRAPHS = ("chain", "chat", "note", "fan_out", "wait", "wait_async")
_QUIET = ("--without-gossip", "--without-mingle", "-l", "WARNING")


def until(condition: Callable[[], object], timeout_s: float = 120) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(POLL_S)


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a redis-server without persistence and yield its URL."""
    with tempfile.TemporaryDirectory() as folder:
        server = RealRedis(Path(folder), "--save", "", "--appendonly", "no").start()
        try:
            yield server.url
        finally:
            server.stop()


def redis_cpu_s(client: redis.Redis) -> float:
    """Return the CPU time that a Redis has used, in seconds."""
    info = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


@dataclass(frozen=True, slots=True)
class Worker:
    """A running worker, by its main process."""

    main: psutil.Process

    @property
    def children(self) -> list[psutil.Process]:
        """The processes of its pool."""
        return list(self.main.children(recursive=True))

    def cpu_s(self) -> float:
        """Return the CPU time that its processes have used, in seconds."""
        times = [process.cpu_times() for process in (self.main, *self.children)]
        return float(sum(used.user + used.system for used in times))


@contextmanager
def treadle_worker(url: str, *options: str, events: bool = False) -> Iterator[Worker]:
    """Run a Treadle worker that has the graphs of the benchmarks, until the block ends."""
    graphs = ",".join(f"tests.benchmarks.graphs:{name}" for name in _GRAPHS)
    settings = {"TREADLE_GRAPHS": graphs, "TREADLE_EXAMPLES": "false", "TREADLE_EVENTS": str(events).lower()}
    command = ["-m", "treadle", "worker", *_QUIET, *(options or ("-c", "2"))]
    with _running(url, command, settings) as running:
        yield running


@contextmanager
def bare_worker(url: str, *options: str, **app: bool) -> Iterator[Worker]:
    """Run a bare Celery worker until the block ends; ``app``: which app it has, as ``app_for`` says."""
    command = ["-m", "celery", "-A", "tests.benchmarks.bare", "worker", *_QUIET, *(options or ("-c", "2"))]
    with _running(url, command, {"BENCHMARK_APP": json.dumps(app)}) as running:
        yield running


@contextmanager
def _running(url: str, command: list[str], settings: Mapping[str, str]) -> Iterator[Worker]:
    environment = {**os.environ, "TREADLE_REDIS_URL": url, **settings}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=log, stderr=log, env=environment, start_new_session=True
        )
        try:
            until(partial(_is_consuming, url), 30)
            yield Worker(psutil.Process(process.pid))
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # a session of its own: the worker and its pool, and nobody else
        process.wait()


def _is_consuming(url: str) -> bool:
    """Return whether a worker has bound its mailbox, which it does last."""
    with redis.Redis.from_url(url) as client:
        return any(client.scan_iter("*_kombu.binding.celery.pidbox"))
