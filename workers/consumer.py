"""Celery's consumer, with the events that Flower shows published in bunches.

Celery publishes them once in every turn of its event loop, so that a lone step costs three messages: half of what the
worker's main process does. Each event carries its own time, so that a reader only learns of it a little later.
"""

from typing import Any

from celery.worker.consumer import Consumer
from kombu.common import ignore_errors

#: For how long an event may wait for others.
PAUSE_S = 0.1


class BunchingConsumer(Consumer):
    """Publishes task events when the first one has waited for a moment, or when there are as many as Celery bunches."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_flush_due = False

    def on_send_event_buffered(self) -> None:
        """Let the bunch be published soon, with what comes until then."""
        if self.hub and not self._is_flush_due:
            self._is_flush_due = True
            self.hub.call_later(PAUSE_S, self._flush)

    def on_close(self) -> None:
        """Forget the timers of a connection that was lost, as Celery's own does, and with them the one set here."""
        super().on_close()
        self._is_flush_due = False

    def shutdown(self) -> None:
        """Publish what waits, and end."""
        ignore_errors(self, self._flush)
        super().shutdown()

    def _flush(self) -> None:
        self._is_flush_due = False
        if self.event_dispatcher:
            self.event_dispatcher.flush()
