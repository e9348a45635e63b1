"""Where the floors meet: settings become a connection, an engine, a worker's process."""

import atexit
import logging
import sys
from functools import cache
from pathlib import Path
from typing import Any

import redis
from celery import Celery

from graphs.cache import BaseCache
from graphs.errors import InvalidGraph
from graphs.registry import Registry, load
from graphs.store import BaseStore
from scheduler.connection import Connection, open_connection
from scheduler.embedded import EmbeddedRedis
from scheduler.memory import InMemoryStore
from scheduler.patience import Patience
from scheduler.redis_at import redis_at
from scheduler.replicas import Replicas
from scheduler.settings import Settings
from scheduler.urls import split_url

from .app import make_app
from .dispatcher import CeleryDispatcher
from .engine import Engine, default_store, open_engine
from .settings import WorkerSettings
from .tracing import tracing_of

logger = logging.getLogger(__name__)

#: The graphs that come with Treadle; a worker knows them unless its settings say otherwise.
EXAMPLES: tuple[str, ...] = (
    "graphs.examples.research:graph",
    "graphs.examples.agent:graph",
    "graphs.examples.map_reduce:graph",
    "graphs.examples.supervisor:graph",
    "graphs.examples.approval:graph",
    "graphs.examples.essay:graph",
)


def redis_url(settings: Settings) -> str:
    """Return the store's URL: the configured one, or that of the embedded Redis, which is started if need be."""
    return settings.redis_url or _embedded(str(settings.data or "")).url


def described(settings: Settings) -> str:
    """Return in a few words which Redis the store is, without its password."""
    if settings.redis_url is None:
        return _embedded(str(settings.data or "")).describe()
    netloc, parts = split_url(redis_url(settings))
    return f"{parts.scheme}://{netloc.rpartition('@')[2]}{parts.path}"


def redis_client(settings: Settings, *, patience_s: float | None = None) -> redis.Redis:
    """Return a client of the store that returns bytes; ``patience_s`` is another patience than that of the settings.

    It sends a command again while Redis ails: the scripts are made for that, each knows its own repetition.

    Raises:
        InvalidConfig: the URL is none of a Redis.
    """
    patience = Patience(settings.store_patience_s if patience_s is None else patience_s)
    replicas = Replicas(settings.wait_replicas, settings.wait_ms) if settings.wait_replicas else None
    return redis_at(redis_url(settings), patience, replicas)


def connect(settings: Settings) -> Engine:
    """Return the engine of a client whose runs are executed by Celery workers."""
    way = dispatcher(WorkerSettings(**settings.model_dump(exclude_unset=True)))
    return open_engine(
        open_connection(redis_client(settings), settings, way, tracing_of(settings.traces)), durable=True
    )


def connection(settings: WorkerSettings, *, patience_s: float | None = None) -> Connection:
    """Return a connection that dispatches to Celery workers: for workers, schedulers and the command line."""
    client = redis_client(settings, patience_s=patience_s)
    return open_connection(client, settings, dispatcher(settings), tracing_of(settings.traces))


def dispatcher(settings: WorkerSettings) -> CeleryDispatcher:
    """Return the way to the Celery workers."""
    return CeleryDispatcher(celery_app(settings), store_url=redis_url(settings), default_queue=settings.default_queue)


@cache
def celery_app(settings: WorkerSettings) -> Celery:
    """Return the Celery app of a deployment, one in a process: what its user sets is known to all who publish."""
    return make_app(settings, redis_url(settings))


def registry(settings: WorkerSettings) -> Registry:
    """Return the graphs that this process can run.

    Raises:
        InvalidGraph: an address cannot be imported, or two different graphs have one name.
    """
    return Registry(compiled.graph for compiled in _compiled(settings))


def set_up_traces(settings: WorkerSettings) -> None:
    """Import the graphs where this process traces: a module of theirs may say where spans go."""
    try:
        if settings.traces:
            registry(settings)
    except InvalidGraph as error:  # a process that runs no steps needs none, and may have none
        logger.warning("graphs not known, so what they set up for traces is not there: %s", error)


def stores(settings: WorkerSettings, connection: Connection) -> dict[str, BaseStore]:
    """Return the long-term memories that the graphs of this process were compiled with, by the graph's name.

    One that lives in a single process is none for several workers: their graphs have the one beside their threads, with
    the index and the lifetimes of their own.

    Raises:
        InvalidGraph: an address cannot be imported.
    """
    found = {compiled.name: compiled.store for compiled in reversed(_compiled(settings))}
    for name, store in found.items():
        if isinstance(store, InMemoryStore):
            own = store.index_config or store.ttl_config
            found[name] = default_store(connection, store) if own else None
    return {name: store for name, store in found.items() if store is not None}


def caches(settings: WorkerSettings) -> dict[str, BaseCache]:
    """Return the caches that the graphs of this process were compiled with, by the graph's name.

    Raises:
        InvalidGraph: an address cannot be imported.
    """
    return {compiled.name: compiled.cache for compiled in reversed(_compiled(settings)) if compiled.cache is not None}


def configs(settings: WorkerSettings) -> dict[str, dict[str, Any]]:
    """Return what the graphs' own configs say (``with_config``), by the graph's name.

    Raises:
        InvalidGraph: an address cannot be imported.
    """
    return {compiled.name: compiled.config for compiled in reversed(_compiled(settings))}


def _compiled(settings: WorkerSettings) -> list[Any]:
    here = str(Path.cwd())
    if here not in sys.path:  # as Celery and Python themselves do for what is named on the command line
        sys.path.insert(0, here)
    return load([*settings.addresses(), *(EXAMPLES if settings.examples else ())])


@cache
def _embedded(folder: str) -> EmbeddedRedis:
    server = EmbeddedRedis(Path(folder) if folder else None)
    server.start()
    atexit.register(server.stop)
    return server
