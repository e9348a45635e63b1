"""Hands steps to Celery: pushed by the store's own scripts, or published."""

import logging
from collections.abc import Sequence
from functools import cached_property

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.transport.virtual import Channel as VirtualChannel
from redis import RedisError

from graphs.priority import HIGHEST_PRIORITY
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

    def envelope(self, order: StepOrder) -> Envelope | None:
        """Return the message for a script to push, or None where Celery publishes it."""
        if self._pushing.prefix is None:
            return None
        queue = messages.queue_of(order, self._default_queue)
        key = self._pushing.key(queue, messages.first_is_0(order.priority))
        return Envelope(key, messages.envelope(self._app, order, queue))

    def send(self, orders: Sequence[StepOrder]) -> None:
        """Publish the messages that no script pushes."""
        if not orders or self._pushing.prefix is not None:
            return
        try:
            self._publish(orders)
        except (OperationalError, RedisError) as error:  # what the messages were about is stored, and falls due
            logger.warning("steps not published", extra={"steps": len(orders), "error": str(error)})

    def is_open(self) -> bool:
        """Return whether the broker answers; the store's own Redis, to which scripts push, has answered before."""
        if self._pushing.prefix is not None:
            return True
        try:
            with self._app.connection_for_write() as broker:  # a new one: an old one may not know yet that it is dead
                broker.ensure_connection(max_retries=1)
        except (OperationalError, OSError) as error:
            logger.warning("broker does not answer", extra={"error": str(error)})
            return False
        return True

    def backlog(self, order: StepOrder) -> int:
        """Return how many messages wait in the queue of a step; 0 where the broker does not say."""
        return self.waiting(messages.queue_of(order, self._default_queue))

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue; 0 where the broker does not say."""
        with self._app.pool.acquire(block=True) as broker:
            try:
                with broker.channel() as channel:
                    # A transport of kombu's own does not know the queues that others have declared, and declares none.
                    passive = not isinstance(channel, VirtualChannel)
                    return int(channel.queue_declare(queue=queue, passive=passive).message_count)
            except (*broker.channel_errors, *broker.connection_errors):
                return 0

    def announce(self, thread_id: str, run_id: str, queue: str | None) -> None:
        """Publish that a run is to begin; should that get lost, it falls due again."""
        ids = {"thread": thread_id, "run": run_id}
        try:
            self._app.send_task(
                messages.START,
                kwargs=ids,
                queue=queue or self._default_queue,
                priority=self._counted(HIGHEST_PRIORITY),  # it is short, and its steps wait as long as they may
                ignore_result=True,
            )
        except OperationalError as error:
            logger.warning("run not announced", extra={"thread_id": thread_id, "run_id": run_id, "error": str(error)})

    def _publish(self, orders: Sequence[StepOrder]) -> None:
        with self._app.producer_pool.acquire(block=True) as producer:
            for order in orders:
                self._app.send_task(
                    messages.task_name(order),
                    kwargs=messages.arguments(order),
                    queue=messages.queue_of(order, self._default_queue),
                    producer=producer,
                    priority=self._counted(order.priority),
                    **messages.options(order),
                )

    def _counted(self, priority: int) -> int:
        """Return a priority as the broker counts: RabbitMQ as we do, kombu's Redis the other way round."""
        return messages.first_is_0(priority) if self._is_redis else priority

    @cached_property
    def _is_redis(self) -> bool:
        return str(self._app.connection_for_write().get_transport_cls().driver_type) == "redis"

    @cached_property
    def _pushing(self) -> Pushing:
        decided = pushing(self._app, self._store_url)
        if decided.prefix is None:
            logger.info("steps are published, and not pushed by the store's scripts: %s", decided.why)
        return decided
