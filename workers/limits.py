"""Time limits inside the process, where no pool enforces them: the caller goes on when the time is up."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any


class TimeUp(BaseException):
    """The time is up, and the function still runs: its thread is given up, and can commit nothing any more."""


def within(limit_s: float | None, call: Callable[[], Any]) -> Any:
    """Return what a call returns, at the latest after a limit in seconds; None: without any.

    Raises:
        TimeUp: the limit passed first. Python cannot stop a thread, so it ends whenever it ends.
    """
    if limit_s is None:
        return call()
    attempt = _Attempt(call)
    thread = threading.Thread(target=copy_context().run, args=(attempt.run,), name="treadle-limited", daemon=True)
    thread.start()
    if not attempt.ended.wait(limit_s):
        raise TimeUp
    if attempt.error is not None:
        raise attempt.error
    return attempt.value


class _Attempt:
    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self.ended = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.value = self._call()
        except BaseException as error:  # raised again by whoever waits
            self.error = error
        finally:
            self.ended.set()
