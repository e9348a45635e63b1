"""Sleeping in a node: the moment is recorded, the worker is free, and when it has come the node is run again."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

from xxhash import xxh3_128_hexdigest

from .errors import InvalidSleep

#: Nobody waits longer than this on purpose, and clocks end somewhere.
LONGEST = timedelta(days=36_525)

#: How long to sleep, or until when.
Pause = float | timedelta | datetime


class Asleep(BaseException):
    """A node sleeps; a signal, so that a node's own ``except Exception`` cannot swallow it.

    Args:
        until_ms: when it is to be woken, by the store's clock, in milliseconds since the epoch.
        moments: what is to be remembered: sleep id -> until when; nothing where a graph that it called sleeps.
    """

    def __init__(self, until_ms: int, moments: Mapping[str, int] | None = None) -> None:
        self.until_ms = until_ms
        self.moments = dict(moments or {})
        super().__init__(until_ms, self.moments)


class Woken:
    """What a sleep returns: nothing, which may be awaited."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


@dataclass(slots=True)
class Sleeps:
    """The sleeps of one attempt at a step, in the order in which it sleeps: that gives each its id."""

    #: What the ids are made from: the step's place in its thread.
    ns: str
    #: The store's clock, in milliseconds since the epoch.
    now_ms: Callable[[], int]
    #: Sleep id -> until when, as earlier attempts have begun them.
    moments: Mapping[str, int] = field(default_factory=dict)
    _slept: int = field(default=0, repr=False)

    def sleep(self, pause: Pause) -> Woken:
        """Return when the next sleep is over; one that is repeated keeps the moment that it had.

        Raises:
            Asleep: it is not over.
            InvalidSleep: the pause is none that can be slept.
        """
        id_ = xxh3_128_hexdigest(f"{self.ns}|sleep {self._slept}".encode())
        self._slept += 1
        now_ms = self.now_ms()
        until_ms = self.moments.get(id_, wake_ms(pause, now_ms))
        if until_ms > now_ms:
            raise Asleep(until_ms, {id_: until_ms})
        return Woken()


def wake_ms(pause: Pause, now_ms: int) -> int:
    """Return when a pause that begins now is over; a number is seconds.

    Raises:
        InvalidSleep: it is no number, negative, without end, or longer than a hundred years; or a moment without a
            time zone.
    """
    if isinstance(pause, datetime):
        if pause.utcoffset() is None:
            raise InvalidSleep(f"The moment {pause} has no time zone: datetime.now(UTC) + ... has one.")
        return now_ms + _checked_ms(max(0.0, pause.timestamp() - now_ms / 1000), pause)
    if isinstance(pause, timedelta):
        return now_ms + _checked_ms(pause.total_seconds(), pause)
    if isinstance(pause, bool) or not isinstance(pause, int | float):
        raise InvalidSleep(f"A pause is a number of seconds, a timedelta or a datetime, got {pause!r:.60}.")
    return now_ms + _checked_ms(pause, pause)


def _checked_ms(seconds: float, told: Pause) -> int:
    """Return seconds as milliseconds."""
    if not 0 <= seconds < inf:
        raise InvalidSleep(f"A pause is not negative, and has an end: got {told!r:.60}.")
    if seconds > LONGEST.total_seconds():
        raise InvalidSleep(f"A pause of more than 100 years is a mistake: got {told!r:.60}.")
    return round(seconds * 1000)
