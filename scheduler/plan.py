"""What never changes of a run, as it lies in Redis: without what most runs have, so that a run stays a small hash."""

from collections.abc import Sequence
from typing import Any, Final

from graphs.priority import DEFAULT_PRIORITY

from .packed_ids import packed, unpacked
from .run import Run

_INLINE: Final = 1
_HEARD: Final = 2
#: What stands at a place of its own.
_PLACED: Final = frozenset({"graph", "fingerprint", "recursion_limit", "inline", "heard"})


def stored_plan(run: Run) -> list[Any]:
    """Return a run's plan for the store."""
    plan, usual = run.plan(), _usual(run.thread_id, run.recursion_limit)
    config, own = plan["config"], usual["config"]
    usual["metadata"] = config.get("metadata", {})
    usual["config"] = {}
    plan["config"] = {key: value for key, value in config.items() if key not in own or value != own[key]}
    flags = _INLINE * run.inline + _HEARD * run.heard
    rest = {key: value for key, value in plan.items() if key not in _PLACED and value != usual[key]}
    return [run.graph, packed(run.fingerprint), run.recursion_limit, flags, *([rest] if rest else [])]


def plan_of(thread_id: str, stored: Sequence[Any]) -> dict[str, Any]:
    """Return the plan that was stored."""
    graph, fingerprint, recursion_limit, flags, *more = stored
    usual, rest = _usual(thread_id, recursion_limit), dict(more[0]) if more else {}
    config = {**usual["config"], **rest.pop("config", {})}
    placed = {"graph": graph, "fingerprint": unpacked(fingerprint), "recursion_limit": recursion_limit}
    flagged = {"inline": bool(flags & _INLINE), "heard": bool(flags & _HEARD)}
    return {**usual, "metadata": dict(config["metadata"]), **rest, "config": config, **placed, **flagged}


def _usual(thread_id: str, recursion_limit: int) -> dict[str, Any]:
    """Return what a plan says where its run was begun with nothing but a thread id."""
    config = {
        "configurable": {"thread_id": thread_id},
        "recursion_limit": recursion_limit,
        "max_concurrency": None,
        "tags": [],
        "metadata": {},
    }
    return {
        "config": config,
        "context": None,
        "interrupt_before": [],
        "interrupt_after": [],
        "step_timeout_s": None,
        "metadata": {},
        "durability": "async",
        "replays": {},
        "webhook": None,
        "trace": None,
        "budget": {},
        "metered": False,
        "priority": DEFAULT_PRIORITY,
        "versioning": "park",
    }
