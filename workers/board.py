"""What somebody who follows a run knows of its steps: which wait, which run where, which are done."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scheduler.following import Happening, LiveEvent
from scheduler.thread import PendingStep

#: Kind of a log entry -> the state in which it leaves its step.
_STATES: Mapping[str, str] = {
    "leased": "running",
    "called": "inside",
    "returned": "done",
    "committed": "done",
    "task": "done",
    "interrupted": "asks",
    "failed": "failed",
    "timed out": "timed out",
    "lost worker": "lost worker",
    "retried": "waits to retry",
    "released": "waiting",
    "slept": "asleep",
    "limited": "limited",
}
#: What the store calls a step in flight that no worker has -> what it is called here.
_WAITING: Mapping[str, str] = {"queued": "waiting", "waiting": "waits to retry", "limited": "limited"}


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step, as far as it is known."""

    id: str
    node: str
    state: str = "waiting"
    attempt: int = 0
    worker: str = ""
    #: How long its last attempt took, in milliseconds.
    took_ms: float | None = None
    #: The last thing its node wrote to the live stream.
    wrote: Any = None


class Board:
    """The steps of a run in the order in which they were heard of."""

    def __init__(self) -> None:
        self._rows: dict[str, StepRow] = {}

    @property
    def rows(self) -> tuple[StepRow, ...]:
        """The steps."""
        return tuple(self._rows.values())

    def see(self, happening: Happening) -> None:
        """Take in something that happened."""
        if isinstance(happening, LiveEvent):
            row = self._row(happening.step_id, happening.node)
            self._rows[row.id] = replace(row, **_heard(happening))
        elif "step" in happening.data:
            self._log(happening.kind, happening.data)

    def expect(self, pending: Iterable[PendingStep]) -> None:
        """Take in the steps in flight: one that waits for a worker is in no log yet."""
        for step in pending:
            if step.state in _WAITING:
                row = self._row(step.id, step.node)
                self._rows[row.id] = replace(row, state=_WAITING[step.state], worker="")

    def _log(self, kind: str, data: Mapping[str, Any]) -> None:
        row = self._row(data["step"], data["node"])
        self._rows[row.id] = replace(
            row,
            state="paused" if data.get("questions") == [] else _STATES.get(kind, row.state),
            attempt=data.get("attempt", row.attempt),
            worker=data.get("worker", row.worker),
            took_ms=data.get("ms"),
            wrote=None if kind == "leased" else row.wrote,
        )

    def _row(self, step_id: str, node: str) -> StepRow:
        return self._rows.get(step_id) or StepRow(step_id, node)


def _heard(event: LiveEvent) -> dict[str, Any]:
    """Return what is known of a step from what it shows while it runs; of a task that also says that it runs."""
    return {"custom": {"wrote": event.value}, "tasks": {"state": "running"}}.get(event.mode, {})
