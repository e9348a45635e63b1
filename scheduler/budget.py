"""What a thread may spend and has spent, by unit, and the words for a limit that is reached."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphs.spending import left_of, limits_of

from .connection import Connection
from .errors import ThreadNotFound


@dataclass(frozen=True, slots=True)
class Budget:
    """What the runs of a thread may spend together, and what they have."""

    thread_id: str
    #: Unit -> the thread's limit.
    limits: Mapping[str, float] = field(default_factory=dict)
    #: Unit -> what all runs have spent that had a budget, or whose nodes report what they spend.
    spent: Mapping[str, float] = field(default_factory=dict)

    @property
    def left(self) -> dict[str, float]:
        """What is left of each limit; never less than 0."""
        return {unit: left_of(limit, self.spent.get(unit, 0)) for unit, limit in self.limits.items()}

    @property
    def breach(self) -> str:
        """Which limits are reached, as JSON; nothing where none."""
        over = [unit for unit, limit in self.limits.items() if self.spent.get(unit, 0) >= limit]
        told = [
            {"scope": "thread", "unit": unit, "spent": self.spent[unit], "limit": self.limits[unit]} for unit in over
        ]
        return json.dumps(told) if told else ""


def budget_of(connection: Connection, thread_id: str) -> Budget:
    """Return the budget of a thread; an empty one where it has none."""
    keys = connection.place(thread_id).keys
    pipeline = connection.redis.pipeline(transaction=False)
    pipeline.hget(keys.thread, "budget")
    pipeline.hgetall(keys.spent)
    limits, spent = pipeline.execute()
    return Budget(thread_id, json.loads(limits or b"{}"), amounts_of(spent))


def set_budget(connection: Connection, thread_id: str, budget: Mapping[str, float | None]) -> Budget:
    """Set limits of a thread's budget; None takes one away, others stay as they are, also those that are set meanwhile.

    Raises:
        ThreadNotFound: there is no such thread.
        InvalidBudget: a unit has no usable name, or a limit is no number above 0, up to 10^15.
    """
    place = connection.place(thread_id)
    limits_of(budget)
    while True:
        known = connection.redis.hget(place.keys.thread, "budget") or b""
        limits = limits_of({**json.loads(known or b"{}"), **budget})
        answer = connection.scripts.set_budget(place, expected=known, budget=json.dumps(limits))
        if answer == "unknown":
            raise ThreadNotFound(thread_id)
        if answer == "set":
            return budget_of(connection, thread_id)


def amounts_of(fields: Mapping[bytes, bytes], prefix: str = "") -> dict[str, float]:
    """Return amounts as they are stored, of those fields that begin with a prefix; whole ones as whole numbers."""
    named = {name.decode(errors="replace"): amount for name, amount in fields.items()}
    found = {name.removeprefix(prefix): float(one) for name, one in named.items() if name.startswith(prefix)}
    return {unit: int(amount) if amount.is_integer() else amount for unit, amount in sorted(found.items())}


def words_of(breach: str) -> str:
    """Return the words for limits that are reached; nothing for none."""
    return "budget: " + ", ".join(map(_one, json.loads(breach))) if breach else ""


def question_of(run_id: str, breach: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    """Return what a person is asked whose run has reached limits."""
    reason = words_of(json.dumps([dict(one) for one in breach]))
    return {"reason": f"{reason}; raise it and go on?", "over": [dict(one) for one in breach], "run": run_id}


def _one(over: Mapping[str, Any]) -> str:
    return f"{over['spent']:.15g} of {over['limit']:.15g} {over['unit']} of the {over['scope']}"
