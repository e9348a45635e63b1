"""Sleeping, apart from any step: positions, moments, and pauses that are none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graphs.errors import InvalidSleep
from graphs.sleeping import Asleep, Sleeps, wake_ms

NOW_MS = 1_700_000_000_000


def fallen_asleep(sleeps: Sleeps, pause: Any) -> Asleep:
    with pytest.raises(Asleep) as signal:
        sleeps.sleep(pause)
    return signal.value


def test_each_sleep_of_a_step_has_a_moment_of_its_own() -> None:
    first = fallen_asleep(Sleeps("ns", lambda: NOW_MS), 1)
    later = Sleeps("ns", lambda: NOW_MS + 1000, first.moments)

    later.sleep(1)
    second = fallen_asleep(later, 2.5)

    assert (first.until_ms, second.until_ms) == (NOW_MS + 1000, NOW_MS + 3500)
    assert first.moments.keys().isdisjoint(second.moments)


def test_a_sleep_that_was_woken_too_early_goes_on_until_its_first_moment() -> None:
    first = fallen_asleep(Sleeps("ns", lambda: NOW_MS), 1)

    again = fallen_asleep(Sleeps("ns", lambda: NOW_MS + 999, first.moments), 1)

    assert (again.until_ms, again.moments) == (first.until_ms, first.moments)


def test_a_moment_may_be_in_any_time_zone() -> None:
    assert wake_ms(datetime.fromtimestamp(NOW_MS / 1000 + 5, UTC).astimezone(), NOW_MS) == NOW_MS + 5000


@pytest.mark.parametrize(
    "pause", [-0.1, float("nan"), float("-inf"), timedelta(days=-1), timedelta(days=36_526), 10**400, False, "3", [1]]
)
def test_a_pause_that_is_none_is_refused(pause: Any) -> None:
    with pytest.raises(InvalidSleep):
        wake_ms(pause, NOW_MS)


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(InvalidSleep, match="time zone"):
        wake_ms(datetime(2100, 1, 1), NOW_MS)
