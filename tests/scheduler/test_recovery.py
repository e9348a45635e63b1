"""A partition that was away is left alone for as long as its workers may take to renew their leases."""

import pytest

from scheduler.recovery import Recovery


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("scheduler.recovery.time.monotonic", clock)
    return clock


def test_what_was_there_all_the_time_needs_no_rest(clock: Clock) -> None:
    recovery = Recovery(3)
    recovery.note(["a"])

    assert recovery.rested(["a", "b"]) == ["b"]
    assert recovery.resting == ["a"]


def test_the_rest_begins_when_it_was_last_away(clock: Clock) -> None:
    recovery = Recovery(3)
    recovery.note(["a"])
    clock.now += 2
    recovery.note(["a"])
    clock.now += 2

    assert recovery.rested(["a"]) == []

    clock.now += 1

    assert recovery.rested(["a"]) == ["a"]
    assert recovery.resting == []
