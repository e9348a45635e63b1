"""Giving the default answers to questions whose deadline has passed, on threads that wait for them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphs.checkpoint import Checkpoint

from .connection import Connection
from .deadlines import Overdue, overdue
from .dispatch import StepOrder
from .errors import CursorMoved, ThreadBusy, TransitionNotAllowed
from .frame import Frame
from .ids import new_run_id
from .lifecycle import ThreadStatus
from .moves import held_back
from .openings import Known, pending, reopened
from .run import Run
from .runs import RunStore
from .scripts import Request
from .storing import Planned, Started, Storing
from .thread import Thread
from .threads import ThreadStore


class Defaults(Storing):
    """Goes on with threads whose questions nobody has answered in time.

    It knows no graph: a run that only answers is made like the one that asked, and its steps are those that wait.
    """

    def __init__(self, connection: Connection, runs: RunStore) -> None:
        super().__init__(connection, ThreadStore(connection))
        self._runs = runs

    def give(self, thread_id: str) -> bool:
        """Begin a run with the default answers that count by now, unless somebody was faster; say whether it began."""
        thread = self._threads.find(thread_id) or Thread(thread_id, ThreadStatus.TERMINATED)  # it was deleted
        if thread.status is ThreadStatus.RUNNING:  # when it pauses, that is seen to
            return False
        head, known = self._standing(thread)
        waits = [question.id for question in pending(known)]
        late = {id_: one for id_, one in overdue(self._connection, thread_id).items() if id_ in waits}
        if head is None or not late:
            self._forget(thread, waits)
            return False
        asked = self._runs.recent(thread_id, 1)[0]
        planned = self._planned(asked, thread, head, known, late)

        def start(trace: str | None) -> Started:
            return self.store(replace(planned, run=replace(planned.run, trace=trace)))

        try:
            self._connection.witness.begin(asked.graph, thread_id, start, lambda _: asked)
        except (ThreadBusy, CursorMoved, TransitionNotAllowed):
            return False
        return True

    def _standing(self, thread: Thread) -> tuple[Checkpoint | None, Known]:
        """Return where a thread waits, and what is known of its steps; nothing where it does not wait."""
        if thread.status is not ThreadStatus.PAUSED or thread.cursor is None:
            return None, {}
        keys, checkpoints = self._connection.place(thread.id).keys, self._connection.checkpoints
        head = checkpoints.load(keys, "", thread.cursor, thread.id).checkpoint
        checkpoints.forget(keys)  # the state is nothing to a scheduler
        return head, checkpoints.results(keys, "", head.steps)

    def _planned(
        self, asked: Run, thread: Thread, head: Checkpoint, known: Known, late: Mapping[str, Overdue]
    ) -> Planned:
        run = replace(asked, id=new_run_id(), inline=self._connection.dispatcher.inline)
        beginning = reopened(self._connection, head, known, {id_: one.default for id_, one in late.items()})
        records = {one.step["id"]: one.step for one in late.values()}
        steps = [step for step in beginning.steps if step.id in records]
        return Planned(
            run,
            replace(beginning, steps=steps, late=True),
            thread,
            held_back(self._connection, run, [_order(run, records[step.id], head) for step in steps]),
            timeout_s=asked.limit_s,
        )

    def _forget(self, thread: Thread, waits: list[str]) -> None:
        place = self._connection.place(thread.id)
        body = {"token": place.keys.token, "seq": thread.seq, "waiting": waits, "inline": False}
        self._connection.scripts.forget_deadlines(place, Request(body))


def _order(run: Run, record: Mapping[str, Any], head: Checkpoint) -> StepOrder:
    """Return the order for a step that waited, for its first attempt in a new run."""
    order = StepOrder.from_record(run.thread_id, {**record, "run": run.id, "attempt": 0})
    return replace(order, frame=Frame(first_number=head.number), checkpoint_id=head.id, resumed=True)
