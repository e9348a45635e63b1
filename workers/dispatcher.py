"""Hands steps to Celery: pushed by the store's own scripts where the broker is the same Redis, else published."""

import logging
from collections.abc import Sequence

from celery import Celery
from kombu.exceptions import OperationalError

from scheduler.dispatch import Envelope, StepOrder

from . import messages

logger = logging.getLogger(__name__)


class CeleryDispatcher:
    """The way to the Celery workers.

    Args:
        app: the Celery app.
        queue_prefix: what comes before a queue's name in the store's Redis, whose scripts push the messages; None: the
            broker is elsewhere, and the messages are published.
        default_queue: the queue of nodes that name none.
    """

    inline = False

    def __init__(self, app: Celery, *, queue_prefix: str | None, default_queue: str) -> None:
        self._app = app
        self._queue_prefix = queue_prefix
        self._default_queue = default_queue

    def envelope(self, order: StepOrder) -> Envelope | None:
        """Return the message for a script to push, or None where the broker is elsewhere."""
        if self._queue_prefix is None:
            return None
        queue = order.queue or self._default_queue
        return Envelope(f"{self._queue_prefix}{queue}", messages.envelope(self._app, order, queue))

    def send(self, orders: Sequence[StepOrder]) -> None:
        """Publish the messages that no script pushes."""
        if self._queue_prefix is not None or not orders:
            return
        try:
            self._publish(orders)
        except OperationalError as error:  # what the messages were about is stored, and falls due
            logger.warning("steps not published", extra={"steps": len(orders), "error": str(error)})

    def _publish(self, orders: Sequence[StepOrder]) -> None:
        with self._app.producer_pool.acquire(block=True) as producer:
            for order in orders:
                self._app.send_task(
                    messages.task_name(order),
                    kwargs=messages.arguments(order),
                    queue=order.queue or self._default_queue,
                    producer=producer,
                    **messages.options(order),
                )
