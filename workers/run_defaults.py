"""What a graph says for all its runs, where the config of a call says nothing else."""

from collections.abc import Mapping
from typing import Any

from graphs.errors import InvalidGraph
from graphs.priority import priority_of
from graphs.spending import limits_of
from graphs.timeouts import Duration, seconds
from scheduler.webhook import webhook_of


def run_defaults(
    webhook: str | Mapping[str, Any] | None,
    budget: Mapping[str, float] | None,
    ttl: Duration | None,
    priority: int | None = None,
) -> dict[str, Any]:
    """Return the config that every call has, with what is given of it.

    Raises:
        InvalidGraph, InvalidBudget, InvalidConfig: the ttl or priority, the budget, or the webhook, is none.
    """
    webhook_of(webhook)
    config = {
        "webhook": webhook,
        "budget": None if budget is None else limits_of(budget),
        "priority": priority_of(priority, "A graph's priority", InvalidGraph),
        "default_ttl": seconds(ttl, "ttl"),
    }
    return {key: value for key, value in config.items() if value is not None}
