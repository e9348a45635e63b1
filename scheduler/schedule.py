"""A schedule: which graph is started when, on which thread, and what becomes of ticks that were missed."""

from dataclasses import dataclass
from typing import Literal, get_args

from xxhash import xxh3_128_hexdigest

from .cron import Cron
from .errors import InvalidSchedule

#: What becomes of a tick whose thread is busy: it is left out, or waits until the thread is free.
OnBusyTick = Literal["skip", "wait"]
#: Which of the ticks are made up for that came while no scheduler ran: none, the last one, or all, to a maximum.
CatchUp = Literal["skip", "last", "all"]

#: So late a tick may be without having been missed.
LATE_MS = 60_000
_LONGEST_ID = 128
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a schedule says, as it was made."""

    id: str
    graph: str
    cron: str
    zone: str = "UTC"
    #: The one thread of all its runs; None: each run has a thread of its own.
    thread_id: str | None = None
    on_busy: OnBusyTick = "skip"
    catch_up: CatchUp = "last"
    #: How many missed ticks are made up for at the most.
    most: int = 100
    #: The last moment at which it ticks; None: it has no end.
    until_ms: int | None = None
    created_ms: int = 0
    #: The graph's shape and queue when it was made.
    fingerprint: str = ""
    queue: str | None = None
    #: Tells it apart from an earlier one of the same id.
    nonce: str = ""

    def check(self) -> "Plan":
        """Return it, if all that it says is known.

        Raises:
            InvalidSchedule: something in it is none.
        """
        if not 0 < len(self.id) <= _LONGEST_ID or not all(char.isalnum() or char in "_-." for char in self.id):
            raise InvalidSchedule(
                f"A schedule's id has 1 to 128 letters, digits, '_', '-' or '.', got {self.id!r:.60}."
            )
        for name, words in (("on_busy", get_args(OnBusyTick)), ("catch_up", get_args(CatchUp))):
            if getattr(self, name) not in words:
                raise InvalidSchedule(f"{name} is {' or '.join(words)}, got {getattr(self, name)!r:.40}.")
        if isinstance(self.most, bool) or not isinstance(self.most, int) or not 0 < self.most <= _MOST:
            raise InvalidSchedule(f"most is a number from 1 to {_MOST}, got {self.most!r:.40}.")
        return self

    def next_ms(self, after_ms: int) -> int | None:
        """Return its first tick after a moment; None at its end."""
        tick = Cron(self.cron, self.zone).next_ms(after_ms)
        return None if tick is None or (self.until_ms is not None and tick > self.until_ms) else tick

    def due(self, first_ms: int, now_ms: int) -> list[int]:
        """Return which of the ticks from the first one until now are to be started."""
        last_ms = now_ms if self.until_ms is None else min(now_ms, self.until_ms)
        most = self.most if self.catch_up == "all" else 1
        ticks = Cron(self.cron, self.zone).ticks(first_ms, last_ms, most)
        return [tick for tick in ticks if self.catch_up != "skip" or now_ms - tick <= LATE_MS]

    def run_id(self, tick_ms: int) -> str:
        """Return the id of a tick's run: whoever starts the tick again starts that run, and so nothing."""
        return xxh3_128_hexdigest(f"{self.id} {self.nonce} {tick_ms}".encode())


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as it stands; times in milliseconds since the epoch."""

    plan: Plan
    #: active, paused, or ended.
    status: str
    next_ms: int | None
    #: Why its last tick could not be started, or "".
    error: str = ""

    @property
    def id(self) -> str:
        """Its id."""
        return self.plan.id


@dataclass(frozen=True, slots=True)
class Started:
    """A run that a schedule has started, or ticks that it has left out."""

    #: The tick; of those left out, the first one.
    tick_ms: int
    #: tick, trigger (by hand), or missed.
    kind: str
    thread_id: str | None = None
    run_id: str | None = None
    #: How the run stands: pending, running, success ...; "gone" with its thread.
    status: str | None = None
    error: str | None = None
