"""What can go wrong with threads, runs and steps; every error carries the ids it is about.

TreadleError (graphs.errors)
└── SchedulerError
    ├── InvalidSettings                     a variable of the environment does not fit
    ├── InvalidThreadId, InvalidConfig      bad input, refused at the door
    ├── ThreadNotFound, RunNotFound, CheckpointNotFound, ScheduleNotFound
    ├── InvalidSchedule                     a schedule that never ticks, or says something that nobody knows
    ├── ThreadBusy                          another run is active on the thread
    ├── InputsWaiting                       inputs wait for their turn on a thread that is to be closed
    ├── AlreadyResumed, AmbiguousAnswer     an answer that no question, or more than one, waits for
    ├── UnknownInterruptError               the same in strict mode
    ├── TransitionNotAllowed                the thread's status does not know this event
    ├── LeaseLost                           a step's lease went to somebody else
    ├── CursorMoved                         somebody else moved the cursor first
    ├── RunFailed ── RunTimeout, RunCancelled, NodeFailed, WorkerLost, GraphChanged
    ├── NotSerializable
    ├── StateTooLarge, TooMany, LogFull     more than the deployment allows: excess.py
    ├── KeyMissing, SealBroken, LogAltered, HeadRefused, Unreadable
    │                                       what is stored is not to be trusted: mistrust.py
    └── StoreUnavailable, EmbeddedRedisError
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from graphs.errors import TreadleError

#: What is wrong with an answer in strict mode: it names what does not wait, is empty, or does not say what it answers.
ResumeReason = Literal["not_pending", "empty_map", "ambiguous"]


class SchedulerError(TreadleError):
    """Something is wrong with a thread, a run, a step, or the store they live in."""


class EmbeddedRedisError(SchedulerError):
    """The embedded Redis could not be started."""


class StoreUnavailable(SchedulerError):
    """Redis did not answer, refused the write, or is read-only."""


class InvalidSettings(SchedulerError, ValueError):
    """A variable of the environment (TREADLE_*) has a value that does not fit."""


class InvalidThreadId(SchedulerError, ValueError):
    """A thread id is missing or not usable."""


class InvalidConfig(SchedulerError, ValueError):
    """A run's config has a key or a value that does not fit."""


class ThreadNotFound(SchedulerError, LookupError):
    """No thread has this id."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        super().__init__(thread_id)

    def __str__(self) -> str:
        return f"There is no thread {self.thread_id!r}: its first invoke creates it, or threads.create()."


class InvalidSchedule(SchedulerError, ValueError):
    """A schedule has a value that does not fit, or an id that another one has."""


class ScheduleNotFound(SchedulerError, LookupError):
    """No schedule has this id."""

    def __init__(self, schedule_id: str) -> None:
        self.schedule_id = schedule_id
        super().__init__(schedule_id)

    def __str__(self) -> str:
        return f"There is no schedule {self.schedule_id!r}; `treadle schedule list` shows those that there are."


class RunNotFound(SchedulerError, LookupError):
    """The thread has no run of this id."""

    def __init__(self, thread_id: str, run_id: str) -> None:
        self.thread_id = thread_id
        self.run_id = run_id
        super().__init__(thread_id, run_id)

    def __str__(self) -> str:
        return f"Thread {self.thread_id!r} has no run {self.run_id!r}; its log lists the runs it had."


class CheckpointNotFound(SchedulerError, LookupError):
    """The thread has no checkpoint of this id."""

    def __init__(self, thread_id: str, checkpoint_id: str) -> None:
        self.thread_id = thread_id
        self.checkpoint_id = checkpoint_id
        super().__init__(thread_id, checkpoint_id)

    def __str__(self) -> str:
        return (
            f"Thread {self.thread_id!r} has no checkpoint {self.checkpoint_id!r}; "
            "get_state_history() lists the ones it has."
        )


class ThreadBusy(SchedulerError):
    """Another run is active on the thread."""

    def __init__(self, thread_id: str, run_id: str, steps: Iterable[str], since_ms: int) -> None:
        self.thread_id = thread_id
        self.run_id = run_id
        self.steps = tuple(steps)
        self.since_ms = since_ms
        super().__init__(thread_id, run_id, self.steps, since_ms)

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since_ms / 1000, UTC).isoformat(timespec="seconds")
        return (
            f"Thread {self.thread_id!r} is busy: run {self.run_id} is active since {since}, "
            f"at step {', '.join(self.steps) or '(none open)'}. "
            "Wait for it (on_busy='wait'), let the input wait for its turn (on_busy='enqueue'), or cancel it."
        )


class InputsWaiting(SchedulerError):
    """A thread cannot be closed while inputs wait for their turn on it."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        super().__init__(thread_id)

    def __str__(self) -> str:
        return (
            f"Inputs wait for their turn on thread {self.thread_id!r}: let them run, or drop them "
            "(`treadle inputs clear`, threads.inputs(...).clear()), before it is closed."
        )


class AlreadyResumed(SchedulerError):
    """The questions were answered before, as a rule by somebody else who was faster."""

    def __init__(self, thread_id: str, interrupt_ids: Iterable[str]) -> None:
        self.thread_id = thread_id
        self.interrupt_ids = tuple(interrupt_ids)
        super().__init__(thread_id, self.interrupt_ids)

    def __str__(self) -> str:
        ids = ", ".join(self.interrupt_ids) or "any"
        return f"Thread {self.thread_id!r} does not wait for an answer to {ids} any more: its log says who resumed it."


class AmbiguousAnswer(SchedulerError, RuntimeError):
    """Several questions wait, and it is not said which one the answer is for."""

    def __init__(self, thread_id: str, interrupt_ids: Iterable[str]) -> None:
        self.thread_id = thread_id
        self.interrupt_ids = tuple(interrupt_ids)
        super().__init__(thread_id, self.interrupt_ids)

    def __str__(self) -> str:
        return (
            "When there are multiple pending interrupts, you must specify the interrupt id when resuming. "
            f"Thread {self.thread_id!r} waits for: {', '.join(self.interrupt_ids)}."
        )


class UnknownInterruptError(SchedulerError):
    """In strict mode: an answer is not for exactly one question that waits; nothing was written."""

    def __init__(
        self, thread_id: str, reason: ResumeReason, interrupt_ids: Iterable[str], pending_ids: Iterable[str]
    ) -> None:
        self.thread_id = thread_id
        self.reason = reason
        #: What the answers named, and does not wait.
        self.interrupt_ids = tuple(interrupt_ids)
        self.pending_ids = tuple(pending_ids)
        super().__init__(thread_id, reason, self.interrupt_ids, self.pending_ids)

    def __str__(self) -> str:
        problems = {
            "not_pending": f"no question waits with the id {', '.join(self.interrupt_ids)}",
            "empty_map": "the answers are empty",
            "ambiguous": "one answer was given for several questions",
        }
        waits = ", ".join(self.pending_ids) or "nothing"
        return f"Thread {self.thread_id!r} was not resumed: {problems[self.reason]}. It waits for: {waits}."


class TransitionNotAllowed(SchedulerError):
    """The thread's status does not know this event."""

    def __init__(self, thread_id: str, status: str, event: str) -> None:
        self.thread_id = thread_id
        self.status = status
        self.event = event
        super().__init__(thread_id, status, event)

    def __str__(self) -> str:
        return f"Thread {self.thread_id!r} is {self.status}: it cannot {self.event}."


class LeaseLost(SchedulerError):
    """The step's lease ended or went to another worker, so nothing of this attempt was stored."""

    def __init__(self, thread_id: str, step_id: str) -> None:
        self.thread_id = thread_id
        self.step_id = step_id
        super().__init__(thread_id, step_id)

    def __str__(self) -> str:
        return f"The lease on step {self.step_id} of thread {self.thread_id!r} was lost; nothing was stored."


class CursorMoved(SchedulerError):
    """The thread's cursor moved between reading and writing; read the state again and repeat the call."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        super().__init__(thread_id)

    def __str__(self) -> str:
        return f"Thread {self.thread_id!r} moved on meanwhile; read its state again and repeat the call."


class NotSerializable(SchedulerError, TypeError):
    """A value of the state cannot be stored."""

    def __init__(self, where: str, type_name: str, reason: str) -> None:
        self.where = where
        self.type_name = type_name
        self.reason = reason
        super().__init__(where, type_name, reason)

    def __str__(self) -> str:
        return f"{self.where} holds a {self.type_name}, which cannot be stored: {self.reason}"


class RunFailed(SchedulerError):
    """A run ended without success; the thread stands on its last checkpoint."""

    def __init__(self, thread_id: str, run_id: str, reason: str) -> None:
        self.thread_id = thread_id
        self.run_id = run_id
        self.reason = reason
        super().__init__(thread_id, run_id, reason)

    def __str__(self) -> str:
        return (
            f"Run {self.run_id} of thread {self.thread_id!r}: {self.reason} "
            "The thread stands on its last checkpoint; invoke(None, config) goes on from there."
        )


class NodeFailed(RunFailed):
    """A node raised an error on a worker whose type is not known in this process."""


class WorkerLost(RunFailed):
    """Every attempt at a step ended with the death of its worker."""


class RunTimeout(RunFailed, TimeoutError):
    """A node or the run as a whole took longer than its time limit."""


class RunCancelled(RunFailed):
    """The run was cancelled."""


class GraphChanged(RunFailed):
    """The worker's graph is not the one the run began with."""
