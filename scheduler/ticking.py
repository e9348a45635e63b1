"""Starts the ticks of schedules; any number of schedulers do so side by side.

A tick becomes a run that begins at once, whose id follows from the schedule and the tick; only then does the schedule
move on. Who dies in between leaves the tick due, and who notes it again, or at the same time, notes the same run. A run
of one id begins once: so each tick starts one run, whoever dies and whoever is faster.
"""

import logging
from collections import Counter

from .connection import Connection
from .errors import StoreUnavailable
from .schedule import Started
from .schedules import Schedules, Stored

logger = logging.getLogger(__name__)

#: How much one sweep takes, and how long the other schedulers keep off it.
_BATCH = 200
_HOLD_MS = 5_000
_LONGEST_ERROR = 500


class Ticking:
    """Looks after schedules."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._schedules = Schedules(connection)

    def sweep(self) -> Counter[str]:
        """Start what has ticked; return how often each thing was done."""
        ticks = self._connection.keys.of_schedule().ticks
        (taken,) = self._connection.scripts.take_due([ticks], limit=_BATCH, hold_ms=_HOLD_MS)
        if isinstance(taken, Exception):
            logger.error("schedules not looked at", exc_info=taken)
            return Counter()
        return sum((self._look_at(one.decode(errors="replace")) for one in taken), Counter())

    def _look_at(self, schedule_id: str) -> Counter[str]:
        try:
            return self._tick(self._schedules.stored(schedule_id))
        except StoreUnavailable:
            raise
        except Exception:  # whatever is wrong with one schedule, the others tick
            logger.exception("schedule not looked at", extra={"schedule": schedule_id})
            return Counter({"not handled": 1})

    def _tick(self, stored: Stored) -> Counter[str]:
        """Start the ticks of a schedule that are due, then move it on."""
        first_ms, now_ms, plan = stored.schedule.next_ms, self._schedules.now_ms(), stored.schedule.plan
        if first_ms is None or first_ms > now_ms:  # moved since it was taken
            return Counter({"left alone": 1})
        due, error = plan.due(first_ms, now_ms), ""
        started = [] if due[:1] == [first_ms] else [Started(first_ms, "missed")]
        try:
            started += [self._schedules.start(stored, tick_ms) for tick_ms in due]
        except StoreUnavailable:
            raise
        except Exception as refused:  # it would not be taken the next time either
            logger.exception("schedule not started", extra={"schedule": plan.id})
            error = str(refused)[:_LONGEST_ERROR]
        if not self._schedules.advance(stored, plan.next_ms(now_ms), started, error):
            return Counter({"left alone": 1})
        logger.info("schedule ticked", extra={"schedule": plan.id, "runs": len(due)})
        return Counter(ticked=len(due))
