"""How a worker leaves: with its steps finished, or handed back, and never later than it may."""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

from celery import signals

from .keeper import Keeper

_STDOUT = 1  # not sys.stdout: nothing with a lock or a buffer belongs into a signal handler


class Departure:
    """What signals do to a worker, beside what Celery does.

    SIGTERM lets it finish its steps; when they take too long it hands them back. SIGQUIT has it hand them back at once:
    prefork kills its processes, and every other pool, which can stop no node, ends with the whole process.

    Args:
        keeper: hands back what runs in this process; None on prefork.
        patience_s: how long steps may take after SIGTERM.
    """

    def __init__(self, keeper: Keeper | None, patience_s: float) -> None:
        self._keeper = keeper
        self._patience_s = patience_s
        self._warned = False

    def prepare(self) -> None:
        """Begin to listen; in the main thread."""
        signals.worker_shutting_down.connect(self._on_shutdown, weak=False)
        if self._keeper is None:
            return
        signal.signal(signal.SIGQUIT, self._leave)
        gently: Any = signal.getsignal(signal.SIGINT)

        def interrupt(number: int, frame: FrameType | None) -> None:
            gently(number, frame)  # sets itself another handler for the second Ctrl-C, which only suits prefork
            signal.signal(signal.SIGINT, self._leave)

        signal.signal(signal.SIGINT, interrupt)

    def _on_shutdown(self, how: str, **_: Any) -> None:
        if how == "Warm" and not self._warned:
            self._warned = True
            hurry = threading.Timer(self._patience_s, os.kill, (os.getpid(), signal.SIGQUIT))
            hurry.daemon = True
            hurry.start()

    def _leave(self, number: int, frame: FrameType | None) -> None:
        if self._keeper is not None:
            self._keeper.leave()
        with suppress(OSError):
            os.write(_STDOUT, b"worker: hands its steps back, and ends\n")
        os._exit(os.EX_OK)  # a node cannot be stopped in another way
