"""The steps that sleep in this process: who is to be woken next, and when."""

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from scheduler.dispatch import StepOrder

#: How soon a run that was cancelled is noticed while all of it sleeps.
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Rest:
    """How a step sleeps: until when by the store's clock, and how long that is from now."""

    until_ms: int
    seconds: float


class Sleepers:
    """Steps in the order in which they wake."""

    def __init__(self) -> None:
        self._heap: list[_Sleeper] = []
        self._numbers = count()

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, order: StepOrder, rest: Rest) -> None:
        """Let a step sleep."""
        heapq.heappush(self._heap, _Sleeper(time.monotonic() + rest.seconds, next(self._numbers), order, rest.until_ms))

    @property
    def until_ms(self) -> int:
        """When the next one wakes, by the store's clock."""
        return self._heap[0].until_ms

    def left_s(self) -> float | None:
        """Return for how long the next one still sleeps; None where nobody does."""
        return max(0.0, self._heap[0].at_s - time.monotonic()) if self._heap else None

    def woken(self) -> list[StepOrder]:
        """Take those whose time has come."""
        woken, now_s = [], time.monotonic()
        while self._heap and self._heap[0].at_s <= now_s:
            woken.append(heapq.heappop(self._heap).order)
        return woken

    def wait(self, is_over: Callable[[], bool]) -> list[StepOrder]:
        """Wait until one wakes and take it; when their run is over meanwhile, nobody does."""
        while self._heap:
            left_s = self.left_s() or 0
            if left_s == 0:
                return self.woken()
            time.sleep(min(left_s, _LOOK_S))
            if is_over():
                self._heap.clear()
        return []


@dataclass(order=True, frozen=True, slots=True)
class _Sleeper:
    at_s: float
    number: int
    order: StepOrder = field(compare=False)
    until_ms: int = field(compare=False)
