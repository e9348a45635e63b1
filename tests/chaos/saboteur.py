"""Does what the schedule of faults says to the cast, and notes what it did."""

import heapq
import json
import time
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from subprocess import SubprocessError
from typing import Any

import redis

from .cast import Cast
from .faults import Fault, Kind

_LOOK_S = 0.03
_AT_MOST, _TAKE_S = 4, 0.6
_LOST_S = 1.0


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was done."""

    #: Milliseconds since the epoch.
    at_ms: int
    kind: Kind
    #: Whom it hit.
    victim: str = ""
    #: Whose messages it hit: thread and step.
    steps: tuple[tuple[str, str], ...] = ()


class Saboteur:
    """One who makes things go wrong, and right again where that belongs to it."""

    def __init__(self, cast: Cast, faults: Sequence[Fault], tell: Callable[[str], None]) -> None:
        self._cast = cast
        self._faults = list(faults)
        self._tell = tell
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._redis_is_down = self._broker_is_down = False
        self.injected: list[Injected] = []

    def work(self, lasts_s: float, goes_on: Callable[[], bool]) -> None:
        """Do everything when its time comes, leave nothing broken, and look after the cast while others go on."""
        began = time.monotonic()
        for fault in self._faults:
            heapq.heappush(self._later, (began + fault.at_s, next(self._order), lambda fault=fault: self._do(fault)))  # type: ignore[misc]
        while self._later or time.monotonic() < began + lasts_s or goes_on():
            self._cast.tend()
            while self._later and self._later[0][0] <= time.monotonic():
                heapq.heappop(self._later)[2]()
            time.sleep(_LOOK_S)

    def _do(self, fault: Fault) -> None:
        at_ms = time.time_ns() // 1_000_000
        try:
            done = self._deed(fault)
        except (redis.ConnectionError, OSError, SubprocessError):  # what it should hit is down already
            done = None
        if done is None:
            self._tell(f"{fault}: nothing to hit")
            return
        victim, steps = done
        self.injected.append(Injected(at_ms, fault.kind, victim, steps))
        self._tell(f"{fault}: {victim or ', '.join(step for _, step in steps)}")

    def _deed(self, fault: Fault) -> tuple[str, tuple[tuple[str, str], ...]] | None:
        if fault.kind in (Kind.DROPPED, Kind.DELAYED, Kind.DOUBLED):
            return self._tamper(fault)
        if fault.kind in (Kind.REDIS_KILLED, Kind.POWER_CUT, Kind.BROKER_KILLED, Kind.CUT):
            return self._break(fault)
        of = self._cast.schedulers if "scheduler" in fault.kind else self._cast.workers
        able = [name for name in of if name not in self._cast.frozen]
        if not able or (len(able) == 1 and fault.lasts_s):  # somebody must go on
            return None
        victim = able[int(fault.pick * len(able))]
        return (victim, ()) if self._hit(fault, victim) else None

    def _hit(self, fault: Fault, victim: str) -> bool:
        if fault.kind is Kind.CHILD_KILLED:
            return self._cast.strike_child(victim, fault.pick)
        if fault.kind is Kind.WORKER_ENDED:
            self._cast.dismiss(victim)
        elif fault.lasts_s:
            self._cast.freeze(victim)
            self._in(fault.lasts_s, lambda: self._cast.wake(victim))
        else:
            self._cast.strike(victim)
        return True

    def _tamper(self, fault: Fault) -> tuple[str, tuple[tuple[str, str], ...]] | None:
        taken = self._cast.broker.take(1 + int(fault.pick * _AT_MOST), _TAKE_S)
        if fault.kind is Kind.DOUBLED:
            self._put([*taken, *taken])
        if fault.kind is Kind.DELAYED:
            self._in(fault.lasts_s, lambda: self._put(taken[::-1]))
        return ("", tuple(map(_step_of, taken))) if taken else None

    def _put(self, messages: Sequence[Any]) -> None:
        try:
            self._cast.broker.put(messages)
        except (redis.ConnectionError, OSError):  # then they are lost
            self._tell("messages lost: the broker is down")

    def _break(self, fault: Fault) -> tuple[str, tuple[tuple[str, str], ...]] | None:
        if fault.kind is Kind.CUT:
            self._cast.cut_connections()
            return "all clients", ()
        if fault.kind is Kind.BROKER_KILLED:
            if self._broker_is_down:
                return None
            self._broker_is_down = True
            self._cast.broker.kill()
            self._in(fault.lasts_s, self._mend_broker)
            return "the broker", ()
        if self._redis_is_down:
            return None
        self._redis_is_down = True
        if fault.kind is Kind.POWER_CUT:
            lost = self._cast.cut_power(fault.pick * _LOST_S)
            self._in(fault.lasts_s, lambda: self._mend_redis(self._cast.restore_power))
            return f"the store, which forgot {lost} bytes", ()
        self._cast.redis.kill()
        self._in(fault.lasts_s, lambda: self._mend_redis(self._cast.redis.start))
        return "the store", ()

    def _mend_redis(self, start: Callable[[], object]) -> None:
        start()
        self._redis_is_down = False

    def _mend_broker(self) -> None:
        self._cast.broker.start()
        self._broker_is_down = False

    def _in(self, wait_s: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + wait_s, next(self._order), do))


def _step_of(message: Any) -> tuple[str, str]:
    """Return the thread and the step that a message is about."""
    body = b64decode(json.loads(message)["body"]) if isinstance(message, bytes) else message.body
    _, kwargs, _ = json.loads(body)
    return kwargs.get("thread", ""), kwargs.get("step", "")
