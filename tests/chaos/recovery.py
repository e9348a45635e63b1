"""How long it takes until a step that lost its worker, or its message, is at work again: by the logs alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles

from .evidence import Evidence
from .faults import Kind
from .saboteur import Injected

_LOST = ("lost worker", "released")
#: A fault is not blamed for a loss that came so much later.
_BLAME_MS = 60_000


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

    The fault is the last one that hit this worker; where none did, the last one that hit everybody (the store, the
    broker, the connections), and else the moment at which the loss was noted.
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
    for number, entry in enumerate(thread.log):
        if entry.kind not in _LOST:
            continue
        again = (
            later.at_ms
            for later in thread.log[number + 1 :]
            if later.kind == "leased" and later.data["step"] == entry.data["step"]
        )
        if (at_ms := next(again, None)) is not None:
            yield (at_ms - _blamed(str(entry.data["worker"]), entry.at_ms, injected)) / 1000


def _blamed(worker: str, noted_ms: int, injected: Sequence[Injected]) -> int:
    before = [fault for fault in injected if noted_ms - _BLAME_MS < fault.at_ms <= noted_ms]
    name = worker.partition("@")[0]
    own = [fault.at_ms for fault in before if fault.victim == name]
    everybody = [fault.at_ms for fault in before if fault.victim.startswith(("the ", "all "))]
    return max(own or everybody, default=noted_ms)
