"""A process' sign of life in a file, by which the probe of a container sees that it works, without asking Redis."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

#: How often a living process writes, and for how long its loop may do no turn before it is taken for stuck.
INTERVAL_S = 2.0
STUCK_S = 20.0

STARTING, READY, WAITING, STOPPING = "starting", "ready", "waiting for its broker or its store", "stopping"


@dataclass(frozen=True, slots=True)
class Beat:
    """What the file says."""

    role: str
    state: str
    pid: int
    #: By a clock that all processes of a machine share, and that nobody sets.
    at: float

    def age_s(self, now: float) -> float | None:
        """Return how old it is; None where it was written before the machine was started."""
        return now - self.at if now >= self.at else None


def read(file: Path) -> Beat:
    """Return what was written last.

    Raises:
        OSError: nothing was.
        ValueError: it is something else.
    """
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return Beat(str(told["role"]), str(told["state"]), int(told["pid"]), float(told["at"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file} is no sign of life") from error


class Pulse:
    """Writes the file of one process: from its loop, or from a thread that watches the loop.

    Args:
        file: where.
        role: what the process is.
        clock: seconds, the same for all processes of the machine.
    """

    def __init__(self, file: Path, role: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._role = role
        self._clock = clock
        self._state = STARTING
        #: When the loop did its last turn; None while it need not do any.
        self._turned_at: float | None = None
        self._wrote_at = float("-inf")
        self._thread: threading.Thread | None = None

    def start(self, is_busy: Callable[[], bool] = lambda: False) -> None:
        """Begin to write from a thread, as long as the loop turns, need not, or is busy on purpose."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat_on, args=[is_busy], name="treadle-pulse", daemon=True)
            self._thread.start()

    def turn(self, state: str = READY) -> None:
        """Note that the loop has done a turn."""
        if self._state != STOPPING:
            self._turned_at, self._state = self._clock(), state

    def rest(self, state: str) -> None:
        """Note that the loop need not turn from now on: it waits, or the process ends, and then for good."""
        if self._state != STOPPING:
            self._turned_at, self._state = None, state

    def beat(self, *, busy: bool = False) -> bool:
        """Write, unless the loop is stuck; return whether that was done."""
        if self._turned_at is not None and not busy and self._clock() - self._turned_at > STUCK_S:
            return False
        self._wrote_at = self._clock()
        told = json.dumps(asdict(Beat(self._role, self._state, os.getpid(), self._wrote_at)))
        new = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            new.write_text(told, encoding="utf-8")
            new.replace(self._file)  # a reader sees the old one or the new one
        except OSError as error:
            logger.warning("sign of life not written", extra={"file": str(self._file), "error": str(error)})
            return False
        return True

    def beat_now_and_then(self) -> None:
        """Write, when the last time is long enough ago: for a loop that turns often."""
        if self._clock() - self._wrote_at >= INTERVAL_S:
            self.beat()

    def end(self) -> None:
        """Take the file away: the process has ended as it should."""
        with suppress(OSError):
            self._file.unlink()

    def _beat_on(self, is_busy: Callable[[], bool]) -> None:
        pause = threading.Event()
        while True:
            self.beat(busy=is_busy())
            pause.wait(INTERVAL_S)
