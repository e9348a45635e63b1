"""When a cron expression ticks, in a time zone with its skipped and doubled hours; pure, moments in milliseconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from .errors import InvalidSchedule

_ALIASES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_FIELDS = 5
#: No clock jumps further, so that what lies further away is in order.
_JUMP = timedelta(hours=3)
_HOUR_MS = 3_600_000
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Cron:
    """An expression of five fields, and the zone whose clock it is about.

    What falls into a skipped hour ticks once, when the clock has jumped. What falls into a doubled hour ticks the first
    time alone; but an expression that names every hour ticks on through both.

    Raises:
        InvalidSchedule: the expression or the zone is none.
    """

    expression: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        try:
            words = self.expression.split()
            if len(words) != _FIELDS and words[:1] not in [[alias] for alias in _ALIASES]:
                raise ValueError("it has not five fields: minute, hour, day of month, month, day of week")
            self._after(datetime(2000, 1, 1))
        except Exception as error:  # croniter raises what it comes upon
            raise InvalidSchedule(f"{self.expression!r:.80} is no cron expression: {error}.") from error
        try:
            _ = self._tz
        except Exception as error:  # a name that is none, or that no file may have
            raise InvalidSchedule(f"{self.zone!r:.60} is no time zone: 'Europe/Berlin' is one, and 'UTC'.") from error

    def next_ms(self, after_ms: int) -> int | None:
        """Return the first tick after a moment; None where there is none in the next fifty years."""
        after = datetime.fromtimestamp(after_ms / 1000, self._tz)
        local = after.replace(tzinfo=None)
        if (after.astimezone(UTC) - _JUMP).astimezone(self._tz).utcoffset() == (
            after.astimezone(UTC) + _JUMP
        ).astimezone(self._tz).utcoffset():
            tick = self._after(local)
            return None if tick is None else self._moments(tick)[0]
        found: list[int] = []  # the clock jumps near here, so that the order on it is not that of time
        tick = self._after(local - _JUMP)
        while tick is not None and not (found and tick > local + _JUMP):
            found += [moment for moment in self._moments(tick) if moment > after_ms]
            tick = self._after(tick)
        return min(found, default=None)

    def ticks(self, first_ms: int, last_ms: int, most: int) -> list[int]:
        """Return the ticks between two moments, both included, the oldest first; of many, the newest."""
        span_ms = _HOUR_MS
        while True:
            begin_ms = max(first_ms - 1, last_ms - span_ms)
            found = [*self._between(begin_ms, last_ms)]
            if len(found) >= most or begin_ms == first_ms - 1:
                return found[-most:]
            span_ms *= 4

    def _between(self, after_ms: int, last_ms: int) -> Iterator[int]:
        tick = self.next_ms(after_ms)
        while tick is not None and tick <= last_ms:
            yield tick
            tick = self.next_ms(tick)

    @cached_property
    def _tz(self) -> tzinfo:
        return ZoneInfo(self.zone)

    @cached_property
    def _every_hour(self) -> bool:
        hours: Any = self._iterator(datetime(2000, 1, 1)).expanded[1]
        return bool(hours == ["*"])

    def _after(self, local: datetime) -> datetime | None:
        """Return the next time that a clock on the wall shows when it ticks."""
        from croniter import CroniterBadDateError

        try:
            found: datetime = self._iterator(local).get_next(datetime)
        except CroniterBadDateError:
            return None
        return found

    def _iterator(self, local: datetime) -> Any:
        from croniter import croniter  # here, because most processes have no schedules

        return croniter(self.expression, local)

    def _moments(self, local: datetime) -> list[int]:
        """Return when the clock shows a time: once, twice, or, where it jumps over it, when it has jumped."""
        first, second = (local.replace(tzinfo=self._tz, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first == second:
            return [_ms(first)]
        if first > second:  # skipped
            return [_ms(self._jump(second, first))]
        return [_ms(first), _ms(second)] if self._every_hour else [_ms(first)]

    def _jump(self, before: datetime, after: datetime) -> datetime:
        offset = after.astimezone(self._tz).utcoffset()
        while after - before > _MINUTE:
            middle = before + (after - before) // 2
            if middle.astimezone(self._tz).utcoffset() == offset:
                after = middle
            else:
                before = middle
        return after.replace(second=0, microsecond=0)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
