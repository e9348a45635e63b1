"""The Celery app, configured: one line per setting, with the reason where it is not Celery's own choice."""

from celery import Celery

from graphs.priority import HIGHEST_PRIORITY
from scheduler.urls import ManyServers, broker_sentinels, broker_url

from .settings import WorkerSettings

_SOCKET_TIMEOUT_S = 10  # kombu's own default waits for ever on a dead connection
_SENTINEL_TIMEOUT_S = 1  # another sentinel is asked then


def make_app(settings: WorkerSettings, url: str) -> Celery:
    """Return a Celery app whose broker is the configured one, or the store's Redis at this URL.

    Raises:
        InvalidConfig: the broker would be a Redis Cluster.
    """
    broker = settings.broker_url or url
    app = Celery("treadle", broker=broker_url(broker), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,  # the lease is the acknowledgement
        task_send_sent_event=settings.events,
        worker_send_task_events=settings.events,
        worker_consumer="workers.consumer:BunchingConsumer",  # events in bunches: half the cost of the main process
        # A step that waits behind a long one is better off with another worker. The multiplier alone lets a worker
        # take as many as it runs once more, and is what other brokers than Redis know.
        worker_disable_prefetch=_is_redis(settings),
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # a step outlives the loss of its broker
        task_queue_max_priority=HIGHEST_PRIORITY if settings.broker_priorities and not _is_redis(settings) else None,
        task_default_queue=settings.default_queue,
        task_create_missing_queues=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # a Redis that is full, or a replica for a while, must not end the worker
        broker_transport_options=_transport_options(settings) | _sentinel_options(broker),
    )
    if (sentinels := broker_sentinels(broker)) is not None and sentinels.tls:
        app.conf.broker_use_ssl = {"ssl_cert_reqs": "required", **_of_tls(sentinels)}
    return app


def queue_prefix(settings: WorkerSettings) -> str:
    """Return what kombu puts before every key of the broker, so that it shares a Redis with the store and others."""
    return f"{settings.prefix}:celery:"


def _transport_options(settings: WorkerSettings) -> dict[str, object]:
    if not _is_redis(settings):
        return {}
    return {
        "global_keyprefix": queue_prefix(settings),
        "ack_emulation": settings.ack_emulation,
        "socket_timeout": _SOCKET_TIMEOUT_S,
        "socket_connect_timeout": _SOCKET_TIMEOUT_S,
    }


def _sentinel_options(broker: str) -> dict[str, object]:
    sentinels = broker_sentinels(broker)
    if sentinels is None:
        return {}
    tls = {"ssl": True, **_of_tls(sentinels)} if sentinels.tls else {}
    own = {"socket_timeout": _SENTINEL_TIMEOUT_S, "socket_connect_timeout": _SENTINEL_TIMEOUT_S, **tls}
    return {"master_name": sentinels.service, "sentinel_kwargs": {**own, **sentinels.sentinel_login}}


def _of_tls(sentinels: ManyServers) -> dict[str, str]:
    return {name: value for name, value in sentinels.options.items() if name.startswith("ssl_")}


def _is_redis(settings: WorkerSettings) -> bool:
    return settings.broker_url is None or settings.broker_url.startswith(("redis", "unix", "sentinel"))
