"""The process that keeps a worker's leases: for as long as the worker is alive, and no longer."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import psutil
import pytest

from scheduler.dispatch import StepRef
from workers.keeper import Watch, watch

STEP = {"thread": "t", "run": "r", "step": "s"}
REF = StepRef.from_message(STEP)


class Leases:
    """Leases that note what is done to them."""

    def __init__(self) -> None:
        self.renewed = threading.Event()
        self.held: list[Mapping[StepRef, str]] = []
        self.released: list[tuple[StepRef, str, str]] = []

    def renew(self, held: Mapping[StepRef, str]) -> dict[StepRef, bool]:
        self.held.append(dict(held))
        self.renewed.set()
        return dict.fromkeys(held, True)

    def release(self, ref: StepRef, delivery: str, kind: str, why: str) -> bool:
        self.released.append((ref, delivery, f"{kind}: {why}"))
        return True


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.fixture
def worker() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is there and does nothing."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def told(*lines: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def watching(leases: Leases, pid: int | None = None) -> Watch:
    return Watch(leases, os.getppid() if pid is None else pid)  # type: ignore[arg-type]


def test_what_is_held_is_renewed_and_what_was_dropped_is_not(leases: Leases) -> None:
    kept = watching(leases)
    line = told(["task", STEP])

    kept.hear(line[:7])
    kept.hear(line[7:])
    kept.beat()
    kept.hear(told(["task", None]))
    kept.beat()

    assert leases.held == [{REF: "task"}]


def test_a_doubled_message_does_not_take_the_place_of_the_one_that_has_the_lease(leases: Leases) -> None:
    kept = watching(leases)

    kept.hear(told(["first", STEP], ["second", STEP]))
    kept.beat()
    kept.hear(told(["second", None]))
    kept.beat()

    assert leases.held == [{REF: "first"}, {REF: "first"}]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a process was stopped")
def test_a_worker_that_is_stopped_keeps_nothing(leases: Leases, worker: "subprocess.Popen[bytes]") -> None:
    kept, process = watching(leases, worker.pid), psutil.Process(worker.pid)
    kept.hear(told(["task", STEP]))

    process.suspend()
    while process.status() != psutil.STATUS_STOPPED:
        pass
    kept.beat()
    process.send_signal(signal.SIGCONT)
    while process.status() == psutil.STATUS_STOPPED:
        pass
    kept.beat()

    assert leases.held == [{REF: "task"}]


@pytest.mark.parametrize(("lines", "kind"), [((), "lost worker"), (([],), "released")])
def test_the_steps_of_a_worker_that_is_no_more_are_handed_back(
    leases: Leases, lines: tuple[Any, ...], kind: str
) -> None:
    pipe, end = os.pipe()
    os.write(end, told(["task", STEP], *lines))
    os.close(end)

    watch(watching(leases, pid=-1), 60, pipe)  # nobody's parent has this number

    os.close(pipe)
    assert leases.released == [(REF, "task", f"{kind}: its process ended")]


def test_a_pipe_that_somebody_closed_takes_no_step_from_a_worker_that_lives(
    leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.keeper._DYING_S", 0.05)
    pipe, end = os.pipe()
    os.write(end, told(["task", STEP]))
    os.close(end)

    watch(watching(leases), 60, pipe)

    os.close(pipe)
    assert leases.released == []
