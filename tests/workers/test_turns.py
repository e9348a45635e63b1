"""Who runs in a process at a time."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from workers.turns import Turns

_SOON_S = 10


class Somebody:
    """A step on a thread of its own, which ends when it is told to."""

    def __init__(self, turn: Callable[[], AbstractContextManager[None]]) -> None:
        self.runs, self._ends = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(turn,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ends.set()
        self._thread.join(_SOON_S)

    def _run(self, turn: Callable[[], AbstractContextManager[None]]) -> None:
        with turn():
            self.runs.set()
            self._ends.wait(_SOON_S)


def test_steps_run_together() -> None:
    turns = Turns()
    both = [Somebody(turns.together), Somebody(turns.together)]

    assert all(one.runs.wait(_SOON_S) for one in both)
    for one in both:
        one.end()


def test_a_suspect_waits_for_the_others_and_others_for_it() -> None:
    turns = Turns()
    first = Somebody(turns.together)
    assert first.runs.wait(_SOON_S)
    suspect = Somebody(turns.alone)
    assert not suspect.runs.wait(0.05)
    later = Somebody(turns.together)

    first.end()
    assert suspect.runs.wait(_SOON_S)
    assert not later.runs.wait(0.05)
    suspect.end()
    assert later.runs.wait(_SOON_S)
    later.end()


def test_two_suspects_run_one_after_the_other() -> None:
    turns = Turns()
    one = Somebody(turns.alone)
    assert one.runs.wait(_SOON_S)
    another = Somebody(turns.alone)

    assert not another.runs.wait(0.05)
    one.end()
    assert another.runs.wait(_SOON_S)
    another.end()


def test_a_suspect_that_waited_too_long_runs_beside_the_others() -> None:
    turns = Turns(patience_s=0.01)
    first = Somebody(turns.together)
    assert first.runs.wait(_SOON_S)

    suspect, later = Somebody(turns.alone), Somebody(turns.together)

    assert suspect.runs.wait(_SOON_S)
    assert later.runs.wait(_SOON_S)
    for one in (first, suspect, later):
        one.end()
