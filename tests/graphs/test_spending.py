"""What nodes report to have spent, and the limits that are set."""

import threading
from typing import Any

import pytest

from graphs.errors import InvalidBudget
from graphs.spending import Spent, limits_of


def test_reports_add_up_from_any_thread() -> None:
    spent = Spent()
    threads = [threading.Thread(target=lambda: spent.add(tokens=10, usd=0.5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert spent.amounts == {"tokens": 40, "usd": 2.0}


@pytest.mark.parametrize(
    "report", [{"steps": 1}, {"seconds": 1}, {"Tokens": 1}, {"tokens": -1}, {"tokens": "1"}, {"tokens": float("inf")}]
)
def test_a_report_that_does_not_fit_is_refused_as_a_whole(report: dict[str, Any]) -> None:
    spent = Spent()

    with pytest.raises(InvalidBudget):
        spent.add(calls=1, **report)
    assert spent.amounts == {}


@pytest.mark.parametrize("budget", [5, {"tokens": 0}, {"tokens": True}, {"a b": 1}, {1: 1}, {"tokens": float("nan")}])
def test_a_budget_that_does_not_fit_is_refused(budget: Any) -> None:
    with pytest.raises(InvalidBudget):
        limits_of(budget)


def test_a_limit_of_none_is_none() -> None:
    assert limits_of({"tokens": 5, "usd": None}) == {"tokens": 5}
    assert limits_of(None) == {}
