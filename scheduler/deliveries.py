"""Delivering webhooks: a run's end is told until somebody takes it, with longer and longer pauses, and not for ever.

The end of a run puts its delivery into the due set of the partition, in the same script, so neither is there without
the other. What came of it is kept with the run.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from graphs.errors import TreadleError

from .connection import Connection
from .delivery_scripts import DeliveryScripts
from .errors import RunNotFound, StoreUnavailable
from .json_text import decoded, encoded
from .runs import RunStore
from .scripts import Place
from .webhook_body import body_of
from .webhook_failure import WebhookFailed
from .webhook_post import Answer
from .webhook_signature import DELIVERY_HEADER, SIGNATURE_HEADER, signature

logger = logging.getLogger(__name__)

#: Sends a body to a URL, with headers.
Sender: TypeAlias = Callable[[str, bytes, Mapping[str, str]], Answer]

_FIRST_PAUSE_MS: Final = 5_000
_LONGEST_PAUSE_MS: Final = 3_600_000
#: How much longer than an attempt may take the other schedulers keep off it.
_SLACK_MS: Final = 30_000
_TAKEN: Final = range(200, 300)
#: Whoever answers so wants no more of them.
_GONE: Final = 410
#: Whoever answers so has too much to do, and may say for how long.
_BUSY: Final = (429, 503)
#: The deliveries under way at once.
_THREADS: Final = 8
_HOOK: Final = "hook:"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far the delivery of a run's webhook has come."""

    run_id: str
    #: ``waiting``, ``delivered`` or ``given up``.
    state: str
    attempts: int
    #: When the last attempt ended, and when the next one is due.
    at_ms: int | None = None
    next_ms: int | None = None
    #: What was answered, as HTTP has it.
    status: int | None = None
    error: str | None = None


def pause_ms(attempts: int, answer: Answer | None = None) -> int:
    """Return how long to wait after so many attempts: twice as long each time, an hour at the most.

    A receiver that has too much to do may name a longer pause within that hour.
    """
    asked_s = answer.after_s or 0 if answer is not None and answer.status in _BUSY else 0
    usual_ms = _FIRST_PAUSE_MS * (1 << min(attempts - 1, 20))
    return round(min(_LONGEST_PAUSE_MS, max(usual_ms, asked_s * 1000)))


class Deliveries:
    """Makes attempts at deliveries, and tells what came of them.

    Args:
        connection: the store.
        runs: its runs.
        send: sends a message.
    """

    def __init__(self, connection: Connection, runs: RunStore, send: Sender) -> None:
        self._connection, self._runs, self._send = connection, runs, send
        self._scripts = DeliveryScripts(connection.client)

    def of_thread(self, thread_id: str, limit: int = 100) -> list[Delivery]:
        """Return the deliveries of a thread's last runs, the newest first."""
        if limit < 1:
            return []
        redis, place = self._connection.redis, self._connection.place(thread_id)
        ids = [run_id.decode() for run_id in redis.lrange(place.keys.runs, 0, limit - 1)]
        raw = {id_: redis.hget(place.keys.run(id_), "hook") for id_ in ids}
        return [_delivery(id_, decoded(record)) for id_, record in raw.items() if record is not None]

    def again(self, thread_id: str, run_id: str) -> bool:
        """Begin a delivery anew, whatever came of it; return whether the run has one."""
        place = self._connection.place(thread_id, run_id)
        return self._put(place, "", {}, 0)

    def attempt(self, thread_id: str, run_id: str) -> str:
        """Make an attempt, where one is due; return ``delivered``, ``waiting``, ``given up``, or nothing.

        Raises:
            StoreUnavailable: Redis does not answer: it is made again later.
        """
        settings = self._connection.settings
        place = self._connection.place(thread_id, run_id)
        hold_ms = round(settings.webhook_timeout_s * 1000) + _SLACK_MS
        taken = self._scripts.take_delivery(place, member=member_of(place), hold_ms=hold_ms)
        if taken is None:
            return ""
        answer, error = self._sent(thread_id, run_id)
        attempts, at_ms = int(taken["attempts"]), time.time_ns() // 1_000_000
        status = None if answer is None else answer.status
        state = _state(status, attempts, settings.webhook_attempts)
        again_ms = pause_ms(attempts, answer) if state == "waiting" else None
        record = {"state": state, "attempts": attempts, "at": at_ms, "status": status, "error": error}
        self._put(place, attempts, record | ({} if again_ms is None else {"next": at_ms + again_ms}), again_ms)
        told = {"thread_id": thread_id, "run_id": run_id, "attempt": attempts, "status": status, "error": error}
        logger.log(logging.INFO if state == "delivered" else logging.WARNING, "webhook " + state, extra=told)
        return state

    def _put(self, place: Place, attempt: int | str, record: Mapping[str, Any], again_ms: int | None) -> bool:
        return self._scripts.put_delivery(
            place,
            member=member_of(place),
            attempt=attempt,
            record=encoded(dict(record)),
            again_ms="" if again_ms is None else again_ms,
        )

    def _sent(self, thread_id: str, run_id: str) -> tuple[Answer | None, str | None]:
        """Send the message; return what was answered, or what went wrong."""
        try:
            answer = self._send(*self._message(thread_id, run_id))
        except StoreUnavailable:
            raise
        except TreadleError as error:
            return None, str(error)
        return answer, None if answer.status in _TAKEN else f"The answer was {answer.status}."

    def _message(self, thread_id: str, run_id: str) -> tuple[str, bytes, Mapping[str, str]]:
        settings, run = self._connection.settings, self._runs.get(thread_id, run_id)
        secrets = settings.webhook_secret.get_secret_value()
        if not secrets.strip(", "):
            raise WebhookFailed("TREADLE_WEBHOOK_SECRET is not set for this scheduler, and nothing is sent unsigned")
        if run.webhook is None:
            raise RunNotFound(thread_id, run_id)
        body = body_of(self._connection, run, settings.webhook_max_bytes)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "treadle",
            DELIVERY_HEADER: run.id,
            SIGNATURE_HEADER: signature(body, secrets, int(time.time())),
        }
        return run.webhook["url"], body, headers


class Courier:
    """Makes attempts beside the sweeps of a scheduler, so that nobody waits for those who do not answer."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self._free = threading.BoundedSemaphore(_THREADS)
        self._pool = ThreadPoolExecutor(_THREADS, "webhook")

    def take(self, thread_id: str, what: str) -> str:
        """Begin an attempt at what an entry of a due set names; where all hands are full, it falls due again."""
        if not self._free.acquire(blocking=False):
            return "left alone"
        self._pool.submit(self._attempt, thread_id, what.removeprefix(_HOOK))
        return "webhook"

    def close(self) -> None:
        """Wait for the attempts that were begun."""
        self._pool.shutdown()

    def _attempt(self, thread_id: str, run_id: str) -> None:
        try:
            self._deliveries.attempt(thread_id, run_id)
        except Exception:  # whatever is wrong with one, it falls due again, and the others are delivered
            logger.exception("webhook not handled", extra={"thread_id": thread_id, "run_id": run_id})
        finally:
            self._free.release()


def is_delivery(what: str) -> bool:
    """Return whether an entry of a due set is about a delivery."""
    return what.startswith(_HOOK)


def member_of(place: Place) -> str:
    """Return how the due set names the delivery of a run."""
    return f"{place.keys.token} {_HOOK}{place.run_id}"


def telling(connection: Connection, thread_id: str) -> list[Place]:
    """Return the runs of a thread of whose ends somebody is still to be told."""
    keys = connection.place(thread_id).keys
    runs = [connection.place(thread_id, run.decode()) for run in connection.redis.lrange(keys.runs, 0, -1)]
    dues = connection.redis.zmscore(keys.due, [member_of(run) for run in runs]) if runs else []
    return [run for run, due in zip(runs, dues, strict=True) if due is not None]


def _state(status: int | None, attempts: int, most: int) -> str:
    if status in _TAKEN:
        return "delivered"
    return "given up" if status == _GONE or attempts >= most else "waiting"


def _delivery(run_id: str, record: Mapping[str, Any]) -> Delivery:
    return Delivery(
        run_id,
        record.get("state") or "waiting",
        int(record.get("attempts", 0)),
        record.get("at"),
        record.get("next"),
        record.get("status"),
        record.get("error"),
    )
