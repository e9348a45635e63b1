"""A redis-server and one worker for as long as a measurement takes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import redis

from tests.conftest import RealRedis


def until(condition: Callable[[], object], timeout_s: float = 120) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a redis-server without persistence and yield its URL."""
    with tempfile.TemporaryDirectory() as folder:
        server = RealRedis(Path(folder), "--save", "", "--appendonly", "no").start()
        try:
            yield server.url
        finally:
            server.stop()


@contextmanager
def worker(url: str, app: str, settings: Mapping[str, str]) -> Iterator[None]:
    """Run a prefork worker of two processes until the block ends."""
    environment = {**os.environ, "TREADLE_REDIS_URL": url, "TREADLE_EXAMPLES": "false", **settings}
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-c", "2", "--without-gossip", "--without-mingle"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            until(partial(_is_consuming, url), 30)
            yield
        finally:
            process.terminate()
            process.wait(60)


def _is_consuming(url: str) -> bool:
    """Return whether a worker has bound its mailbox, which it does last."""
    with redis.Redis.from_url(url) as client:
        return any(client.scan_iter("*_kombu.binding.celery.pidbox"))
