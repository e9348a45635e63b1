"""Child processes: their output, their end, and that nothing of them is left."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from workers import fleet as fleet_module
from workers.fleet import Child, Fleet, Role, command

WAIT = "import sys; print('ready', flush=True); sys.stdin.read()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAIT
PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE); " + WAIT


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        os.sched_yield()


class Watch:
    """A fleet, and what it said."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.announced: list[str] = []
        self.fleet = Fleet(
            lambda name, line: self.told.append((name, line)), lambda _, line: self.announced.append(line)
        )

    def start(self, script: str, *, restarts: bool = True, stage: int = 0, name: str = "child") -> Child:
        """Start a child that runs a script, and wait until it has said something."""
        said = len(self.told)
        role = Role(name, (script,), os.environ, ((signal.SIGTERM, 0.5),), stage, restarts)
        child = self.fleet.start(role)
        until(lambda: len(self.told) > said)
        return child

    def all_dead(self) -> bool:
        """Return whether every child has ended."""
        return all(child.code is not None for child in self.fleet.children)

    def tended(self) -> bool:
        """Tend the fleet; return whether it has a child."""
        self.fleet.tend()
        return bool(self.fleet.children)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """A fleet whose children run Python scripts."""
    monkeypatch.setattr(fleet_module, "command", lambda arguments: [sys.executable, "-c", *arguments])
    watch = Watch()
    yield watch
    watch.fleet.stop()


def test_what_a_child_prints_is_told_line_by_line(watch: Watch) -> None:
    watch.start("import sys; print('one\\ntwo', flush=True); print('three', file=sys.stderr)", name="talker")

    until(lambda: len(watch.told) == 3)
    assert watch.told == [("talker", "one"), ("talker", "two"), ("talker", "three")]


def test_a_child_leads_a_group_of_its_own(watch: Watch) -> None:
    child = watch.start(WAIT)

    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)


def test_a_child_that_ends_when_asked_is_not_killed(watch: Watch) -> None:
    child = watch.start(WAIT)

    child.stop()

    assert child.code == -signal.SIGTERM


def test_a_child_that_does_not_end_when_asked_is_killed(watch: Watch) -> None:
    child = watch.start(STUBBORN)

    child.stop()

    assert child.code == -signal.SIGKILL


def test_the_children_of_a_killed_child_are_gone_too(watch: Watch) -> None:
    child = watch.start(PARENT)
    grandchild = psutil.Process(child.pid).children()[0]

    watch.fleet.kill(child)

    until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_a_child_that_dies_is_replaced(watch: Watch) -> None:
    child = watch.start(WAIT)
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: child.code is not None)

    until(watch.tended)

    assert watch.fleet.children[0].pid != child.pid
    assert "ended with code -9" in watch.announced[0]


def test_a_child_that_dies_again_and_again_is_replaced_ever_later(watch: Watch) -> None:
    for _ in range(3):
        os.kill(watch.start(WAIT).pid, signal.SIGKILL)
        until(watch.all_dead)
        watch.fleet.tend()

    assert [line.rpartition("in ")[2] for line in watch.announced] == ["1 s", "2 s", "4 s"]


def test_a_child_that_is_not_replaced_is_only_announced(watch: Watch) -> None:
    child = watch.start("print('bye')", restarts=False)
    until(lambda: child.code is not None)

    watch.fleet.tend()

    assert watch.fleet.children == ()
    assert watch.announced == ["ended with code 0; the others go on without it"]


def test_a_child_killed_on_purpose_is_not_replaced(watch: Watch) -> None:
    child = watch.start(WAIT)

    watch.fleet.kill(child)
    watch.fleet.tend()

    assert watch.announced == []


def test_stop_leaves_nothing(watch: Watch) -> None:
    pids = [watch.start(script).pid for script in (WAIT, STUBBORN, PARENT)]

    watch.fleet.stop()

    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


def test_a_later_stage_stops_after_an_earlier_one(watch: Watch) -> None:
    ended = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: (print('ends', flush=True), sys.exit()));" + WAIT
    )
    watch.start(ended, stage=1, name="later")
    watch.start(ended, stage=0, name="earlier")

    watch.fleet.stop()

    assert [name for name, line in watch.told if line == "ends"] == ["earlier", "later"]


def test_a_stop_that_has_begun_can_be_hurried(watch: Watch) -> None:
    role = Role("slow", (STUBBORN,), os.environ, ((signal.SIGTERM, 60.0), (signal.SIGQUIT, 60.0)))
    child = watch.fleet.start(role)
    until(lambda: watch.told)
    stopping = threading.Thread(target=watch.fleet.stop)
    stopping.start()

    watch.fleet.hurry()

    stopping.join()
    assert child.code == -signal.SIGQUIT


def test_a_stop_that_is_interrupted_leaves_nothing_either(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    child = watch.start(STUBBORN)
    monkeypatch.setattr(Child, "stop", interrupted)

    with pytest.raises(KeyboardInterrupt):
        watch.fleet.stop()

    assert not psutil.pid_exists(child.pid)


def interrupted(child: Child) -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


def test_a_child_of_ours_runs_treadle_with_this_interpreter() -> None:
    assert command(["worker", "-c", "2"])[-5:] == ["-m", "treadle", "worker", "-c", "2"]
    assert command([])[0] == sys.executable
