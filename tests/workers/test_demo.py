"""What the demo decides: how slowly it reads, whom it kills, what a verdict writes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from scheduler.following import LiveEvent
from scheduler.log import LogEntry
from scheduler.thread import PendingStep
from tests.conftest import RealRedis
from workers.demo import Demo, Plan, Verdict
from workers.desk import Desk
from workers.documents import Documents
from workers.fleet import Child, Fleet, Role
from workers.settings import WorkerSettings


def plan(tmp_path: Path, *, count: int = 60, crash: bool = False) -> Plan:
    """Return a plan to read so many documents."""
    documents = Documents(tmp_path, "**/*.md", count, "here")
    return Plan("t-1", documents, tmp_path / "report.md", "", crash, 2, lambda draft: None, {})


class RecordingFleet(Fleet):
    """A fleet that starts nothing, and notes whom it was told to start and to kill."""

    def __init__(self) -> None:
        super().__init__(lambda *_: None, lambda *_: None)
        self.started: list[str] = []
        self.killed: list[str] = []

    def start(self, role: Role) -> Child:
        """Note a role."""
        self.started.append(role.name)
        child = object.__new__(Child)
        child.role = role
        self._children.append(child)
        return child

    def kill(self, child: Child) -> None:
        """Note a child's role."""
        self._children.remove(child)
        self.killed.append(child.role.name)

    def tend(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> RecordingFleet:
    monkeypatch.setattr(Child, "pid", 4711)
    return RecordingFleet()


@pytest.fixture
def desk(real_redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A store on which reader s1 runs on worker demo1."""
    real_redis.flush()
    desk = Desk(WorkerSettings(redis_url=real_redis.url))
    running = PendingStep("s1", "read_1", "run-1", "leased", 1, "demo1@host", 0, 0)
    monkeypatch.setattr("scheduler.threads.ThreadStore.pending", lambda *_: [running])
    yield desk
    desk.engine.connection.client.close()


def demo(plan: Plan, desk: Desk, fleet: Fleet) -> Demo:
    """Return a demo whose two workers have started."""
    demo = Demo(plan, desk, fleet, Console(quiet=True))
    demo._start_worker()
    demo._start_worker()
    return demo


def wrote(done: int, of: int, node: str = "read_1") -> LiveEvent:
    """Return what a reader writes after a document."""
    return LiveEvent(1, "run-1", "s1", node, 1, {"done": done, "of": of})


def leased(**data: Any) -> LogEntry:
    """Return the entry of a reader that begins."""
    return LogEntry(1, "leased", 0, "run-1", {"step": "s1", "node": "read_1", "worker": "demo1@host", **data}, "")


@pytest.mark.parametrize(("crash", "seconds"), [(False, 1.5), (True, 5.0)])
@pytest.mark.parametrize("count", [1, 7, 8, 60])
def test_reading_takes_as_long_whatever_there_is_to_read(
    tmp_path: Path, crash: bool, seconds: float, count: int
) -> None:
    of_each = -(-count // 4)

    assert plan(tmp_path, count=count, crash=crash).input()["pace_s"] * of_each == pytest.approx(seconds, abs=0.05)


@pytest.mark.parametrize(
    ("verdict", "update"),
    [
        (Verdict(True), None),
        (Verdict(True, "well done"), {"comment": "well done"}),
        (Verdict(False, "too thin"), {"approved": False, "comment": "too thin"}),
    ],
)
def test_a_verdict_is_what_the_graph_understands(verdict: Verdict, update: dict[str, Any] | None) -> None:
    assert verdict.update() == update


def test_the_worker_of_a_reader_in_the_middle_is_killed_and_replaced(
    tmp_path: Path, desk: Desk, fleet: RecordingFleet
) -> None:
    demo(plan(tmp_path, crash=True), desk, fleet)._look(wrote(1, 15))

    assert fleet.killed == ["demo1"]
    assert fleet.started == ["demo1", "demo2", "demo3"]


def test_only_one_worker_is_killed(tmp_path: Path, desk: Desk, fleet: RecordingFleet) -> None:
    playing = demo(plan(tmp_path, crash=True), desk, fleet)

    playing._look(wrote(1, 15))
    playing._look(wrote(2, 15))

    assert fleet.killed == ["demo1"]


def test_nobody_is_killed_unless_asked_for(tmp_path: Path, desk: Desk, fleet: RecordingFleet) -> None:
    demo(plan(tmp_path), desk, fleet)._look(wrote(1, 15))

    assert fleet.killed == []


@pytest.mark.parametrize("happening", [wrote(15, 15), wrote(1, 15, node="draft"), leased(), None])
def test_a_reader_that_is_not_in_the_middle_is_left_alone(
    tmp_path: Path, desk: Desk, fleet: RecordingFleet, happening: Any
) -> None:
    demo(plan(tmp_path, crash=True), desk, fleet)._look(happening)

    assert fleet.killed == []


def test_a_reader_of_one_document_is_killed_as_it_begins(tmp_path: Path, desk: Desk, fleet: RecordingFleet) -> None:
    demo(plan(tmp_path, count=4, crash=True), desk, fleet)._look(leased())

    assert fleet.killed == ["demo1"]
