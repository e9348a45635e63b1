"""Hands steps to Celery: pushed by the store's own scripts, or published."""

import logging
from collections.abc import Sequence
from functools import cached_property

from celery import Celery
from kombu.exceptions import OperationalError
from redis import RedisError

from scheduler.dispatch import Envelope, StepOrder

from . import messages
from .pushing import Pushing, pushing

logger = logging.getLogger(__name__)


class CeleryDispatcher:
    """The way to the Celery workers.

    Args:
        app: the Celery app; its configuration is read when the first step is handed over.
        store_url: the store's Redis, whose scripts push the messages where they are those that Celery would publish.
        default_queue: the queue of nodes that name none.
    """

    inline = False

    def __init__(self, app: Celery, *, store_url: str, default_queue: str) -> None:
        self._app = app
        self._store_url = store_url
        self._default_queue = default_queue
        self._reachable = True

    @property
    def reachable(self) -> bool:
        """Whether the last messages could be published."""
        return self._reachable

    def envelope(self, order: StepOrder) -> Envelope | None:
        """Return the message for a script to push, or None where Celery publishes it."""
        prefix = self._pushing.prefix
        if prefix is None:
            return None
        queue = order.queue or self._default_queue
        return Envelope(f"{prefix}{queue}", messages.envelope(self._app, order, queue))

    def send(self, orders: Sequence[StepOrder]) -> None:
        """Publish the messages that no script pushes."""
        if not orders or self._pushing.prefix is not None:
            return
        try:
            self._publish(orders)
            self._reachable = True
        except (OperationalError, RedisError) as error:  # what the messages were about is stored, and falls due
            self._reachable = False
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

    @cached_property
    def _pushing(self) -> Pushing:
        decided = pushing(self._app, self._store_url)
        if decided.prefix is None:
            logger.info("steps are published, and not pushed by the store's scripts: %s", decided.why)
        return decided
