"""What goes wrong, and when: a schedule that follows from a seed alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """A way to go wrong."""

    #: A worker and its pool are killed with SIGKILL.
    WORKER_KILLED = "worker killed"
    #: One process of a worker's pool is.
    CHILD_KILLED = "pool process killed"
    #: A worker gets SIGTERM: it ends when it has finished what it runs.
    WORKER_ENDED = "worker ended"
    #: A worker is stopped for longer than its leases last, and wakes.
    WORKER_FROZEN = "worker frozen"
    SCHEDULER_KILLED = "scheduler killed"
    #: A scheduler is stopped in whatever it does, and wakes.
    SCHEDULER_FROZEN = "scheduler frozen"
    #: The store is killed with SIGKILL, and comes back.
    REDIS_KILLED = "Redis killed"
    #: The store is killed, and has lost up to a second of what it had told everybody.
    POWER_CUT = "power cut"
    #: The broker is killed with SIGKILL, and comes back; a Redis without what it held.
    BROKER_KILLED = "broker killed"
    #: Messages vanish on their way.
    DROPPED = "messages dropped"
    #: Messages arrive late, and in another order.
    DELAYED = "messages delayed"
    #: Messages arrive twice.
    DOUBLED = "messages doubled"
    #: All connections break.
    CUT = "connections cut"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong."""

    at_s: float
    kind: Kind
    #: Which of those whom it can hit, from 0 to 1.
    pick: float
    #: How long it lasts, for those that last.
    lasts_s: float

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.at_s:7.1f} s  {self.kind}{lasts}"


#: How long a fault lasts, of the lease and a random share.
_LASTS: Mapping[Kind, Callable[[float, float], float]] = {
    Kind.WORKER_FROZEN: lambda lease_s, share: lease_s * (1.2 + 1.8 * share),
    Kind.SCHEDULER_FROZEN: lambda lease_s, share: lease_s * (0.5 + 3 * share),
    Kind.REDIS_KILLED: lambda lease_s, share: 0.2 + lease_s * share,
    Kind.POWER_CUT: lambda lease_s, share: 0.2 + lease_s * share,
    Kind.BROKER_KILLED: lambda lease_s, share: 0.2 + lease_s * share,
    Kind.DELAYED: lambda lease_s, share: 0.5 + 5 * lease_s * share,
}


def schedule(seed: int, kinds: Sequence[Kind], *, lasts_s: float, every_s: float, lease_s: float) -> list[Fault]:
    """Return what goes wrong in a span of time, a fault every so many seconds; each kind as often as the others."""
    random, faults, at_s = Random(seed), list[Fault](), 0.0
    deck: list[Kind] = []
    while (at_s := at_s + every_s * random.uniform(0.5, 1.5)) < lasts_s:
        if not deck:
            deck = random.sample(kinds, len(kinds))
        kind, pick, share = deck.pop(), random.random(), random.random()
        span_s = _LASTS[kind](lease_s, share) if kind in _LASTS else 0.0
        faults.append(Fault(round(at_s, 2), kind, pick, round(span_s, 2)))
    return faults
