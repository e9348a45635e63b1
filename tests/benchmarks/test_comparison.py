"""Comparisons, without anything that is slow: who is measured when, and what is printed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console

from tests.benchmarks import table
from tests.benchmarks.__main__ import ROWS
from tests.benchmarks.comparison import Comparison, Goal, Measure, Measured, Sample, Spread

SLOW, FAST = "slow", "fast"
SAMPLES = {SLOW: [{"ms": 10.0, "MB": 1.0}, {"ms": 20.0, "MB": 1.0}], FAST: [{"ms": 2.0}, {"ms": 5.0}]}


def measured(*goals: Goal) -> Measured:
    return Measured(Comparison("a race", {}, goals), SAMPLES)


def printed(what: object) -> str:
    console = Console(width=140)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def test_cases_run_in_turns_after_a_round_that_does_not_count() -> None:
    turns: list[str] = []

    @contextmanager
    def case(name: str) -> Iterator[Measure]:
        def measure() -> Sample:
            turns.append(name)
            return {"turn": len(turns)}

        yield measure

    found = Comparison("", {SLOW: partial(case, SLOW), FAST: partial(case, FAST)}).measured(2)

    assert turns == [SLOW, FAST] * 3
    assert found.samples == {SLOW: [{"turn": 3}, {"turn": 5}], FAST: [{"turn": 4}, {"turn": 6}]}


def test_a_case_is_compared_with_its_baseline_round_by_round() -> None:
    times, on_top = Goal(FAST, "ms", 1, SLOW), Goal(FAST, "ms", 1, SLOW, "on top")

    assert measured().towards(times) == Spread(0.225, 0.2, 0.25)
    assert measured().towards(on_top) == Spread(-11.5, -15, -8)


def test_a_goal_says_whether_it_is_reached() -> None:
    assert Goal(FAST, "ms", 2).reached(2)
    assert not Goal(FAST, "ms", 2).reached(2.1)
    assert Goal(FAST, "ms", 2, at_least=True).reached(2.1)


def test_a_table_has_the_median_and_the_spread_of_each_figure() -> None:
    text = printed(table.figures(measured()))

    assert "15 (10-20)" in text
    assert "3.50 (2-5)" in text
    assert "│ fast │ 3.50 (2-5) │    │" in text


def test_goals_stand_beside_what_was_measured() -> None:
    text = printed(table.goals(measured(Goal(FAST, "ms", 0.5, SLOW), Goal(SLOW, "ms", 12))))

    assert "0.23x (0.20-0.25)" in text
    assert "≤ 0.50x │ reached" in text
    assert "≤ 12 │  missed" in text


def test_goals_name_cases_that_there_are() -> None:
    for comparison in (one for row in ROWS.values() for one in row):
        named = {name for goal in comparison.goals for name in (goal.case, goal.baseline) if name}
        assert named <= set(comparison.cases)
