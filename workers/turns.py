"""Who runs in this process at a time: any number of steps, or one that is suspected of killing processes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: For how long a suspect waits until the others have ended; then it runs beside them.
_PATIENCE_S = 60.0


class Turns:
    """Lets steps run together, and a suspect alone: when its process dies, it was nobody else.

    Args:
        patience_s: for how long a suspect waits for the steps that run.
    """

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._running = 0
        self._has_suspect = False
        self._changed = threading.Condition()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run beside others; wait while a suspect runs, or is about to."""
        with self._changed:
            while self._has_suspect:
                self._changed.wait()
            self._running += 1
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run when the others have ended, and let none begin meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: not self._has_suspect)
            self._has_suspect = True
            is_alone = self._changed.wait_for(lambda: not self._running, self._patience_s)
            self._running += 1
            if not is_alone:
                self._admit()
        try:
            yield
        finally:
            self._leave(was_alone=is_alone)

    def _leave(self, *, was_alone: bool = False) -> None:
        with self._changed:
            self._running -= 1
            if self._has_suspect:  # else nobody waits
                self._has_suspect = not was_alone
                self._changed.notify_all()

    def _admit(self) -> None:
        self._has_suspect = False
        self._changed.notify_all()
