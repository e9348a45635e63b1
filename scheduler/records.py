"""What the tasks returned that a step called in its body: kept, so that its next attempt need not run them again."""

from collections.abc import Iterable
from typing import Any

from graphs.channels import MISSING
from graphs.checkpoint import Step
from graphs.commands import RETURN

from .claim import Claim
from .connection import Connection
from .errors import LeaseLost
from .json_text import encoded, unfinished
from .scripts import Place


class Records:
    """Keeps and finds what tasks returned."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def allow(self, classes: Iterable[type]) -> None:
        """Let tasks return instances of classes."""
        self._connection.serde.allow(classes)

    def find(self, claim: Claim, task: Step) -> Any:
        """Return what a task of an earlier attempt at the step returned, or MISSING."""
        if not claim.tried:
            return MISSING
        known = self._connection.checkpoints.results(self._place(claim).keys, claim.ns, [task])
        return known[task.id]["updates"][0][RETURN] if task.id in known else MISSING

    def breach(self, claim: Claim) -> str:
        """Return which limits the step's run has reached with what the attempt has spent so far, as JSON; "": none."""
        if not (claim.run.budget or claim.run.metered):
            return ""
        spending = encoded(claim.spending(steps=0)["spending"])
        return self._connection.scripts.look_at_budget(
            self._place(claim), spending=spending, started_ms=claim.started_ms
        )

    def put(self, claim: Claim, task: Step, value: Any, ms: int) -> None:
        """Keep what a task returned, after it ran for so many milliseconds.

        Raises:
            LeaseLost: the step's lease is no longer ours, and nothing was stored.
            NotSerializable: the value cannot be stored; the error names the task.
        """
        ids = {**claim.ids, "step": task.id, "node": task.node, "caller": claim.ref.step_id}
        place, where = self._place(claim), f"What task {task.node!r} returns"
        stored = self._connection.scripts.put_call(
            place,
            caller=claim.ref.step_id,
            fence=claim.fence,
            task=task.id,
            entry=unfinished({"kind": "task", **ids, "ms": ms}),
            result=self._connection.stored({"updates": [{RETURN: value}]}, where, place.named("results"), task.id),
        )
        if not stored:
            raise LeaseLost(claim.ref.thread_id, claim.ref.step_id)

    def _place(self, claim: Claim) -> Place:
        return self._connection.place(claim.ref.thread_id, claim.ref.run_id, claim.ns)
