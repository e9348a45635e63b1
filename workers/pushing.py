"""Whether a script may push a step's message: only where it is the one that Celery would publish."""

from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.transport.redis import Channel, SentinelTransport, Transport
from kombu.utils.url import url_to_parts
from redis.connection import parse_url

from scheduler.urls import many_servers

#: Options of the Redis transport that change how messages are fetched, and no message, or its queue's keys as is known.
_HARMLESS = frozenset(
    {
        "ack_emulation",
        "client_name",
        "fanout_patterns",
        "fanout_prefix",
        "global_keyprefix",
        "health_check_interval",
        "interval_max",
        "interval_start",
        "interval_step",
        "max_connections",
        "max_retries",
        "polling_interval",
        "priority_steps",
        "queue_order_strategy",
        "retry_on_timeout",
        "retry_policy",
        "socket_connect_timeout",
        "socket_keepalive",
        "socket_keepalive_options",
        "socket_timeout",
        "unacked_index_key",
        "unacked_key",
        "unacked_mutex_expire",
        "unacked_mutex_key",
        "unacked_restore_interval",
        "unacked_restore_limit",
        "unacked_restore_throttle",
        "visibility_timeout",
    }
)
#: Those by which a broker behind sentinels is found.
_OF_SENTINELS = frozenset({"master_name", "min_other_sentinels", "sentinel_kwargs"})
#: Settings of Celery that change a message or its way, and the value with which they do not.
_NEUTRAL = {
    "task_protocol": 2,
    "task_serializer": "json",
    "task_compression": None,
    "task_default_priority": None,
    "task_queue_max_priority": None,
    "task_inherit_parent_priority": None,
    "task_default_delivery_mode": 2,
    "task_routes": None,
    "task_annotations": None,
    "task_time_limit": None,
    "task_soft_time_limit": None,
    "task_create_missing_queues": True,
    "task_create_missing_queue_exchange_type": None,
}
#: What a queue may have that makes Celery do more than put a message into its list.
_SPECIAL = ("alias", "queue_arguments", "expires", "message_ttl", "max_length", "max_length_bytes", "max_priority")
_PORT = 6379
_SIGNALS = ("before_task_publish", "after_task_publish", "task_sent")


@dataclass(frozen=True, slots=True)
class Pushing:
    """How a script pushes to a queue: what is put before its name; None: messages are published, and why."""

    prefix: str | None
    why: str = ""
    #: The lowest priority of each of a queue's lists, as kombu counts: 0 goes first.
    steps: tuple[int, ...] = tuple(Channel.priority_steps)

    def key(self, queue: str, priority: int) -> str:
        """Return the list in which a queue has the messages of a priority, as kombu counts and names them."""
        step = self.steps[bisect(self.steps, priority) - 1]
        return f"{self.prefix}{queue}{Channel.sep}{step}" if step else f"{self.prefix}{queue}"

    def keys(self, queue: str) -> list[str]:
        """Return all lists of a queue."""
        return [self.key(queue, step) for step in self.steps]


def pushing(app: Celery, store_url: str) -> Pushing:
    """Decide from an app's configuration whether the scripts of the Redis at this URL push its messages.

    One thing is known to differ: with ``task_send_sent_event`` Celery publishes an event beside each message, which
    shows the task as pending in Flower; nothing of that kind goes with a message that is pushed.
    """
    try:
        broker = app.connection_for_write()
        why = next(_reasons(app, broker, store_url), "")
    except Exception as error:  # what Celery itself cannot read is for Celery to refuse, when it publishes
        # Not its words: they may quote a part of the URL that is a password.
        return Pushing(None, f"the broker's configuration cannot be read ({type(error).__name__})")
    if why:
        return Pushing(None, why)
    options = broker.transport_options or {}
    steps = options.get("priority_steps", Channel.priority_steps)
    return Pushing(options.get("global_keyprefix", ""), steps=tuple(steps))


def _reasons(app: Celery, broker: Connection, store_url: str) -> Iterator[str]:
    """Yield why a message must be published, the most important reason first."""
    yield from _of_broker(broker, store_url)
    known = _OF_SENTINELS if broker.get_transport_cls() is SentinelTransport else frozenset[str]()
    yield from _of_transport(broker.transport_options or {}, known)
    yield from (f"{name} is set" for name, neutral in _NEUTRAL.items() if (app.conf[name] or None) != neutral)
    if str(app.conf.result_backend or "").startswith("rpc"):
        yield "the result backend sends results to whoever published"
    yield from (f"somebody listens to {name}" for name in _SIGNALS if getattr(signals, name).receivers)
    yield from (f"queue {queue.name!r} is no plain one" for queue in app.amqp.queues.values() if not _is_plain(queue))


def _of_broker(broker: Connection, store_url: str) -> Iterator[str]:
    transport, store = broker.get_transport_cls(), many_servers(store_url)
    if store is not None and store.scheme == "cluster":
        yield "the store is a cluster, and a queue lies on one of its nodes"
    elif transport not in (Transport, SentinelTransport):
        yield f"the broker's transport is {broker.transport_cls}"
    elif len(broker.alt) > 1 and transport is Transport:
        yield "the broker is one of several"
    elif (_primary_of_broker(broker) if transport is SentinelTransport else _place_of_broker(broker)) != (
        _place_of_store(store_url) if store is None else (store.service, store.db, frozenset(store.servers))
    ):
        yield "the broker is not the store's Redis"


def _primary_of_broker(broker: Connection) -> tuple[str, int, frozenset[tuple[str | None, int | None]]]:
    """Return the name and database of a broker's primary, and the sentinels that know it."""
    name = (broker.transport_options or {}).get("master_name", "")
    servers = ((parts.hostname, parts.port) for parts in map(url_to_parts, broker.alt or [broker.as_uri()]))
    return name, _database(broker.virtual_host), frozenset(servers)


def _place_of_broker(broker: Connection) -> tuple[str, int, int]:
    """Return host, or path of the socket, port and database of a broker, with the defaults that kombu has for them."""
    host = broker.hostname or ""
    if "://" not in host:
        return _host(host), broker.port or _PORT, _database(broker.virtual_host)
    parts = url_to_parts(host)
    return f"/{parts.path}", 0, _database(parts.query.get("virtual_host", broker.virtual_host))


def _place_of_store(url: str) -> tuple[str, int, int]:
    """Return the same of a store, with the defaults of redis-py."""
    parts: Mapping[str, Any] = parse_url(url)
    if "path" in parts:
        return parts["path"], 0, parts.get("db", 0)
    return _host(parts.get("host")), parts.get("port", _PORT), parts.get("db", 0)


def _host(name: str | None) -> str:
    return "127.0.0.1" if name in (None, "", "localhost") else str(name).lower()


def _database(virtual_host: str | None) -> int:
    return int((virtual_host or "").strip("/") or 0)


def _of_transport(options: Mapping[str, Any], known: frozenset[str]) -> Iterator[str]:
    unknown = sorted(options.keys() - _HARMLESS - known)
    yield from (f"nobody knows what the transport option {name} does to a message" for name in unknown)


def _is_plain(queue: Any) -> bool:
    """Return whether Celery sends to a queue by its name alone."""
    exchange = queue.exchange
    return (
        type(queue) is Queue
        and (exchange is None or (exchange.type == "direct" and exchange.delivery_mode is None))
        and not any(getattr(queue, option) for option in _SPECIAL)
    )
