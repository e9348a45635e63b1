"""What is known of the steps of a superstep, read: which of them decide about it, and what each wrote."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphs.checkpoint import Result, Step, handler_step


def in_place(steps: Iterable[Step], found: Mapping[str, Mapping[str, Any]]) -> list[Step]:
    """Return the steps that decide about a superstep: those due, or the error handler that took over from one."""
    handlers = [(step, found.get(step.id, {}).get("handler")) for step in steps]
    return [handler_step(step, handler) if handler else step for step, handler in handlers]


def result_of(step: Step, known: Mapping[str, Any]) -> Result:
    """Return what a finished step wrote, from what is known of it."""
    return Result(step, tuple(known["updates"]), tuple(known["goto"]), known.get("children", {}))
