"""Hands steps to Celery: pushed by the store's own scripts where the broker is the same Redis, else published."""

from collections.abc import Sequence

from celery import Celery

from scheduler.dispatch import Envelope, StepOrder

from . import messages
from .app import QUEUE_PREFIX


class CeleryDispatcher:
    """The way to the Celery workers.

    Args:
        app: the Celery app.
        pushes: whether the broker is the store's Redis, so that its scripts can push the messages themselves.
        default_queue: the queue of nodes that name none.
    """

    inline = False

    def __init__(self, app: Celery, *, pushes: bool, default_queue: str) -> None:
        self._app = app
        self._pushes = pushes
        self._default_queue = default_queue

    def envelope(self, order: StepOrder) -> Envelope | None:
        """Return the message for a script to push, or None where the broker is elsewhere."""
        if not self._pushes:
            return None
        queue = order.queue or self._default_queue
        return Envelope(f"{QUEUE_PREFIX}{queue}", messages.envelope(self._app, order, queue))

    def send(self, orders: Sequence[StepOrder]) -> None:
        """Publish the messages that no script pushes."""
        if self._pushes or not orders:
            return
        with self._app.producer_pool.acquire(block=True) as producer:
            for order in orders:
                self._app.send_task(
                    messages.task_name(order),
                    kwargs=messages.arguments(order),
                    queue=order.queue or self._default_queue,
                    producer=producer,
                    **messages.options(order),
                )
