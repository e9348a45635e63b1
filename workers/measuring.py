"""The metrics of a scheduler process, put together from its settings, its connection and its broker."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from kombu.connection import Connection as Broker
from kombu.exceptions import OperationalError
from prometheus_client import CollectorRegistry

from graphs.errors import InvalidGraph
from graphs.registry import Registry
from scheduler.census import CensusTaker
from scheduler.connection import Connection
from scheduler.redis_at import servers_of
from scheduler.sweep import Sweep

from . import bootstrap, readings
from .exits import Refused
from .metrics import Shared, Sources, Sweeps, keep_counting, serve
from .node_limits import limits_by_task
from .pushing import pushing
from .settings import WorkerSettings
from .version_queues import queues_of

logger = logging.getLogger(__name__)

_BROKER_S = 2


@contextmanager
def measured(
    settings: WorkerSettings, connection: Connection, queues: Iterable[str] = ()
) -> Iterator[Callable[[Sweep], None]]:
    """Answer Prometheus meanwhile, where the settings name a port; yield what is to be told of each sweep.

    Raises:
        Refused: the port is taken, or the address is none of this machine.
    """
    if not settings.metrics_port:
        yield lambda sweep: None
        return
    registry, census = CollectorRegistry(), CensusTaker(connection)
    registry.register(Shared(sources(settings, connection, census, queues)))
    sweeps, stop = Sweeps(registry), threading.Event()
    server = _served(registry, settings)
    logger.info("metrics at http://%s:%d/metrics", settings.metrics_address, settings.metrics_port)
    counting = keep_counting(census, stop)
    try:
        yield sweeps.watch
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        counting.join(timeout=_BROKER_S)


def _served(registry: CollectorRegistry, settings: WorkerSettings) -> Any:
    where = f"{settings.metrics_address}:{settings.metrics_port}"
    try:
        return serve(registry, settings.metrics_port, settings.metrics_address)
    except OSError as error:
        told = (
            f"The metrics cannot be at {where}: {error.strerror}. Choose another --metrics-port or --metrics-address."
        )
        raise Refused(told) from error


def sources(
    settings: WorkerSettings, connection: Connection, census: CensusTaker, queues: Iterable[str] = ()
) -> Sources:
    """Return what the metrics of a deployment are read from."""
    app = bootstrap.celery_app(settings)
    graphs = _graphs(settings)
    names = sorted({*queues_of(graphs.values(), settings.default_queue), *queues})
    limits = list(limits_by_task(graphs).values())
    pushed = pushing(app, bootstrap.redis_url(settings))
    if pushed.prefix is not None:  # the broker is the store: one pipeline for both
        lists = {name: pushed.keys(name) for name in names}
        return Sources(
            lambda: readings.read(connection, lists, limits),
            lambda: None,
            census,
            lambda: _missed(connection),
            settings.wait_replicas,
        )
    return Sources(
        lambda: readings.read(connection, limits=limits),
        lambda: _lengths(app, names),
        census,
        lambda: _missed(connection),
        settings.wait_replicas,
    )


def _graphs(settings: WorkerSettings) -> Registry:
    """Return the graphs that are known; a scheduler needs none."""
    try:
        return bootstrap.registry(settings)
    except InvalidGraph as error:
        logger.warning("graphs not known, so their queues and limits are not measured: %s", error)
        return Registry()


def _lengths(app: Celery, names: Iterable[str]) -> dict[str, int] | None:
    """Return how long queues of a broker of its own are; None: it does not answer."""
    try:
        with app.connection_for_write(connect_timeout=_BROKER_S) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0.1, timeout=_BROKER_S)
            return {name: _length(broker, name) for name in names}
    except (OperationalError, OSError, *app.connection_for_write().connection_errors) as error:
        logger.warning("metrics without the broker", extra={"error": str(error)})
        return None


def _length(broker: Broker, name: str) -> int:
    channel: Any = broker.channel()  # type: ignore[no-untyped-call]  # its own: a queue that is not there closes it
    try:
        return int(channel.queue_declare(name, passive=True).message_count)
    except broker.channel_errors:
        return 0
    finally:
        channel.close()


def _missed(connection: Connection) -> int | None:
    """Return how many writes of this process had too few copies; the servers of a cluster count together."""
    counters = [getattr(server, "replicas", None) for server in servers_of(connection.client)]
    return next((counter.missed for counter in counters if counter is not None), None)
