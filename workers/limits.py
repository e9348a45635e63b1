"""Time limits inside the process, where no pool enforces them: the caller goes on when the time is up."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

from graphs.errors import LimitKind

#: How long a coroutine may take to end after it was cancelled.
_LAST_WORDS_S = 1.0


class TimeUp(BaseException):
    """The time is up; a plain function still runs: its thread is given up, and can commit nothing any more."""

    def __init__(self, kind: LimitKind = "run") -> None:
        self.kind: LimitKind = kind
        super().__init__(kind)


class Clock:
    """The time that one attempt has, as a whole and between two signs of life; in seconds, None: without end.

    Args:
        run_s: as a whole.
        idle_s: between two signs of life.
        explicit: whether what the node writes is no sign of life.
    """

    def __init__(self, run_s: float | None = None, idle_s: float | None = None, *, explicit: bool = False) -> None:
        self._run_s = run_s
        self._idle_s = idle_s
        self._explicit = explicit
        self._began = self._heard = time.monotonic()

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self._run_s is not None or self._idle_s is not None

    @property
    def counts_signs(self) -> bool:
        """Whether signs of life matter: there is an idle limit."""
        return self._idle_s is not None

    @property
    def elapsed_s(self) -> float:
        """How long the attempt runs."""
        return time.monotonic() - self._began

    def hear(self, *, written: bool = False) -> None:
        """Take a sign of life, or something that was written for one."""
        if not (written and self._explicit):
            self._heard = time.monotonic()

    def left_s(self) -> float | None:
        """Return the time until the next limit that would be passed; at the most 0 when one is."""
        return min((left for left, _ in self._left()), default=None)

    def passed(self) -> LimitKind | None:
        """Return which limit is passed, or None."""
        return next((kind for left, kind in self._left() if left <= 0), None)

    def _left(self) -> list[tuple[float, LimitKind]]:
        now = time.monotonic()
        found: list[tuple[float, LimitKind]] = []
        if self._run_s is not None:
            found.append((self._began + self._run_s - now, "run"))
        if self._idle_s is not None:
            found.append((self._heard + self._idle_s - now, "idle"))
        return found


def within(clock: Clock, call: Callable[[], Any]) -> Any:
    """Return what a call returns, at the latest when a limit is passed.

    Raises:
        TimeUp: a limit passed first. Python cannot stop a thread, so it ends whenever it ends.
    """
    if not clock.limited:
        return call()
    attempt = _Attempt(call)
    thread = threading.Thread(target=copy_context().run, args=(attempt.run,), name="treadle-limited", daemon=True)
    thread.start()
    while not attempt.ended.wait(clock.left_s()):
        if (kind := clock.passed()) is not None:
            raise TimeUp(kind)
    if attempt.error is not None:
        raise attempt.error
    return attempt.value


async def awaited(clock: Clock, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns; when a limit is passed it is cancelled at its await.

    Raises:
        TimeUp: a limit passed first.
    """
    task = asyncio.ensure_future(coroutine)
    try:
        while not (await asyncio.wait({task}, timeout=clock.left_s()))[0]:
            if (kind := clock.passed()) is not None:
                raise TimeUp(kind)
        return task.result()
    finally:
        if task.cancel():  # also when whoever awaits this is cancelled
            await asyncio.wait({task}, timeout=_LAST_WORDS_S)


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
