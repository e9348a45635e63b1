"""What is said where a thread, or the file that it was put into, is not in reach: errors beside errors.py."""

from .errors import SchedulerError, TransitionNotAllowed


class ArchiveUnavailable(SchedulerError):
    """An archive cannot be read or written."""

    def __init__(self, url: str, why: str) -> None:
        self.url = url
        self.why = why
        super().__init__(url, why)

    def __str__(self) -> str:
        return f"The archive {self.url} is not in reach: {self.why}."


class ArchiveBroken(SchedulerError):
    """A file is no archive, or not the one that was written."""

    def __init__(self, url: str, why: str) -> None:
        self.url = url
        self.why = why
        super().__init__(url, why)

    def __str__(self) -> str:
        return f"{self.url} is not to be trusted: {self.why}."


class ArchiveTooNew(SchedulerError):
    """An archive has a form that only a later version of Treadle reads."""

    def __init__(self, url: str, form: int, known: int) -> None:
        self.url = url
        self.form = form
        self.known = known
        super().__init__(url, form, known)

    def __str__(self) -> str:
        return (
            f"{self.url} is an archive of form {self.form}, and this version of Treadle reads forms up to "
            f"{self.known}: a later one reads it, such as wrote it."
        )


class ThreadArchived(TransitionNotAllowed):
    """The thread is in a file, and not in the store."""

    def __init__(self, thread_id: str, event: str, url: str) -> None:
        super().__init__(thread_id, "archived", event)
        self.args = (thread_id, event, url)
        self.url = url

    def __str__(self) -> str:
        return (
            f"Thread {self.thread_id!r} is archived in {self.url}: it cannot {self.event}. Read it there "
            f"(`treadle state {self.url}`), or bring it back with `treadle restore {self.thread_id}`, "
            "or with on_archived='restore' in the call."
        )
