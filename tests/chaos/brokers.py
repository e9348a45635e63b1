"""What carries the messages, and how it is tampered with: the store's Redis, another Redis, or RabbitMQ."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import amqp
import redis

from tests.conftest import RealRedis
from tests.rabbitmq import RabbitMQ

_QUEUE = "treadle"
#: The list that has what is neither urgent nor of little urgency.
_REDIS_QUEUE = "treadle:celery:treadle\x06\x163"


class Broker(Protocol):
    """A broker."""

    #: Of the broker; None: the store's Redis is it.
    url: str | None

    def start(self) -> None:
        """Start it, also after it was killed."""

    def kill(self) -> None:
        """End it as a crash would."""

    def stop(self) -> None:
        """End it for good."""

    def take(self, count: int, within_s: float) -> list[Any]:
        """Take messages of steps that are on their way, at the most so many."""

    def put(self, messages: Sequence[Any]) -> None:
        """Send messages that were taken."""

    def cut(self) -> None:
        """Break the connections of all clients."""

    def waiting(self) -> int:
        """Return how many messages of steps wait."""


class OnRedis:
    """Queues in a Redis: that of the store, or one of its own, which keeps nothing."""

    def __init__(self, folder: Path, store_url: str, *, apart: bool) -> None:
        self._own = None
        if apart:
            (folder / "b").mkdir()
            self._own = RealRedis(folder / "b", "--save", "", "--appendonly", "no")
        self.url = (
            None if self._own is None else self._own.url.replace("unix://", "redis+socket://").replace("?db=0", "")
        )
        self._client = redis.Redis.from_url(store_url if self._own is None else self._own.url)

    def start(self) -> None:
        if self._own is not None:
            self._own.start()

    def kill(self) -> None:
        if self._own is not None:
            self._own.kill()

    stop = kill

    def take(self, count: int, within_s: float) -> list[Any]:
        taken, until = list[Any](), time.monotonic() + within_s
        while len(taken) < count and (left_s := until - time.monotonic()) > 0:
            found = self._client.brpop([_REDIS_QUEUE], timeout=left_s)
            if found is not None:
                taken.append(found[1])
        return taken

    def put(self, messages: Sequence[Any]) -> None:
        if messages:
            self._client.lpush(_REDIS_QUEUE, *messages)

    def cut(self) -> None:
        for kind in ("normal", "pubsub"):
            self._client.client_kill_filter(_type=kind, skipme=True)

    def waiting(self) -> int:
        return int(self._client.llen(_REDIS_QUEUE))


class OnRabbitMQ:
    """Queues in a RabbitMQ, which keeps them."""

    def __init__(self, folder: Path) -> None:
        self._server = RabbitMQ(folder / "rabbitmq")
        self.url: str | None = self._server.url

    def start(self) -> None:
        self._server.start()

    def kill(self) -> None:
        self._server.kill()

    def stop(self) -> None:
        self._server.stop()

    def take(self, count: int, within_s: float) -> list[Any]:
        taken, until = list[Any](), time.monotonic() + within_s
        with self._connection() as connection, connection.channel() as channel:
            channel.basic_qos(0, 1, False)
            channel.basic_consume(_QUEUE, callback=taken.append)
            while len(taken) < count and (left_s := until - time.monotonic()) > 0:
                try:
                    connection.drain_events(timeout=left_s)
                except TimeoutError:
                    break
                channel.basic_ack(taken[-1].delivery_tag)
        return taken

    def put(self, messages: Sequence[Any]) -> None:
        with self._connection() as connection, connection.channel() as channel:
            for message in messages:
                channel.basic_publish(amqp.Message(message.body, channel=channel, **message.properties), "", _QUEUE)

    def cut(self) -> None:
        self._server.cut_connections()

    def waiting(self) -> int:
        return self._server.depths().get(_QUEUE, 0)

    def _connection(self) -> Any:
        return amqp.Connection(f"127.0.0.1:{self._server.port}", connect_timeout=5)


def broker(kind: str, folder: Path, store_url: str) -> Broker:
    """Return a broker, not yet started: ``redis``, ``redis2`` or ``amqp``."""
    return OnRabbitMQ(folder) if kind == "amqp" else OnRedis(folder, store_url, apart=kind == "redis2")
