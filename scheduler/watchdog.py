"""Takes what fell due and sends it on its way again; never runs a node itself. Any number of them work side by side."""

import logging
import threading
from collections import Counter

from .connection import Connection
from .defaults import Defaults
from .dispatch import StepOrder
from .errors import StoreUnavailable
from .moves import hand_out
from .runs import RunStore
from .scripts import QUESTIONS
from .threads import place_of

logger = logging.getLogger(__name__)

_BATCH = 200
_LONGEST_PAUSE_S = 5.0
#: How long the other schedulers keep off what this one took.
_HOLD_MS = 5_000


class Watchdog:
    """Looks after everything in flight.

    A step falls due when its lease ran out (its worker was lost), when its message may have been lost, or when its
    pause before another attempt is over; a run, when it is past its time limit or its own process fell silent; the
    questions of a thread, when the deadline of one has passed.
    """

    def __init__(self, connection: Connection, runs: RunStore) -> None:
        self._connection = connection
        self._runs = runs
        self._defaults = Defaults(connection, runs)

    def run(self, stop: threading.Event) -> None:
        """Sweep until stopped; an unreachable Redis is waited for."""
        usual_s = pause_s = self._connection.settings.sweep_ms / 1000
        while not stop.wait(pause_s):
            try:
                self.sweep()
                pause_s = usual_s
            except StoreUnavailable as error:
                pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)
                logger.warning("sweep failed", extra={"error": str(error), "again_in_s": pause_s})

    def sweep(self) -> Counter[str]:
        """Look once at what is due in every partition; return how often each thing was done."""
        done: Counter[str] = Counter()
        for key in self._overdue():
            for member in self._connection.scripts.take_due(key, limit=_BATCH, hold_ms=_HOLD_MS):
                done[self._look_at(member)] += 1
        return done

    def _overdue(self) -> list[str]:
        """Return the partitions in which something is due, asked in one round trip."""
        seconds, micros = self._connection.redis.time()
        now_ms = seconds * 1000 + micros // 1000
        keys = self._connection.keys.due_sets()
        pipeline = self._connection.redis.pipeline(transaction=False)
        for key in keys:
            pipeline.zcount(key, "-inf", now_ms)
        return [key for key, count in zip(keys, pipeline.execute(), strict=True) if count]

    def _look_at(self, member: str) -> str:
        try:
            return self._looked_at(member)
        except StoreUnavailable:
            raise
        except Exception:  # whatever is wrong with one thread, or with the broker, the others are looked after
            logger.exception("due entry not handled", extra={"member": member})
            return "not handled"

    def _looked_at(self, member: str) -> str:
        place, thread_id, what = place_of(self._connection, member)
        if what.startswith("run:"):
            return self._runs.look_at(thread_id, place.run_id) or "left alone"
        if what == QUESTIONS:
            return "answered" if self._defaults.give(thread_id) else "left alone"
        settings = self._connection.settings
        record = self._connection.scripts.redispatch_step(
            place,
            step=what,
            member=member,
            token=place.keys.token,
            wait_ms=settings.queue_wait_ms,
            wait_max_ms=settings.queue_wait_max_ms,
        )
        if record is None:
            return "left alone"
        self._dispatch(StepOrder.from_record(thread_id, record))
        return "dispatched"

    def _dispatch(self, order: StepOrder) -> None:
        hand_out(self._connection, order)
        logger.info("step dispatched again", extra={"thread_id": order.ref.thread_id, "step_id": order.ref.step_id})
