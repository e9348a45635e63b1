"""Celery's consumer, with the events that Flower shows published in bunches, and a pool that outlives reconnecting.

Celery publishes them once in every turn of its event loop, so that a lone step costs three messages: half of what the
worker's main process does. Each event carries its own time, so that a reader only learns of it a little later.
"""

import time
from typing import Any

from celery.worker.consumer import Consumer
from kombu.common import ignore_errors

#: For how long an event may wait for others.
PAUSE_S = 0.1
#: With how many others at the most: Celery's own 24 are those of eight steps, and to publish costs what 40 events do.
_BUNCH = 500
#: After so much time in its event loop the main process knows what its pool has finished while it was reconnecting.
_SETTLED_S = 1.0


class BunchingConsumer(Consumer):
    """Publishes task events when the first one has waited for a moment, or when there are many."""

    loop: Any
    _is_flush_due = False
    _looping_since: float | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._loop, self.loop = self.loop, self._keep_looping

    @property
    def is_settled(self) -> bool:
        """Whether what Celery says of running tasks is true: it takes their results in its event loop alone."""
        return self._looping_since is not None and time.monotonic() - self._looping_since >= _SETTLED_S

    def on_send_event_buffered(self) -> None:
        """Let the bunch be published soon, with what comes until then."""
        if self.hub and not self._is_flush_due:
            self._is_flush_due = True
            self.event_dispatcher.buffer_limit = _BUNCH
            self.hub.call_later(PAUSE_S, self._flush)

    def on_close(self) -> None:
        """Forget the timers of a connection that was lost, as Celery's own does, and with them the one set here."""
        super().on_close()
        self._is_flush_due = False

    def cancel_active_requests(self) -> None:
        """Let go of the queues before the steps are handed back, which the dying worker would take again."""
        for channel in self.connection.default_channel.connection.channels if self.connection else ():
            _stop_fetching(channel)
        super().cancel_active_requests()

    def shutdown(self) -> None:
        """Publish what waits, and end."""
        ignore_errors(self, self._flush)
        super().shutdown()

    def _keep_looping(self, *args: Any) -> None:
        """Run Celery's event loop, until the connection is lost."""
        _watch_the_dead_again(self.pool)
        self._looping_since = time.monotonic()
        try:
            self._loop(*args)
        finally:
            self._looping_since = None

    def _flush(self) -> None:
        self._is_flush_due = False
        if self.event_dispatcher:
            self.event_dispatcher.flush()


def _stop_fetching(channel: Any) -> None:
    """Take back the question for messages that a channel of the Redis transport has asked, and that waits in Redis.

    An answer that is there already is left to be put back into its queue.
    """
    asked = getattr(channel, "_in_poll", None)
    if asked and not asked.can_read(timeout=0):
        asked.disconnect()
        channel._in_poll = None


def _watch_the_dead_again(pool: Any) -> None:
    """Let the event loop hear once more of pool processes that have died, and that the pool has not let go yet.

    Celery closes the file by which it hears of a death, and fails when it finds it closed as it reconnects: the worker
    would end. Without the file it opens another one, hears of the death, and replaces the process.
    """
    for process in getattr(getattr(pool, "_pool", None), "_pool", None) or ():
        if getattr(process, "_sentinel_poll", 0) is None:
            del process._sentinel_poll
