"""A deployment in one terminal: it runs graphs, replaces what dies, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.system.home import Home

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

TREADLE = [sys.executable, "-m", "treadle"]


class Up:
    """A running `treadle up`."""

    def __init__(self, home: Home, *options: str, treadle: list[str] = TREADLE, concurrency: int | None = 1) -> None:
        self.home = home
        many = () if concurrency is None else ("-c", str(concurrency))
        self.process = home.start(*treadle, "up", *many, *options)
        self.output: list[str] = []

    def until(self, words: str) -> None:
        """Read what it prints until it has printed these words once more."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if words in line:
                return
        pytest.fail(f"It ended without saying {words!r}:\n{''.join(self.output)}")

    def child(self, what: str) -> psutil.Process:
        """Return one of its children."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if what in child.cmdline())

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and return its exit code."""
        self.process.send_signal(how)
        self.output.append(self.process.communicate(timeout=60)[0])
        return self.process.returncode

    def run(self, thread_id: str) -> "subprocess.CompletedProcess[str]":
        """Run a graph on it."""
        graph_input = json.dumps({"folder": str(self.home.work)})
        return self.home.run(*TREADLE, "run", "research", "--thread", thread_id, "--input", graph_input, "--json")


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("h"))
    (home.work / "document.md").write_text("# Title\n\nSome words.\n")
    yield home
    for process in home.processes():
        process.kill()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def test_a_graph_runs_and_nothing_is_left_at_the_end(home: Home) -> None:
    up = Up(home, "--no-flower")
    up.until(" ready.")

    done = up.run("t-1")

    assert json.loads(done.stdout)["next"] == ["write_report"], done.stderr
    assert home.run(*TREADLE, "doctor").returncode == 0
    assert up.stop() == 0
    assert home.left() == []


def test_with_json_all_that_is_said_is_json(home: Home) -> None:
    up = Up(home, "--no-flower", "--json")
    up.until(" ready.")
    up.run("t-1")
    assert up.stop() == 0

    said = [json.loads(line) for line in "".join(up.output).splitlines()]

    assert {line["of"] for line in said} == {"redis", "treadle", "worker", "scheduler"}
    assert any(line["message"].startswith("Task research.draft") for line in said)


def test_a_question_is_answered_from_the_command_line(home: Home) -> None:
    up = Up(home, "--no-flower")
    up.until(" ready.")
    asked = home.run(*TREADLE, "run", "supervisor", "--thread", "t-1", "--input", '{"question": "What is a lease?"}')

    answered = home.run(*TREADLE, "resume", "t-1", "--answer", "true")

    assert "treadle resume t-1 --answer JSON" in asked.stderr
    assert json.loads(answered.stdout)["approved"] is True, answered.stderr
    assert up.stop() == 0


def test_what_dies_is_started_again(home: Home) -> None:
    up = Up(home, "--no-flower")
    up.until(" ready.")
    worker, scheduler = up.child("worker"), up.child("scheduler")
    os.killpg(worker.pid, signal.SIGKILL)
    scheduler.kill()
    up.until(" ready.")

    done = up.run("t-1")

    assert done.returncode == 0, done.stderr
    assert any("worker    | ended with code -9" in line for line in up.output)
    assert up.stop(signal.SIGINT) == 0
    assert home.left() == []


def test_flower_answers_only_those_who_know_its_password(home: Home, free_port: int) -> None:
    up = Up(home, "--flower-port", str(free_port))
    up.until(f"http://127.0.0.1:{free_port}")
    until(lambda: answers(free_port))

    password = next(line for line in up.output if "password" in line).split("password ")[1].split()[0]
    shown = home.run("curl", "-s", "-u", f"treadle:{password}", f"http://127.0.0.1:{free_port}/tasks")
    refused = home.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{free_port}/tasks")

    assert "<html" in shown.stdout
    assert refused.stdout == "401"
    assert not any(password in " ".join(process.cmdline()) for process in home.processes())
    assert up.stop() == 0
    assert home.left() == []


def test_the_children_of_a_killed_parent_end_by_themselves(home: Home) -> None:
    up = Up(home, "--no-flower")
    up.until(" ready.")

    up.process.kill()

    until(lambda: all("redis-server" in line for line in home.left()))
    up.process.communicate()


def answers(port: int) -> bool:
    """Return whether somebody listens on a port."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_the_folder_of_a_user_hides_nothing_of_ours(home: Home) -> None:
    for name in ("workers", "graphs", "scheduler"):
        (home.work / name).mkdir()
        Path(home.work / name / "__init__.py").touch()
    treadle = str(Path(sys.executable).with_name("treadle"))
    up = Up(home, "--no-flower", treadle=[treadle])
    up.until(" ready.")

    done = home.run(treadle, "threads")

    assert done.returncode == 0, done.stderr
    assert up.stop() == 0


def test_each_pool_has_its_own_worker_and_takes_its_own_queues(home: Home) -> None:
    (home.work / "shop.py").write_text(_SHOP)
    (home.work / "pools.toml").write_text(_POOLS)
    home.environment |= {"TREADLE_POOLS": "pools.toml", "TREADLE_GRAPHS": "shop:graph", "TREADLE_EXAMPLES": "false"}
    up = Up(home, "--no-flower", concurrency=None)
    up.until(" ready.")
    up.until(" ready.")

    done = home.run(*TREADLE, "run", "shop", "--thread", "t-1", "--input", "{}", "--json")
    shown = json.loads(home.run(*TREADLE, "pools", "--json").stdout)

    assert {name: worker.partition("@")[0] for name, worker in json.loads(done.stdout)["output"].items()} == {
        "drawn_by": "gpu",
        "read_by": "io",
    }, done.stderr
    assert [(row["pool"], len(row["workers"]), row["waiting"]) for row in shown] == [("io", 1, 0), ("gpu", 1, 0)]
    assert home.run(*TREADLE, "doctor").returncode == 0
    assert up.stop() == 0


_SHOP = """
from typing import TypedDict

from celery import current_task

from treadle.graph import START, StateGraph


class State(TypedDict, total=False):
    drawn_by: str
    read_by: str


builder = StateGraph(State)
builder.add_node("read", lambda state: {"read_by": current_task.request.hostname})
builder.add_node("draw", lambda state: {"drawn_by": current_task.request.hostname}, queue="gpu")
builder.add_edge(START, "read").add_edge("read", "draw")
graph = builder.compile(name="shop")
"""

_POOLS = """
[pools.io]
queues = ["treadle"]
kind = "threads"
concurrency = 4

[pools.gpu]
queues = ["gpu"]
concurrency = 1
max_tasks_per_child = 10
"""
