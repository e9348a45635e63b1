"""What nodes spend: amounts of named units, and the limits that are set for them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .errors import InvalidBudget

#: Units that are counted by themselves: steps that have ended; how long attempts took, added up; and how long runs have
#: gone on, also while they wait for workers, sleep or pause.
COUNTED = ("steps", "seconds", "wall_seconds")
#: The most of an amount or a limit: whole ones are exact up to here.
_MOST = 10**15
_UNIT = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Spent:
    """What one attempt at a step has reported so far."""

    def __init__(self) -> None:
        self._reports: list[Mapping[str, float]] = []  # only ever added to: a node may have threads of its own
        self._added: tuple[int, Mapping[str, Decimal]] = (0, {})  # how many of them, and what they come to

    def add(self, **amounts: float) -> None:
        """Add amounts of units: ``spend(tokens=1200, usd=0.03)``.

        Raises:
            InvalidBudget: a unit has no usable name or is counted by itself, or an amount is no number from 0 to 10^15.
        """
        for unit, amount in amounts.items():
            _check(unit, amount, range_="from 0 to 10^15", fits=_is_number(amount) and amount >= 0)
            if unit in COUNTED:
                raise InvalidBudget(f"{unit!r} is counted by itself; report units of your own, like tokens or usd.")
        self._reports.append(amounts)

    @property
    def amounts(self) -> dict[str, float]:
        """What was reported, by unit; added up as the decimals that people write, so that ten times 0.1 are 1."""
        count, before = self._added
        summed, reports = dict(before), self._reports[count:]
        for report in reports:
            for unit, amount in report.items():
                summed[unit] = summed.get(unit, Decimal()) + Decimal(repr(float(amount)))
        self._added = count + len(reports), summed  # as one: of two threads that add, either is right
        return {unit: float(amount) for unit, amount in summed.items()}


def nothing_spent(**amounts: float) -> None:
    """Tell nobody: no step is running here."""


def limits_of(budget: Any) -> dict[str, float]:
    """Return the limits that a budget sets, by unit; a limit of None is none.

    Raises:
        InvalidBudget: it is no dict, a unit has no usable name, or a limit is no number above 0, up to 10^15.
    """
    if budget is None:
        return {}
    if not isinstance(budget, Mapping):
        raise InvalidBudget(f"A budget is a dict like {{'tokens': 100_000, 'usd': 2.5}}, got {budget!r:.60}.")
    limits = {unit: limit for unit, limit in budget.items() if limit is not None}
    for unit, limit in limits.items():
        _check(unit, limit, range_="above 0, up to 10^15", fits=_is_number(limit) and limit > 0)
    return limits


def left_of(limit: float, spent: float) -> float:
    """Return what is left of a limit, as a decimal of 15 digits; never less than 0."""
    return max(0, float(f"{limit - spent:.15g}"))


def _check(unit: Any, amount: Any, *, range_: str, fits: bool) -> None:
    if not isinstance(unit, str) or not _UNIT.fullmatch(unit):
        raise InvalidBudget(f"A unit is a word like 'tokens', of letters a-z, digits and _, got {unit!r:.60}.")
    if not fits:
        raise InvalidBudget(f"An amount of {unit!r} is a number {range_}, got {amount!r:.60}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST
