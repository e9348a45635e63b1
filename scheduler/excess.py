"""What is said where something is more than a deployment allows: errors beside errors.py."""

from graphs.checks import shown

from .errors import SchedulerError


class StateTooLarge(SchedulerError, ValueError):
    """A value of the state, or the state as a whole, is larger than the limit."""

    def __init__(self, where: str, size_bytes: int, limit_bytes: int, setting: str = "TREADLE_MAX_VALUE_BYTES") -> None:
        self.where, self.size_bytes, self.limit_bytes = where, size_bytes, limit_bytes
        #: What raises the limit.
        self.setting = setting
        super().__init__(where, size_bytes, limit_bytes, setting)

    def __str__(self) -> str:
        return (
            f"{self.where} takes {self.size_bytes} bytes, more than the limit of {self.limit_bytes}: "
            f"keep large things elsewhere and their address in the state, or raise {self.setting}."
        )


class TooMany(SchedulerError, ValueError):
    """A run has more of something than the deployment allows."""

    def __init__(self, what: str, count: int, limit: int, setting: str) -> None:
        self.what, self.count, self.limit, self.setting = what, count, limit, setting
        super().__init__(what, count, limit, setting)

    def __str__(self) -> str:
        limit = f"more than the limit of {self.limit}"
        return f"{self.what}: {shown(self.count)}, {limit}. Ask for less, or raise {self.setting}."


class LogFull(SchedulerError):
    """A thread's log has as many entries as the deployment allows: no run begins on it any more."""

    def __init__(self, thread_id: str, entries: int, limit: int) -> None:
        self.thread_id, self.entries, self.limit = thread_id, entries, limit
        super().__init__(thread_id, entries, limit)

    def __str__(self) -> str:
        return (
            f"The log of thread {self.thread_id!r}, with what its nodes wrote live, has had {self.entries} entries; "
            f"TREADLE_MAX_LOG_ENTRIES allows {self.limit}. Go on with a copy of it (threads.copy), whose log is new, "
            "and archive or delete this one; or raise the limit."
        )
