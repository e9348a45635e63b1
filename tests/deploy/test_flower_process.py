"""Flower as a process: who is let in."""

import json
import os
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import psutil
import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from scheduler.embedded import EmbeddedRedis
from workers.bootstrap import celery_app
from workers.settings import WorkerSettings

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

    assert process.returncode == 2
    assert "Error: TREADLE_FLOWER_PASSWORD is not set." in told


@pytest.mark.parametrize("way", ["with our settings", "by treadle"])
def test_it_logs_as_it_is_told(environment: Mapping[str, str], way: str) -> None:
    port, told = free_port(), {"TREADLE_FLOWER_PASSWORD": PASSWORD, "TREADLE_LOG_FORMAT": "json"}
    with started(port, {**environment, **told}, WAYS[way]) as process:
        ready(port)
        process.terminate()
        _, printed = process.communicate(timeout=30)

    lines = [json.loads(line) for line in printed.splitlines()]
    assert f"Visit me at http://127.0.0.1:{port}" in {line["message"] for line in lines}


def test_what_was_shown_is_still_there_and_found_after_a_restart(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    way = ("treadle", "flower", "--persistent=True", f"--db={tmp_path / 'flower'}")
    secret = {**environment, "TREADLE_FLOWER_PASSWORD": PASSWORD}
    expected = [
        ("support.answer", "INTERRUPTED", "attempt=1 step=5e9 run=r-7 thread=user-1"),
        ("support.review", "TIMEOUT", "attempt=2 step=7af run=r-7 thread=user-1"),
    ]

    port = free_port()
    with started(port, secret, way) as process:
        ready(port)
        tell_of_two_steps(environment["TREADLE_REDIS_URL"], lambda: rows(port, "kwargs:thread=user-1"))
        before = rows(port, "kwargs:thread=user-1")
        process.terminate()
        process.wait(30)
    port = free_port()
    with started(port, secret, way):
        ready(port)
        after = [rows(port, search) for search in ("kwargs:thread=user-1", "kwargs:run=r-7", "r-7")]
        one_step, nobody = rows(port, "kwargs:step=7af"), rows(port, "kwargs:thread=user-2")

    assert before == expected
    assert after == [expected] * 3
    assert one_step == expected[1:]
    assert nobody == []


def ready(port: int) -> None:
    for attempt in Retrying(retry=retry_if_exception_type(URLError), stop=stop_after_delay(60), wait=wait_fixed(0.1)):
        with attempt:
            status(f"http://127.0.0.1:{port}/healthcheck")


def tell_of_two_steps(redis_url: str, shown: Callable[[], list[Any]]) -> None:
    """Publish the events of a worker until Flower, which may not listen yet, shows them."""
    ended: dict[str, tuple[str, dict[str, Any]]] = {
        "review": ("failed", {"exception": "NodeTimeoutError('review', 1.5)", "traceback": "..."})
    }
    ended["answer"] = ("succeeded", {"result": "'interrupted'", "runtime": 0.1})
    ids = {"review": ("7af", 2), "answer": ("5e9", 1)}
    app = celery_app(WorkerSettings(redis_url=redis_url))
    until = time.monotonic() + 30
    while len(shown()) < 2:
        assert time.monotonic() < until, "Flower shows nothing"
        with app.events.default_dispatcher(hostname="worker@1") as events:
            for node, (event, fields) in ended.items():
                step, number = ids[node]
                named = {"uuid": f"user-1:{node}:{number}:{step}-1", "name": f"support.{node}"}
                kwargs = str({"thread": "user-1", "run": "r-7", "step": step, "attempt": number})
                events.send("task-received", **named, args="()", kwargs=kwargs)
                events.send("task-started", uuid=named["uuid"])
                events.send(f"task-{event}", uuid=named["uuid"], **fields)


def rows(port: int, search: str) -> list[tuple[str, str, str]]:
    """Return what the tasks page shows: name, state and ids."""
    asked = {"draw": 1, "start": 0, "length": 10, "search[value]": search}
    order = {"order[0][column]": 0, "order[0][dir]": "asc", "columns[0][data]": "name"}
    login = b64encode(f"treadle:{PASSWORD}".encode()).decode()
    url = f"http://127.0.0.1:{port}/tasks/datatable?{urlencode(asked | order)}"
    with urlopen(Request(url, headers={"Authorization": f"Basic {login}"}), timeout=10) as response:
        return [(row["name"], row["state"], row["kwargs"]) for row in json.loads(response.read())["data"]]
