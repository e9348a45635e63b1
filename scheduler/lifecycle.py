"""The life of threads and runs: one table of statuses and events.

The scripts check the same table: they are given the statuses in which an event is allowed, and answer with the
status they found where it is not.
"""

from collections.abc import Mapping
from enum import StrEnum


class ThreadStatus(StrEnum):
    """Where a thread is in its life."""

    #: Made, and never run.
    CREATED = "created"
    #: A run is active.
    RUNNING = "running"
    #: Its last run waits for a person, at a breakpoint or because its graph changed.
    PAUSED = "paused"
    #: Its last run ended well.
    IDLE = "idle"
    #: Its last run ended with an error or a time limit.
    FAILED = "failed"
    #: Its last run was cancelled.
    CANCELLED = "cancelled"
    #: Closed for good: it can be read, archived and deleted.
    TERMINATED = "terminated"
    #: Exported; it can be read and deleted.
    ARCHIVED = "archived"


class ThreadEvent(StrEnum):
    """What can happen to a thread; the words of errors and of the log."""

    START = "start"
    RESUME = "resume"
    CHECKPOINT = "checkpoint"
    PAUSE = "pause"
    FINISH = "finish"
    FAIL = "fail"
    CANCEL = "cancel"
    UPDATE = "update"
    TERMINATE = "terminate"
    ARCHIVE = "archive"
    DELETE = "delete"


class RunStatus(StrEnum):
    """Where a run is in its life."""

    #: Stored, and no worker has begun with it.
    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self not in (RunStatus.PENDING, RunStatus.RUNNING)


_S, _E = ThreadStatus, ThreadEvent
_RESTING = (_S.CREATED, _S.PAUSED, _S.IDLE, _S.FAILED, _S.CANCELLED)

#: (status, event) -> the status that follows. What is not here is not allowed.
TABLE: Mapping[tuple[ThreadStatus, ThreadEvent], ThreadStatus] = {
    **{(status, _E.START): _S.RUNNING for status in _RESTING},
    **{(status, _E.RESUME): _S.RUNNING for status in (_S.PAUSED, _S.IDLE, _S.FAILED, _S.CANCELLED)},
    (_S.RUNNING, _E.CHECKPOINT): _S.RUNNING,
    (_S.RUNNING, _E.PAUSE): _S.PAUSED,
    (_S.RUNNING, _E.FINISH): _S.IDLE,
    (_S.RUNNING, _E.FAIL): _S.FAILED,
    (_S.RUNNING, _E.CANCEL): _S.CANCELLED,
    **{(status, _E.UPDATE): _S.PAUSED for status in _RESTING},
    **{(status, _E.TERMINATE): _S.TERMINATED for status in _RESTING},
    **{(status, _E.ARCHIVE): _S.ARCHIVED for status in (*_RESTING, _S.TERMINATED)},
    **{(status, _E.DELETE): status for status in (*_RESTING, _S.TERMINATED, _S.ARCHIVED)},
}

#: How a run ends -> what that is for its thread.
ENDING: Mapping[RunStatus, ThreadEvent] = {
    RunStatus.SUCCESS: _E.FINISH,
    RunStatus.INTERRUPTED: _E.PAUSE,
    RunStatus.ERROR: _E.FAIL,
    RunStatus.TIMEOUT: _E.FAIL,
    RunStatus.CANCELLED: _E.CANCEL,
}


def allowed_in(event: ThreadEvent) -> tuple[ThreadStatus, ...]:
    """Return the statuses in which an event may happen."""
    return tuple(status for status, known in TABLE if known is event)


def after_run(status: RunStatus) -> ThreadStatus:
    """Return the thread's status after a run that ended in this status."""
    return TABLE[ThreadStatus.RUNNING, ENDING[status]]
