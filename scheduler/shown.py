"""What the steps of a superstep did, in the forms in which users see it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from graphs.checkpoint import PUSH, Step
from graphs.commands import PREVIOUS, Interrupt
from graphs.graph import Graph
from graphs.schema import BARE, ROOT

Updates = Sequence[Mapping[str, Any]]


class _OnAPath(Protocol):
    @property
    def path(self) -> tuple[Any, ...]: ...


_Placed = TypeVar("_Placed", bound=_OnAPath)


def in_start_order(steps: Iterable[_Placed]) -> list[_Placed]:
    """Return steps in the order in which they are said to start: what was sent, then nodes by their names."""
    return sorted(steps, key=lambda step: (step.path[0] != PUSH, step.path))


def result_shown(updates: Updates, graph: Graph) -> Any:
    """Return a step's writes as one result: a dict by key, or the bare value of a state that is one."""
    shown = writes_shown(updates)
    return shown.get(ROOT) if ROOT in graph.channels else shown


def writes_shown(updates: Updates) -> dict[str, Any]:
    """Return a step's writes by key: ``{"$writes": [...]}`` where a key was written twice."""
    merged: dict[str, list[Any]] = {}
    for key, value in _writes(updates):
        merged.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else {"$writes": values} for key, values in merged.items()}


def update_shown(updates: Updates, keys: str | Sequence[str] | None = None) -> Any:
    """Return a step's writes as one update, or as a list of them, one for each write, where a key was written twice.

    Args:
        updates: what the step wrote.
        keys: which keys are shown; of one name its bare value.
    """
    writes = _wanted(updates, keys)
    bare = [value for key, value in writes if key in BARE or key == keys]
    if bare or not writes:
        return None if not bare else bare[0] if len(bare) == 1 else bare
    merged = dict(writes)
    return merged if len(merged) == len(writes) else [{key: value} for key, value in writes]


def wrote_any(updates: Updates, keys: str | Sequence[str] | None = None) -> bool:
    """Return whether a step wrote one of the keys that are shown."""
    return bool(_wanted(updates, keys))


def end_shown(
    step: Step, updates: Updates, error: Exception | None = None, asked: Sequence[Interrupt] = ()
) -> dict[str, Any]:
    """Return the end of a step as the tasks stream shows it."""
    result = {} if error is not None or asked else writes_shown(updates)
    questions = [asdict(question) for question in asked]
    return {"id": step.id, "name": step.node, "error": error, "result": result, "interrupts": questions}


def task_shown(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a snapshot's step as the checkpoints stream shows it."""
    shown = {key: task[key] for key in ("id", "name", "state")}
    shown["interrupts"] = tuple(asdict(question) for question in task["interrupts"])
    return shown | {key: task[key] for key in ("error", "result") if task[key] is not None}


def _wanted(updates: Updates, keys: str | Sequence[str] | None) -> list[tuple[str, Any]]:
    names = (keys,) if isinstance(keys, str) else keys
    return [(key, value) for key, value in _writes(updates) if names is None or key in BARE or key in names]


def _writes(updates: Updates) -> list[tuple[str, Any]]:
    return [(key, value) for update in updates for key, value in update.items() if key != PREVIOUS]
