"""The examples of each command's help, pasted into a shell beside a deployment that runs."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from scheduler.schedules import Schedules
from scheduler.sealing import new_key
from tests.conftest import RealRedis
from tests.servers import free_port
from tests.system.home import Home
from tests.test_readme import first_graph
from tests.workers.commands.walk import examples, leaves
from workers.cli import main
from workers.desk import Desk
from workers.settings import WorkerSettings

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

ROOT = Path(__file__).parent.parent.parent
#: What runs until it is stopped, and what it says once it is at it.
SERVICES = {
    r"treadle up\b": r" ready\.",
    r"treadle worker": r" ready\.",
    r"treadle scheduler": "scheduler started",
    r"treadle flower": "Visit me at",
    r"treadle log .*--follow": '"started"',
}
KEY = f"one:{new_key()}"
QUESTION = {"question": "What is a lease?"}
LEAVES = list(leaves())
CREATE = next(one for path, command in LEAVES for one in examples(command) if path == ("schedule", "create"))
each_command = pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])


@dataclass
class Scene:
    """A folder and a deployment in which the examples find what they speak of."""

    home: Home
    desk: Desk

    def prepare(self, example: str) -> str:
        """Make what an example speaks of; return it with what is not the same for everybody."""
        for thread_id in ("my-1", "my-1-audit"):
            self._remove(thread_id)
        run_id = self._ask("my-1", {"webhook": "https://127.0.0.1:9/nobody"} if "webhooks" in example else {})
        if "treadle inputs" in example:
            config = self.desk.config(self.desk.graphs["supervisor"], "my-1", {"on_busy": "enqueue"})
            run_id = self.desk.client.start(self.desk.graphs["supervisor"], config, QUESTION).run.id[:6]
        Schedules(self.desk.engine.connection).delete("nightly")
        if "nightly" in example and " create " not in example:
            self.run(CREATE)
        self.run("rm -rf archive heads.jsonl my-1.json")
        if "--head heads.jsonl" in example:
            self.run("treadle head --all --to heads.jsonl")
        if "archive/" in example or "treadle restore" in example:
            self.run("treadle archive my-1 --to archive")
        example = re.sub(r"(--(?:metrics-)?port) \d+", lambda found: f"{found[1]} {free_port()}", example)
        example = re.sub(r"treadle up\b(?!.*--no-flower)", f"treadle up --flower-port {free_port()}", example)
        return re.sub(r"\bRUN\b", run_id, example)

    def run(self, example: str) -> "subprocess.CompletedProcess[str]":
        """Run an example to its end."""
        done = self.home.run("bash", "-c", example)
        assert done.returncode == 0, f"{example}\n{done.stdout}\n{done.stderr}"
        assert "\x1b" not in done.stdout + done.stderr
        return done

    def _ask(self, thread_id: str, given: dict[str, str]) -> str:
        config = self.desk.config(self.desk.graphs["supervisor"], thread_id, given)
        run_id = self.desk.client.start(self.desk.graphs["supervisor"], config, QUESTION).run.id
        self.desk.client.wait(thread_id, run_id, 30)
        return run_id

    def _remove(self, thread_id: str) -> None:
        thread = self.desk.client.threads.find(thread_id)
        if thread is not None and thread.run_id is not None:
            self.desk.client.runs.cancel(thread_id, thread.run_id)
        self.desk.client.threads.delete(thread_id)


class Service:
    """An example that runs until it is stopped."""

    def __init__(self, home: Home, example: str, sign: str) -> None:
        self.example, self.lines = example, list[str]()
        self._process = home.start("bash", "-c", f"exec env {example}")
        self._is_there = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(re.compile(sign),))
        self._reader.start()

    def expect(self) -> None:
        """Wait until it is at it."""
        assert self._is_there.wait(60) and self._process.poll() is None, f"{self.example}\n{''.join(self.lines)}"

    def stop(self) -> None:
        """Press Ctrl-C, and see that it ends without a word of Python's."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        self._reader.join()
        assert "Traceback" not in "".join(self.lines), "".join(self.lines)

    def _read(self, sign: re.Pattern[str]) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self.lines.append(line)
                if sign.search(line):
                    self._is_there.set()
        self._is_there.set()


@pytest.fixture(scope="module")
def scene(real_redis: RealRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    real_redis.flush()
    home = Home(tmp_path_factory.mktemp("h"))
    programs = home.work.parent / "bin"
    programs.mkdir()
    treadle = programs / "treadle"
    treadle.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m treadle "$@"\n')
    treadle.chmod(0o755)
    home.environment |= {
        "TREADLE_REDIS_URL": real_redis.url,
        "TREADLE_FLOWER_PASSWORD": "secret",
        "TREADLE_WEBHOOK_SECRET": "secret",
        "TREADLE_ENCRYPTION_KEYS": KEY,
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    (home.work / "mygraphs.py").write_text(first_graph())
    (home.work / "pools.toml").write_text((ROOT / "deploy" / "pools.toml").read_text())
    (home.work / "notes.md").write_text("# Notes\n\nWhat is left to do?\n")
    up = Service(home, "treadle up --no-flower -c 2", r" ready\.")
    up.expect()
    yield Scene(home, Desk(WorkerSettings(redis_url=real_redis.url, encryption_keys=SecretStr(KEY))))
    up.stop()
    for process in home.processes():
        process.kill()


@each_command
def test_the_examples_of_a_command_work(scene: Scene, path: tuple[str, ...], command: click.Command) -> None:
    if path == ("demo",):
        pytest.skip("it has tests of its own, in test_demo")
    services: list[Service] = []
    try:
        for example in map(scene.prepare, examples(command)):
            sign = next((sign for pattern, sign in SERVICES.items() if re.search(pattern, example)), None)
            if sign is None:
                scene.run(example)
            else:
                services.append(Service(scene.home, example, sign))
                services[-1].expect()
    finally:
        for service in services:
            service.stop()


@each_command
def test_with_json_a_command_answers_in_json_alone(
    scene: Scene, path: tuple[str, ...], command: click.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = next(one for one in examples(command) if f"treadle {' '.join(path)}" in one)
    if path == ("demo",) or any(re.search(pattern, example) for pattern in SERVICES):
        pytest.skip("it has a test of its own")
    asked = scene.prepare(example).partition("treadle ")[2]
    monkeypatch.chdir(scene.home.work)

    arguments = shlex.split(re.split("[>#;]", asked)[0])
    done = CliRunner().invoke(
        main, [*arguments, "--json"], env={**scene.home.environment, "TREADLE_HEALTH_FILE": "none"}
    )

    assert done.exit_code == 0 or path == ("health",), done.output
    try:
        json.loads(done.stdout)
    except json.JSONDecodeError:
        assert all(isinstance(json.loads(line), dict) for line in done.stdout.splitlines())
