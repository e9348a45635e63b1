"""Flower as a process: who is let in."""

import os
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psutil
import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from scheduler.embedded import EmbeddedRedis

pytestmark = pytest.mark.system

CONF = Path(__file__).parents[2] / "deploy/flowerconfig.py"
PASSWORD = "p,a:s s"
WAYS = {
    "with our settings": ("celery", "-A", "workers", "flower", f"--conf={CONF}"),
    "with none": ("celery", "-A", "workers", "flower"),
    "with an empty login": ("celery", "-A", "workers", "flower", "--basic_auth="),
    "by treadle": ("treadle", "flower"),
}


@pytest.fixture(scope="module")
def environment() -> Iterator[Mapping[str, str]]:
    """Yield the environment of a process that works with a Redis of its own."""
    others = {name: value for name, value in os.environ.items() if name != "TREADLE_FLOWER_PASSWORD"}
    with TemporaryDirectory(prefix="treadle-") as folder, EmbeddedRedis(Path(folder)) as redis:
        yield {**others, "TREADLE_REDIS_URL": redis.url, "TREADLE_GRAPHS": ""}


@pytest.fixture(scope="module", params=["with our settings", "with none"])
def url(environment: Mapping[str, str], request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the address of a Flower that is ready."""
    port = free_port()
    with started(port, {**environment, "TREADLE_FLOWER_PASSWORD": PASSWORD}, WAYS[request.param]) as process:
        url = f"http://127.0.0.1:{port}"
        for attempt in Retrying(
            retry=retry_if_exception_type(URLError), stop=stop_after_delay(30), wait=wait_fixed(0.1), reraise=True
        ):
            with attempt:
                assert process.poll() is None, "Flower has ended"
                status(f"{url}/healthcheck")
        yield url


@contextmanager
def started(
    port: int, environment: Mapping[str, str], way: Sequence[str] = WAYS["with our settings"]
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", *way, f"--port={port}"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def status(url: str, login: str = "", method: str = "GET") -> int:
    headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
    try:
        with urlopen(Request(url, headers=headers, method=method), timeout=10) as response:
            return int(response.status)
    except HTTPError as error:
        with error:
            return error.code


def test_the_password_lets_in(url: str) -> None:
    assert status(f"{url}/tasks", f"treadle:{PASSWORD}") == 200


@pytest.mark.parametrize("login", ["", "treadle:", "treadle:p", ":"])
@pytest.mark.parametrize("page", ["/tasks", "/workers", "/api/tasks"])
def test_nobody_else_is_let_in(url: str, page: str, login: str) -> None:
    assert status(f"{url}{page}", login) == 401


@pytest.mark.parametrize("page", ["/metrics", "/healthcheck"])
def test_two_pages_are_for_machines_and_open(url: str, page: str) -> None:
    assert status(f"{url}{page}") == 200


def test_it_listens_on_this_machine_alone(url: str) -> None:
    port = int(url.rpartition(":")[2])

    heard = [found.laddr.ip for found in psutil.net_connections("tcp") if found.laddr.port == port and not found.raddr]

    assert heard == ["127.0.0.1"]


def test_nobody_stops_a_worker_here(url: str) -> None:
    assert status(f"{url}/api/worker/shutdown/celery@any", f"treadle:{PASSWORD}", "POST") == 403


@pytest.mark.parametrize("way", WAYS)
def test_without_a_password_it_says_what_to_do_and_ends(environment: Mapping[str, str], way: str) -> None:
    with started(free_port(), environment, WAYS[way]) as process:
        _, told = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "Error: TREADLE_FLOWER_PASSWORD is not set." in told
