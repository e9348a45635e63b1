"""What nodes report to have spent, and the limits that are set."""

import threading
from typing import Any

import pytest

from graphs.errors import InvalidBudget
from graphs.spending import Spent, left_of, limits_of


def test_reports_add_up_from_any_thread() -> None:
    spent = Spent()
    threads = [threading.Thread(target=lambda: spent.add(tokens=10, usd=0.5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert spent.amounts == {"tokens": 40, "usd": 2.0}


@pytest.mark.parametrize(
    "report",
    [
        {"steps": 1},
        {"seconds": 1},
        {"Tokens": 1},
        {"tokens": -1},
        {"tokens": "1"},
        {"tokens": float("inf")},
        {"tokens": float("nan")},
        {"tokens": 10**400},
        {"tokens": 1.1e15},
        {"tokens": True},
    ],
)
def test_a_report_that_does_not_fit_is_refused_as_a_whole(report: dict[str, Any]) -> None:
    spent = Spent()

    with pytest.raises(InvalidBudget):
        spent.add(calls=1, **report)
    assert spent.amounts == {}


def test_reports_are_decimals_and_not_what_floats_make_of_them() -> None:
    spent = Spent()
    for _ in range(100_000):
        spent.add(usd=0.1)
    spent.add(eur=0.7)
    spent.add(eur=0.1)

    assert spent.amounts == {"usd": 10_000, "eur": 0.8}
    assert left_of(0.3, 0.1) == 0.2
    assert left_of(0.3, 0.4) == 0


@pytest.mark.parametrize(
    "budget", [5, {"tokens": 0}, {"tokens": True}, {"a b": 1}, {1: 1}, {"tokens": float("nan")}, {"tokens": 10**400}]
)
def test_a_budget_that_does_not_fit_is_refused(budget: Any) -> None:
    with pytest.raises(InvalidBudget):
        limits_of(budget)


def test_a_limit_of_none_is_none() -> None:
    assert limits_of({"tokens": 5, "usd": None}) == {"tokens": 5}
    assert limits_of(None) == {}
