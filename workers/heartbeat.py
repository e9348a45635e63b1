"""Keeps the leases of what this process runs, from a thread of its own."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from scheduler.connection import Connection
from scheduler.dispatch import StepRef
from scheduler.errors import StoreUnavailable
from scheduler.steps import Steps
from scheduler.storing import ALIVE_FACTOR

logger = logging.getLogger(__name__)

_BEATS_PER_LEASE = 6

#: Returns the steps that run now, and the delivery under which each was claimed.
Running = Callable[[], Mapping[StepRef, str]]
OnLost = Callable[[StepRef, str], None]


class Heartbeat:
    """Renews leases several times in their span; a step that lost its lease is reported, so that it can be stopped.

    A step counts as lost when two beats in a row find that its lease is gone: after the first it may just have been
    committed. One that no beat has renewed yet may still be about to be claimed, and gets the time of a whole lease.
    """

    def __init__(self, connection: Connection, steps: Steps, running: Running, on_lost: OnLost | None = None) -> None:
        self._connection = connection
        self._steps = steps
        self._running = running
        self._on_lost = on_lost
        #: How many more beats may find a step without a lease before it counts as lost.
        self._patience: dict[tuple[StepRef, str], int] = {}
        self._runs: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to beat, once."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat_on, name="treadle-heartbeat", daemon=True)
                self._thread.start()

    def hold_run(self, thread_id: str, run_id: str) -> None:
        """Answer for an inline run: while this process beats, the run counts as alive."""
        self.start()
        with self._lock:
            self._runs.add((thread_id, run_id))

    def drop_run(self, thread_id: str, run_id: str) -> None:
        """Let an inline run go."""
        with self._lock:
            self._runs.discard((thread_id, run_id))

    def beat(self) -> None:
        """Renew everything that runs, once."""
        with self._lock:
            runs = list(self._runs)
        for run in runs:
            with self._said():
                self._renew_run(*run)
        running = dict(self._running())
        for ref, renewed in (self._steps.renew(running) if running else {}).items():
            self._note(ref, running[ref], renewed=renewed)
        self._patience = {held: left for held, left in self._patience.items() if running.get(held[0]) == held[1]}

    def _renew_run(self, thread_id: str, run_id: str) -> None:
        alive_ms = self._connection.settings.lease_ms * ALIVE_FACTOR
        place = self._connection.place(thread_id, run_id)
        self._connection.scripts.renew_run(place, run=run_id, alive_ms=alive_ms)

    def _note(self, ref: StepRef, delivery: str, *, renewed: bool) -> None:
        held = (ref, delivery)
        if renewed:
            self._patience[held] = 1
            return
        left = self._patience[held] = self._patience.get(held, _BEATS_PER_LEASE) - 1
        if left < 0 and self._on_lost is not None:
            self._on_lost(ref, delivery)

    def _beat_on(self) -> None:
        interval_s = self._connection.settings.lease_ms / 1000 / _BEATS_PER_LEASE
        pause = threading.Event()
        while not pause.wait(interval_s):
            with self._said():
                self.beat()

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Say that the store does not answer; the next beat asks again, and the other runs are renewed meanwhile."""
        try:
            yield
        except StoreUnavailable as error:
            logger.warning("heartbeat failed", extra={"error": str(error)})
