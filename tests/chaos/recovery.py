"""How long it takes until a step that lost its worker, or its message, is at work again: by the logs alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles

from .evidence import Evidence
from .faults import Kind
from .saboteur import Injected

_LOST = ("lost worker", "released")


@dataclass(frozen=True, slots=True)
class Spread:
    """How long it took, in seconds."""

    count: int
    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Spread | None":
        """Return the spread of some times; None for none."""
        if not seconds:
            return None
        cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 99
        return cls(len(seconds), cuts[49], cuts[98], max(seconds))

    def __str__(self) -> str:
        return f"{self.p50:.2f} / {self.p99:.2f} / {self.most:.2f} s ({self.count})"


def of_steps(threads: Sequence[Evidence], injected: Sequence[Injected]) -> list[float]:
    """Return, for each time that a step lost its worker, the seconds from the fault to the step's next lease.

    The fault is the first one that hit this worker since the lost attempt was leased; where none did, the last one
    since then that hit everybody (the store, the broker, the connections); else the moment when the loss was noted.
    """
    return [seconds for thread in threads for seconds in _of_thread(thread, injected)]


def of_messages(threads: Sequence[Evidence], injected: Sequence[Injected]) -> list[float]:
    """Return, for each step whose message was dropped and who had no other, the seconds until its next lease."""
    logs = {thread.thread_id: thread.log for thread in threads}
    found = []
    for fault in injected:
        for thread_id, step in fault.steps if fault.kind is Kind.DROPPED else ():
            log = logs.get(thread_id, ())
            leased = (e.at_ms for e in log if e.kind == "leased" and e.data["step"] == step and e.at_ms > fault.at_ms)
            if (at_ms := next(leased, None)) is not None:
                found.append((at_ms - fault.at_ms) / 1000)
    return found


def _of_thread(thread: Evidence, injected: Sequence[Injected]) -> Iterator[float]:
    leased: dict[str, int] = {}
    lost: dict[str, int] = {}
    for entry in thread.log:
        step = str(entry.data.get("step"))
        if entry.kind in _LOST:
            lost[step] = _blamed(str(entry.data["worker"]), leased[step], entry.at_ms, injected)
        elif entry.kind == "leased":
            leased[step] = entry.at_ms
            if step in lost:
                yield (entry.at_ms - lost.pop(step)) / 1000


def _blamed(worker: str, leased_ms: int, noted_ms: int, injected: Sequence[Injected]) -> int:
    """Return when the fault was that cost a worker a step."""
    since = [fault for fault in injected if leased_ms <= fault.at_ms <= noted_ms]
    own = [fault.at_ms for fault in since if fault.victim == worker.partition("@")[0]]
    everybody = [fault.at_ms for fault in since if fault.victim.startswith(("the ", "all "))]
    return own[0] if own else max(everybody, default=noted_ms)
