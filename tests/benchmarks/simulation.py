"""A deployment as a queueing model: what each step costs, and how many steps a second come of it."""

import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

#: Of the spread of what single steps take: the same costs tell the same rate.
_SEED = 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What one step takes, in seconds."""

    #: Of the process that runs it.
    worker_s: float
    #: Of its thread's Redis, which does one thing at a time.
    redis_s: float
    #: Of nobody: what its node waits for others.
    wait_s: float = 0


@dataclass(slots=True)
class _Station:
    """Where steps are worked on: a Redis, or the workers."""

    mean_s: float
    free: int
    waiting: deque[tuple[float, int]] = field(default_factory=deque)


class _Deployment:
    """Threads that go in turns to a worker and to their Redis, and wait where others are being served."""

    def __init__(self, costs: Costs, places: Sequence[int], workers: int, cores: int | None) -> None:
        self._costs, self._places = costs, places
        self._random, self._numbers = random.Random(_SEED), count()
        self._workers = _Station(costs.worker_s, workers)
        self._servers = [_Station(costs.redis_s, 1) for _ in range(max(places) + 1)]
        self._cores = len(places) * 2 if cores is None else cores
        self._events: list[tuple[float, int, int, _Station | None]] = []
        self._now = 0.0

    def run(self, steps: int) -> float:
        """Let every thread take so many steps, and return how long that takes."""
        left = [steps] * len(self._places)
        for thread in range(len(left)):
            self._workers.waiting.append((0.0, thread))
        self._begin()
        while self._events:
            self._now, _, thread, served = heapq.heappop(self._events)
            if served is not None:
                served.free, self._cores = served.free + 1, self._cores + 1
            if served is self._workers:
                self._servers[self._places[thread]].waiting.append((self._now, thread))
            elif served is None:
                self._workers.waiting.append((self._now, thread))
            elif left[thread] > 1:
                left[thread] -= 1
                self._end_at(self._now + self._costs.wait_s, thread, None)
            self._begin()
        return self._now

    def _begin(self) -> None:
        """Serve who has waited longest, for as long as there is a free core and somebody to be served."""
        while self._cores:
            ready = [one for one in (self._workers, *self._servers) if one.free and one.waiting]
            if not ready:
                return
            station = min(ready, key=lambda one: one.waiting[0])
            _, thread = station.waiting.popleft()
            station.free, self._cores = station.free - 1, self._cores - 1
            self._end_at(self._now + station.mean_s * self._random.uniform(0.5, 1.5), thread, station)

    def _end_at(self, when: float, thread: int, served: _Station | None) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), thread, served))


def steps_per_second(
    costs: Costs, places: Sequence[int], *, steps: int, workers: int, cores: int | None = None
) -> float:
    """Return the rate at which threads take their steps, from the first one to the last.

    Args:
        costs: what a step takes.
        places: of each thread, which Redis it lies in.
        steps: how many steps each thread takes.
        workers: how many steps are worked on at the same time.
        cores: how many of workers and Redises can compute at the same time; None: all of them.
    """
    return len(places) * steps / _Deployment(costs, places, workers, cores).run(steps)
