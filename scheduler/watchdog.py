"""Takes what fell due and sends it on its way again; never runs a node itself. Any number of them work side by side."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .ailments import ailment_of
from .connection import Connection
from .defaults import Defaults
from .deliveries import Courier, is_delivery
from .dispatch import StepOrder
from .due_entry import DueEntry
from .errors import StoreUnavailable
from .expiry import Expiry
from .json_text import decoded
from .moves import hand_out
from .recovery import Recovery
from .runs import RunStore
from .scripts import EXPIRY, NEXT, QUESTIONS, START
from .start_scripts import StartScripts
from .sweep import Sweep, unwatched
from .ticking import Ticking

logger = logging.getLogger(__name__)

#: How much one sweep takes: what can be handled before the other schedulers take it too.
_BATCH = 2_000
#: A sweep that found as much is followed by another one at once: there may be more.
_BUSY = _BATCH // 10
_LONGEST_PAUSE_S = 5.0
#: For how long a Redis that is back is left to the workers, which ask again every second; half a lease where longer.
_SHORTEST_REST_S = 2.0
#: By how much a queue may have more messages than there are steps: that a step waits long is no sign of a loss.
_ROOM = 1_000
#: How long the other schedulers keep off what this one took.
_HOLD_MS = 5_000


class Watchdog:
    """Looks after everything in flight.

    A step falls due when its lease ran out (its worker was lost), when its message may have been lost, or when its
    pause before another attempt is over; a run, when it is past its time limit or its own process fell silent; the
    questions of a thread, when the deadline of one has passed; a run that is to begin, at its moment; a webhook, when
    its run has ended; a thread, when it was kept for long enough.

    Args:
        connection: the store.
        runs: its runs.
        courier: delivers webhooks; None: they are left to other schedulers.
        watch: is told of each sweep.
    """

    def __init__(
        self,
        connection: Connection,
        runs: RunStore,
        courier: Courier | None = None,
        watch: Callable[[Sweep], None] = unwatched,
    ) -> None:
        self._courier = courier
        self._watch = watch
        self._late_ms: dict[str, float] = {}
        self._took: list[str] = []
        self._connection = connection
        self._runs = runs
        self._defaults = Defaults(connection, runs)
        expiry = Expiry(connection)
        self._of_threads = {QUESTIONS: ("answered", self._defaults.give), EXPIRY: ("expired", expiry.look_at)}
        self._ticking = Ticking(connection)
        self._rest_s = max(_SHORTEST_REST_S, connection.settings.lease_ms / 2000)
        self._recovery = Recovery(self._rest_s)

    def run(self, stop: threading.Event, swept: Callable[[bool], object] = bool) -> None:
        """Sweep until stopped, without a pause while much is due; a Redis that ails is waited for.

        Args:
            stop: when to end.
            swept: is told after each sweep whether the store answered.
        """
        usual_s = pause_s = self._connection.settings.sweep_ms / 1000
        while not stop.wait(pause_s):
            began = time.monotonic()
            try:
                done = self.sweep()
                pause_s = 0 if done.total() >= _BUSY else usual_s
                late_ms = tuple(self._late_ms[key] for key in self._took if key in self._late_ms)
                self._watch(Sweep(done, time.monotonic() - began, late_ms))
                swept(True)
            except StoreUnavailable as error:
                pause_s = min(_LONGEST_PAUSE_S, 2 * max(pause_s, usual_s))
                self._watch(Sweep(Counter(), time.monotonic() - began, failed=True))
                logger.warning("sweep failed", extra={"error": str(error), "again_in_s": pause_s})
                swept(False)

    def sweep(self) -> Counter[str]:
        """Look once at what is due in every partition; return how often each thing was done."""
        entries = [DueEntry.of(self._connection, member) for member in self._taken()]
        done: Counter[str] = Counter()
        for entry in entries:  # before the steps: what has a deadline does not wait until a flood of them is sent
            if not entry.is_step:
                done[self._look_at(entry)] += 1
        return done + self._send_again([entry for entry in entries if entry.is_step]) + self._ticked()

    def _ticked(self) -> Counter[str]:
        try:
            return self._ticking.sweep()
        except StoreUnavailable as error:  # schedules lie in one part of a cluster, and the others are looked after
            logger.warning("schedules not looked at", extra={"error": str(error)})
            return Counter()

    def _taken(self) -> Iterator[str]:
        """Take what is due, as much from each partition, so that a flood in one leaves the others their turn."""
        self._took = []
        keys = self._overdue()
        if not keys:
            return
        try:
            taken = self._connection.scripts.take_due(keys, limit=max(1, _BATCH // len(keys)), hold_ms=_HOLD_MS)
        except StoreUnavailable:
            self._recovery.note(self._connection.keys.due_sets())
            raise
        for key, members in zip(keys, taken, strict=True):
            if isinstance(members, Exception):
                self._recovery.note([key] if ailment_of(members) else [])
                logger.error("partition not looked at", extra={"key": key}, exc_info=members)
            else:
                self._took += [key] if members else []
                yield from (member.decode(errors="replace") for member in members)

    def _overdue(self) -> list[str]:
        """Return the partitions in which something is due, asked in one round trip; not those that were away."""
        keys, began = self._connection.keys.due_sets(), time.monotonic()
        try:
            oldest = self._oldest(keys)
        except StoreUnavailable:
            self._recovery.note(keys)
            raise
        if time.monotonic() - began > self._rest_s:
            self._recovery.note(keys)
        return self._recovery.rested(key for key, found in zip(keys, oldest, strict=True) if found)

    def _oldest(self, keys: Sequence[str]) -> list[Any]:
        """Return what is longest due in each partition, or the error with which it answered."""
        now_ms = self._connection.now_ms()
        resting, pipeline = self._recovery.resting, self._connection.redis.pipeline(transaction=False)
        for key in keys:
            pipeline.zrange(key, "-inf", now_ms, byscore=True, offset=0, num=1, withscores=True)
        for key in resting:
            pipeline.persist(key)  # changes nothing: only a Redis that takes writes is back
        answers = pipeline.execute(raise_on_error=False)
        asked = zip([*keys, *resting], answers, strict=True)
        self._recovery.note(key for key, answer in asked if ailment_of(answer))
        oldest = list(answers[: len(keys)])
        due = [(key, found[0][1]) for key, found in zip(keys, oldest, strict=True) if isinstance(found, list) and found]
        self._late_ms = {key: now_ms - at for key, at in due}
        return oldest

    def _look_at(self, entry: DueEntry) -> str:
        try:
            if is_delivery(entry.what):
                return self._courier.take(entry.thread_id, entry.what) if self._courier else "left alone"
            if entry.what in self._of_threads:
                done, look_at = self._of_threads[entry.what]
                return done if look_at(entry.thread_id) else "left alone"
            if entry.what == NEXT:
                return self._given_turn(entry)
            if entry.what.startswith(START):
                return self._announced(entry)
            return self._runs.look_at(entry.thread_id, entry.place.run_id) or "left alone"
        except StoreUnavailable:
            raise
        except Exception as error:  # whatever is wrong with one thread, the others are looked after
            return _not_handled(entry, error)

    def _announced(self, entry: DueEntry) -> str:
        """Tell the workers that a run is to begin, unless it has, or is to do so later."""
        settings, run_id = self._connection.settings, entry.what.removeprefix(START)
        place = self._connection.place(entry.thread_id, run_id)
        waits = {"wait_ms": settings.queue_wait_ms, "wait_max_ms": settings.queue_wait_max_ms}
        queue = StartScripts(self._connection.client).look_at_start(place, run=run_id, member=entry.member, **waits)
        if queue is None:
            return "left alone"
        self._connection.dispatcher.announce(entry.thread_id, run_id, queue or None)
        return "announced"

    def _given_turn(self, entry: DueEntry) -> str:
        """Tell the workers whose turn it is on a thread that is free."""
        settings, scripts = self._connection.settings, StartScripts(self._connection.client)
        waits = {"wait_ms": settings.queue_wait_ms, "wait_max_ms": settings.queue_wait_max_ms}
        run_id = scripts.look_at_inputs(entry.place, token=entry.place.keys.token, **waits)
        if run_id is None:
            return "left alone"
        place = self._connection.place(entry.thread_id, run_id)
        queue = self._connection.redis.hget(place.named("run"), "queue") or b""
        self._connection.dispatcher.announce(entry.thread_id, run_id, queue.decode() or None)
        return "announced"

    def _send_again(self, entries: Sequence[DueEntry]) -> Counter[str]:
        if not entries:
            return Counter()
        if not self._connection.dispatcher.is_open():  # they are due again soon, and not later for each vain attempt
            return Counter({"kept back": len(entries)})
        settings = self._connection.settings
        records = self._connection.scripts.redispatch_step(
            [(entry.place, entry.what) for entry in entries],
            wait_ms=settings.queue_wait_ms,
            wait_max_ms=settings.queue_wait_max_ms,
        )
        done: Counter[str] = Counter()
        orders = []
        for entry, record in zip(entries, records, strict=True):
            seen = _order(entry, record)
            if isinstance(seen, StepOrder):
                orders.append(seen)
            else:
                done[seen] += 1
        wanted = list(self._wanted(orders))
        done["left waiting"] += len(orders) - len(wanted)
        return +done + self._hand_out(wanted)

    def _wanted(self, orders: Sequence[StepOrder]) -> Iterator[StepOrder]:
        """Yield what has no message, and of what may still have one as much as its queue can have lost."""
        room: dict[tuple[str | None, str | None], int] = {}
        for order in orders:
            queue = order.queue, order.version
            if order.again and queue not in room:
                room[queue] = _ROOM + self._in_flight() - self._connection.dispatcher.backlog(order)
            if order.again:
                room[queue] -= 1
            if not order.again or room[queue] >= 0:
                yield order

    def _in_flight(self) -> int:
        """Return how many steps there are, and a few entries more: no queue needs as many messages."""
        pipeline = self._connection.redis.pipeline(transaction=False)
        for key in self._connection.keys.due_sets():
            pipeline.zcard(key)
        return sum(count for count in pipeline.execute(raise_on_error=False) if isinstance(count, int))

    def _hand_out(self, orders: Sequence[StepOrder]) -> Counter[str]:
        """Send messages together; where that fails, one by one, so that one that cannot be sent costs no other."""
        try:
            hand_out(self._connection, *orders)
        except StoreUnavailable:
            raise
        except Exception:  # whatever is wrong with one step, or with the broker
            if len(orders) > 1:
                return sum((self._hand_out([order]) for order in orders), Counter())
            logger.exception("step not sent again", extra=_ids(orders[0]))
            return Counter({"not handled": 1})
        for order in orders:
            logger.debug("step dispatched again", extra=_ids(order))
        if orders:
            logger.info("steps dispatched again", extra={"steps": len(orders)})
        return Counter(dispatched=len(orders))


def _order(entry: DueEntry, record: bytes | Exception | None) -> StepOrder | str:
    """Return the order for what a script said of a step, or what was done instead."""
    if record is None:
        return "left alone"
    try:
        if isinstance(record, Exception):
            raise record
        return StepOrder.from_record(entry.thread_id, decoded(record))
    except Exception as error:  # whatever is wrong with one step, the others are looked after
        return _not_handled(entry, error)


def _not_handled(entry: DueEntry, error: Exception) -> str:
    logger.error("due entry not handled", extra={"member": entry.member}, exc_info=error)
    return "not handled"


def _ids(order: StepOrder) -> dict[str, str]:
    return {"thread_id": order.ref.thread_id, "step_id": order.ref.step_id}
