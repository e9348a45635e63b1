"""When cron expressions tick: time zones, skipped and doubled hours, and what was missed."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from scheduler.cron import Cron
from scheduler.errors import InvalidSchedule

BERLIN = "Europe/Berlin"


def ms(*utc: int) -> int:
    return round(datetime(*utc, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]


def told(moments: list[int], zone: str = BERLIN) -> list[str]:
    """Return moments as the clock of a zone shows them, with its distance from UTC."""
    return [datetime.fromtimestamp(one / 1000, ZoneInfo(zone)).strftime("%d %H:%M%z") for one in moments]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]),
        ("0 3 * * *", ["28 03:00+0100", "29 03:00+0200", "30 03:00+0200"]),
    ],
)
def test_what_falls_into_a_skipped_hour_ticks_when_the_clock_has_jumped(expression: str, expected: list[str]) -> None:
    cron = Cron(expression, BERLIN)  # 2026-03-29, 02:00 -> 03:00

    assert told(cron.ticks(ms(2026, 3, 28), ms(2026, 3, 30, 6), 10)) == expected


def test_every_quarter_of_an_hour_goes_on_over_a_skipped_hour() -> None:
    ticks = Cron("*/15 * * * *", BERLIN).ticks(ms(2026, 3, 29, 0, 30), ms(2026, 3, 29, 1, 30), 10)

    assert told(ticks) == ["29 01:30+0100", "29 01:45+0100", "29 03:00+0200", "29 03:15+0200", "29 03:30+0200"]


def test_what_falls_into_a_doubled_hour_ticks_the_first_time_alone() -> None:
    ticks = Cron("30 2 * * *", BERLIN).ticks(ms(2026, 10, 24), ms(2026, 10, 26, 6), 10)  # 2026-10-25, 03:00 -> 02:00

    assert told(ticks) == ["24 02:30+0200", "25 02:30+0200", "26 02:30+0100"]


@pytest.mark.parametrize("expression", ["30 * * * *", "@hourly"])
def test_what_ticks_every_hour_ticks_in_both_of_a_doubled_one(expression: str) -> None:
    ticks = Cron(expression, BERLIN).ticks(ms(2026, 10, 24, 23, 1), ms(2026, 10, 25, 2, 40), 10)

    assert {later - earlier for earlier, later in pairwise(ticks)} == {3_600_000}
    assert len(ticks) == (4 if expression != "@hourly" else 3)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "UTC"])
@settings(max_examples=25)
@given(days=some.integers(0, 730), most=some.integers(1, 8))
def test_ticks_rise_and_are_those_that_follow_each_other(zone: str, days: int, most: int) -> None:
    cron, start = Cron("20,50 1-3 * * *", zone), ms(2026, 1, 1) + days * 86_400_000
    following, at = [], start
    for _ in range(most):
        found = cron.next_ms(at)
        assert found is not None and found > at
        following.append(at := found)

    assert cron.ticks(start + 1, following[-1], most) == following


def test_of_many_missed_ticks_the_newest_are_found_at_once() -> None:
    now = ms(2026, 6, 1)

    assert Cron("* * * * *").ticks(ms(1996, 6, 1), now, 3) == [now - 120_000, now - 60_000, now]
    assert Cron("0 0 29 2 *").ticks(ms(1996, 6, 1), now, 3) == [ms(2016, 2, 29), ms(2020, 2, 29), ms(2024, 2, 29)]
    assert Cron("* * * * *").ticks(now + 1, now + 59_000, 3) == []


def test_what_never_comes_has_no_tick() -> None:
    assert Cron("0 0 30 2 *").next_ms(ms(2026, 1, 1)) is None


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "* * * * * *", "61 * * * *", "a b c d e", "@reboot", "H * * * *"]
)
def test_an_expression_that_is_none_is_refused(expression: str) -> None:
    with pytest.raises(InvalidSchedule, match="cron expression"):
        Cron(expression)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "/etc/passwd", "../UTC"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(InvalidSchedule, match="time zone"):
        Cron("* * * * *", zone)


def test_moments_between_two_minutes_count() -> None:
    assert Cron("* * * * *").next_ms(ms(2026, 1, 1) + 1) == ms(2026, 1, 1) + 60_000
    assert Cron("* * * * *").next_ms(ms(2026, 1, 1) - 1) == ms(2026, 1, 1)
