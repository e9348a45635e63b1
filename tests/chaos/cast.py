"""The processes that the chaos has: workers and schedulers, replaced as soon as one is dead, a store and a broker."""

import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psutil
import redis

from tests.system.conftest import Deployment, until

from .brokers import broker

_MEND = Path(__file__).parents[2] / "deploy" / "mend-aof.sh"
_SAMPLES = 1_000
_LEAVE_S = 60


class Cast(Deployment):
    """A deployment in which nobody stays dead.

    Args:
        folder: where its files lie; its path must be short, for the sake of the sockets in it.
        graphs: the graphs' addresses.
        settings: TREADLE_* variables of all processes.
        brought_by: ``redis`` (the store's), ``redis2`` or ``amqp``.
        fsync: how the store writes its file.
    """

    def __init__(self, folder: Path, graphs: str, settings: dict[str, str], brought_by: str, fsync: str) -> None:
        super().__init__(folder, fsync=fsync)
        self.broker = broker(brought_by, folder, self.url)
        self.broker.start()
        self._graphs = graphs
        self.settings |= settings | ({"TREADLE_BROKER_URL": self.broker.url} if self.broker.url else {})
        self.workers: list[str] = []
        self.schedulers: list[str] = []
        self.frozen: set[str] = set()
        #: Those that ended without anybody's doing, each with its code and its reason.
        self.died: list[str] = []
        self._leaving: dict[str, float] = {}
        self._numbers = count(1)
        self._sizes: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)

    def enter(self, workers: int, schedulers: int) -> None:
        """Start workers and schedulers, and wait until they are there."""
        for _ in range(workers):
            self._new_worker()
        for _ in range(schedulers):
            self._new_scheduler()
        for name in self.workers:
            until(lambda name=name: " ready." in self.output(name), f"worker {name} is ready", 60)  # type: ignore[misc]

    def tend(self) -> None:
        """Replace those that died by themselves, and note how far the store's file has grown."""
        for name in [name for name in (*self.workers, *self.schedulers) if self.processes[name].poll() is not None]:
            self.died.append(f"{name} ended with code {self.processes[name].returncode}: {self._last_words(name)}")
            self._replace(name)
        for name, since in list(self._leaving.items()):
            if self.processes[name].poll() is not None:
                del self._leaving[name]
            elif time.monotonic() - since > _LEAVE_S:  # it is stopped, or it hangs
                self.died.append(f"{name} was asked to end and did not: {self._last_words(name)}")
                self.strike(name)
        self._sizes.append((time.monotonic(), self._file.stat().st_size if self._file.exists() else 0))

    def strike(self, name: str) -> None:
        """Kill a worker with its pool, or a scheduler; another one takes its place."""
        self.kill(name)
        self.processes[name].wait(10)
        self._leaving.pop(name, None)
        if name in (*self.workers, *self.schedulers):
            self._replace(name)

    def dismiss(self, name: str) -> None:
        """Ask a worker to end; another one takes its place at once."""
        self.processes[name].send_signal(signal.SIGTERM)
        self._leaving[name] = time.monotonic()
        self._replace(name)

    def strike_child(self, name: str, pick: float) -> bool:
        """Kill one process of a worker's pool; return whether there was one."""
        children = psutil.Process(self.processes[name].pid).children()
        if children:
            children[int(pick * len(children))].kill()
        return bool(children)

    def freeze(self, name: str) -> None:
        """Stop a process and its children in whatever they do."""
        self.kill(name, signal.SIGSTOP)
        self.frozen.add(name)

    def wake(self, name: str) -> None:
        """Let a process go on, unless it is dead."""
        self.frozen.discard(name)
        if self.processes[name].poll() is None:
            self.kill(name, signal.SIGCONT)

    def cut_power(self, lost_s: float) -> int:
        """Kill the store, and take from its file what was written last; return how many bytes that was."""
        self.redis.kill()
        since = time.monotonic() - lost_s
        size = self._file.stat().st_size
        kept = max((size for at, size in self._sizes if at <= since), default=0)
        with self._file.open("r+b") as file:
            file.truncate(min(kept, size))
        return size - min(kept, size)

    def restore_power(self) -> None:
        """Start the store again as a deployment does: a torn end of its file is cut off before."""
        subprocess.run(["sh", _MEND, self.folder], check=True, stdout=subprocess.DEVNULL)
        self.redis.start()

    def cut_connections(self) -> None:
        """Break the connections of everybody to the store, and to the broker."""
        with redis.Redis.from_url(self.url) as client:
            for kind in ("normal", "pubsub"):
                client.client_kill_filter(_type=kind, skipme=True)
        if self.broker.url:
            self.broker.cut()

    def stop(self) -> None:
        """End everything."""
        super().stop()
        self.broker.stop()

    def tracebacks(self) -> Iterator[str]:
        """Yield the last line of each traceback that a process has printed."""
        for name in self.processes:
            lines = iter(self.output(name).splitlines())
            for line in lines:
                if line.startswith("Traceback"):
                    last = next((line for line in lines if line and not line.startswith(" ")), "")
                    yield last

    def _last_words(self, name: str) -> str:
        """Return why a worker gave up, or what it said last."""
        said = self.output(name).splitlines() or [""]
        return next((line.partition("MainProcess] ")[2] for line in said if "Unrecoverable error" in line), said[-1])

    @property
    def _file(self) -> Path:
        """What the store appends to: with Redis 7 the newest of several files."""
        found = sorted((self.folder / "appendonlydir").glob("*.incr.aof"))
        return found[-1] if found else self.folder / "appendonly.aof"

    def _replace(self, name: str) -> None:
        self.frozen.discard(name)
        is_worker = name in self.workers
        (self.workers if is_worker else self.schedulers).remove(name)
        start: Callable[[], None] = self._new_worker if is_worker else self._new_scheduler
        start()

    def _new_worker(self) -> None:
        name = f"w{next(self._numbers)}"
        self.start_worker(name, "-c", "2", graphs=self._graphs)
        self.workers.append(name)

    def _new_scheduler(self) -> None:
        name = f"s{next(self._numbers)}"
        self.scheduler(name)
        self.schedulers.append(name)
