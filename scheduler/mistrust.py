"""What is said where something stored is not what was written, or cannot be shown to be: errors beside errors.py."""

from .errors import SchedulerError


class LogAltered(SchedulerError):
    """A thread's log is not the one that was written."""

    def __init__(self, thread_id: str, what: str) -> None:
        self.thread_id = thread_id
        self.what = what
        super().__init__(thread_id, what)

    def __str__(self) -> str:
        return f"The log of thread {self.thread_id!r} is not what was written: {self.what}"


class HeadRefused(SchedulerError):
    """The head of a log is not signed by anybody who is trusted here."""

    def __init__(self, thread_id: str, why: str) -> None:
        self.thread_id = thread_id
        self.why = why
        super().__init__(thread_id, why)

    def __str__(self) -> str:
        return f"The head of thread {self.thread_id!r} proves nothing: {self.why}."


class KeyMissing(SchedulerError):
    """A value is sealed with a key that this process does not have."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(key_id)

    def __str__(self) -> str:
        return f"A value is sealed with key {self.key_id!r}, which is not here: add it to TREADLE_ENCRYPTION_KEYS."


class SealBroken(SchedulerError):
    """A value is not the one that was sealed for its place."""

    def __init__(self, key: str, field: str, why: str) -> None:
        self.key = key
        self.field = field
        self.why = why
        super().__init__(key, field, why)

    def __str__(self) -> str:
        return f"The value at {' '.join(filter(None, (self.key, self.field)))} is not to be trusted: {self.why}."


class Unreadable(SchedulerError, ValueError):
    """What lies in the store is not what was put there."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        return (
            f"A stored value cannot be read: {self.reason.rstrip('.')}. It was altered, or written by another version; "
            "nothing of it was run."
        )
