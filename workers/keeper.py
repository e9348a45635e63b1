"""A process beside a worker that keeps the leases of its steps, whatever a node does to the worker's interpreter.

Where nodes run in the worker's own process (every pool but prefork), one that holds the interpreter starves the
heartbeat there. The keeper goes on while the worker is alive and not stopped; when it has died, its steps are handed
back at once.
"""

import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from scheduler.connection import open_connection
from scheduler.dispatch import Inline, StepRef
from scheduler.errors import StoreUnavailable
from scheduler.leases import Leases
from scheduler.patience import Patience
from scheduler.redis_at import redis_at
from scheduler.runs import RunStore
from scheduler.settings import Settings

from .json_logs import set_up

logger = logging.getLogger(__name__)

_BEATS_PER_LEASE = 6
_ROOT = Path(__file__).parent.parent
#: How long the end of the pipe may come before that of the process.
_DYING_S = 1.0
#: How long a worker waits for it at the most.
_STARTING_S = 10.0
_LEAVE = b"[]\n"


class Keeper:
    """The worker's end: tells the process which steps run here.

    Args:
        worker: the worker's name, under which its leases were taken.
        url: of the store.
    """

    def __init__(self, worker: str, url: str) -> None:
        self._worker = worker
        self._environment = {**os.environ, "TREADLE_REDIS_URL": url}
        self._held: dict[str, bytes] = {}
        self._pipe = -1
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process, and wait until it is there: steps that begin now can already be handed back."""
        ready, end = os.pipe()
        with self._lock:
            self._start(end)
        os.close(end)
        select.select([ready], [], [], _STARTING_S)
        os.close(ready)

    def hold(self, delivery: str, step: Mapping[str, Any]) -> None:
        """Keep the lease of a step, from when it is taken."""
        with self._lock:
            self._held[delivery] = _line(delivery, step)
            self._tell(self._held[delivery])

    def drop(self, delivery: str) -> None:
        """Let the lease of a step go."""
        with self._lock:
            if self._held.pop(delivery, None) is not None:
                self._tell(_line(delivery))

    def leave(self) -> None:
        """Have the steps handed back once this process has ended, which it must do now; safe in a signal handler."""
        with suppress(OSError):
            os.write(self._pipe, _LEAVE)

    def _tell(self, line: bytes) -> None:
        with suppress(BlockingIOError):  # it hangs, and the heartbeat of this process is what is left
            try:
                os.write(self._pipe, line)
            except OSError:  # there is none yet, or it has died
                self._start()
                for held in self._held.values():
                    os.write(self._pipe, held)

    def _start(self, stdout: int | None = None) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        end, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        safe = [] if Path.cwd() == _ROOT else ["-P"]
        command = [sys.executable, *safe, "-m", __name__, self._worker, str(os.getpid())]
        subprocess.Popen(command, stdin=end, stdout=stdout, env=self._environment, start_new_session=True)
        os.close(end)


class Watch:
    """The keeper's end: what it holds, and for whom."""

    def __init__(self, leases: Leases, worker_pid: int) -> None:
        self._leases = leases
        self._pid = worker_pid
        #: By the delivery under which each was taken; of two deliveries of one step the first has the lease.
        self._steps: dict[str, StepRef] = {}
        self._rest = b""
        self._kind = "lost worker"

    @property
    def is_over(self) -> bool:
        """Whether the worker has died."""
        return os.getppid() != self._pid

    def hear(self, told: bytes) -> None:
        """Take what the worker tells."""
        *lines, self._rest = (self._rest + told).split(b"\n")
        for delivery, step in filter(None, map(json.loads, lines)):
            if step is not None:
                self._steps[delivery] = StepRef.from_message(step)
            else:
                self._steps.pop(delivery, None)
        if _LEAVE.strip() in lines:
            self._kind = "released"

    def beat(self) -> None:
        """Renew what is held, unless the worker was stopped: then it is as good as dead, and others may go on."""
        if self._steps and not _is_stopped(self._pid):
            with suppress(StoreUnavailable):
                self._leases.renew({ref: delivery for delivery, ref in reversed(self._steps.items())})

    def hand_back(self) -> None:
        """Let others have the steps of a worker that is no more."""
        with suppress(StoreUnavailable):  # their leases run out by themselves
            for delivery, ref in self._steps.items():
                self._leases.release(ref, delivery, self._kind, "its process ended")


def watch(kept: Watch, interval_s: float, pipe: int = 0) -> None:
    """Keep leases until the worker is gone."""
    beat_at = time.monotonic()
    while True:
        if select.select([pipe], [], [], max(0.0, beat_at - time.monotonic()))[0]:
            told = os.read(pipe, 65_536)
            if not told:
                break
            kept.hear(told)
        elif kept.is_over:  # and a child of it still has the pipe
            break
        if time.monotonic() >= beat_at:
            kept.beat()
            beat_at = time.monotonic() + interval_s
    deadline = time.monotonic() + _DYING_S
    while not kept.is_over and time.monotonic() < deadline:
        time.sleep(0.01)
    if kept.is_over:  # else somebody closed the pipe of a worker that lives
        kept.hand_back()


def main() -> None:
    """Watch the parent process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends after the worker, and with it
    set_up("INFO", "%(asctime)s %(levelname)s %(name)s: %(message)s")
    worker, worker_pid, settings = sys.argv[1], int(sys.argv[2]), Settings()
    connection = open_connection(redis_at(str(settings.redis_url), Patience()), settings, _Nobody())
    leases = Leases(connection, RunStore(connection), worker)
    print(flush=True)  # it is ready
    watch(Watch(leases, worker_pid), settings.lease_ms / 1000 / _BEATS_PER_LEASE)


class _Nobody(Inline):
    """A dispatcher for a process that sends no steps; those that it holds are not its own."""

    inline = False

    def announce(self, thread_id: str, run_id: str, queue: str | None) -> None:
        return


def _line(delivery: str, step: Mapping[str, Any] | None = None) -> bytes:
    return json.dumps([delivery, step]).encode() + b"\n"


def _is_stopped(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # macOS has no such folder: there a stopped worker keeps its leases
        return False
    return status.rpartition(")")[2].split()[0] in ("T", "t")


if __name__ == "__main__":
    main()
