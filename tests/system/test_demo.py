"""The demo as people run it: real processes, one of them killed, a report at the end, and nothing left behind."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scheduler.sealing import new_key
from tests.system.home import Home

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

DEMO = [sys.executable, "-m", "treadle", "demo"]


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("h"))
    yield home
    assert home.left() == []


def test_a_killed_worker_costs_an_attempt_and_no_more(home: Home) -> None:
    done = home.run(*DEMO, "--crash", "--approve")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "was killed with SIGKILL, in the middle of read_" in done.stdout
    assert re.search(r"lost worker +read_\d +attempt 1, on demo", done.stdout)
    assert re.search(r"committed +read_\d +attempt 2, on demo", done.stdout)
    assert "hash chain" in done.stdout
    assert (home.work / "report.md").read_text().startswith("<!-- A research report")


def test_with_json_a_program_can_read_it_whatever_the_environment_says_of_another_deployment(home: Home) -> None:
    home.environment |= {
        "TREADLE_ENCRYPTION_KEYS": f"one:{new_key()}",
        "TREADLE_ENCRYPTION_STRICT": "true",
        "TREADLE_REDIS_URL": "redis://127.0.0.1:1/0",
        "TREADLE_GRAPHS": "nowhere:graph",
        "TREADLE_LEASE_MS": "300",
    }

    done = home.run(*DEMO, "--approve", "--json")

    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["kind"] for one in told if "kind" in one][-1] == "finished"
    assert told[-1]["says"].startswith("The report is written: ")


def test_without_a_person_the_thread_waits_for_one(home: Home) -> None:
    first = home.run(*DEMO)
    printed = next(line for line in first.stdout.splitlines() if line.endswith("# approves it"))
    command = shlex.split(printed, comments=True)

    second = home.run("env", command[0], sys.executable, "-m", *command[1:])

    assert first.returncode == second.returncode == 0, first.stdout + second.stdout + second.stderr
    assert "paused before write_report" in first.stdout
    assert (home.work / "report.md").is_file()


def test_the_commands_for_doing_it_by_hand_work(home: Home) -> None:
    printed = [line.strip() for line in home.run(*DEMO).stdout.splitlines() if "/demo treadle " in line][1:]
    commands = [shlex.split(line, comments=True) for line in printed]
    with subprocess.Popen(
        ["env", commands[0][0], sys.executable, "-m", "treadle", "up", "--no-flower"],
        cwd=home.work,
        env=home.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as up:
        done = [home.run("env", command[0], sys.executable, "-m", *command[1:]) for command in commands]
        up.send_signal(signal.SIGINT)

    assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]
    assert "Rejected" in (home.work / "report.md").read_text()
    assert up.returncode == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_of_a_demo_that_is_stopped(home: Home, how: signal.Signals) -> None:
    with subprocess.Popen(
        [*DEMO, "--crash", "--approve"],
        cwd=home.work,
        env=home.environment,
        stdout=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "was killed" in line:
                demo.send_signal(how)
                break
        rest = demo.stdout.read()

    assert demo.returncode == 128 + how
    assert home.left() == []
    assert how is not signal.SIGINT or "treadle demo --thread" in rest
