"""Time limits: in which forms they are given, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest

from graphs.errors import InvalidGraph
from graphs.timeouts import TimeoutPolicy, seconds, timeout_of


@pytest.mark.parametrize(("given", "expected"), [(None, None), (3, 3.0), (0.5, 0.5), (timedelta(minutes=1), 60.0)])
def test_durations_are_seconds_or_timedeltas(given: Any, expected: float | None) -> None:
    policy = TimeoutPolicy(run_timeout=given, idle_timeout=given)

    assert policy.run_timeout_s == policy.idle_timeout_s == seconds(given, "timeout") == expected


@pytest.mark.parametrize("given", [0, -1, True, "3", float("nan"), timedelta(0)])
def test_a_duration_that_is_not_positive_is_refused(given: Any) -> None:
    with pytest.raises(InvalidGraph, match="The idle_timeout must be a positive number of seconds or a timedelta"):
        TimeoutPolicy(idle_timeout=given)

    with pytest.raises(InvalidGraph, match="The timeout of x must be a positive number of seconds or a timedelta"):
        timeout_of(given, "timeout of x")


def test_what_refreshes_an_idle_limit_is_one_of_two_things() -> None:
    assert TimeoutPolicy().refresh_on == "auto"

    with pytest.raises(InvalidGraph, match="'auto' or 'heartbeat', got 'never'"):
        TimeoutPolicy(refresh_on="never")  # type: ignore[arg-type]  # the case


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        (None, None),
        (3, TimeoutPolicy(run_timeout=3.0)),
        (timedelta(minutes=1), TimeoutPolicy(run_timeout=60.0)),
        (TimeoutPolicy(idle_timeout=2), TimeoutPolicy(idle_timeout=2)),
    ],
)
def test_a_bare_duration_limits_the_attempt_as_a_whole(given: Any, policy: TimeoutPolicy | None) -> None:
    assert timeout_of(given, "timeout") == policy
