"""What one process of a worker works with; each process, forked or not, builds its own with its first step."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from billiard.common import terminate_handler_fired
from billiard.exceptions import SoftTimeLimitExceeded
from celery.exceptions import WorkerShutdown, WorkerTerminate

from graphs.frames import Root
from graphs.registry import Registry
from scheduler.admission import Admission, Limit
from scheduler.cache import default_cache
from scheduler.calls import Calls
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.delayed import DelayedRuns
from scheduler.run import Run
from scheduler.runs import RunStore
from scheduler.steps import Steps

from . import bootstrap
from .attempt import Means
from .engine import default_store, nesting
from .executor import Executor
from .host import Host
from .loop import call as call_anywhere
from .node_limits import limits_by_task
from .settings import WorkerSettings
from .tracing import tracing_of
from .versioning import newer_here

_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A process that runs steps."""

    connection: Connection
    steps: Steps
    executor: Executor
    graphs: Registry
    delayed: DelayedRuns
    admission: Admission
    #: By the names of Celery's tasks; those that are not there have none.
    limits: Mapping[str, Limit]

    def root(self, run: Run) -> Root | None:
        """Return the graph of a run; None where this process does not have it."""
        graph = self.graphs.version(run.graph, run.fingerprint)
        return None if graph is None else Root(graph)


def here(worker: str, *, pool_has_limits: bool) -> WorkerProcess:
    """Return this process's own.

    Args:
        worker: the worker's name, as Celery and Flower know it.
        pool_has_limits: whether the pool itself keeps soft and hard time limits (prefork).
    """
    with _lock:  # a pool of threads begins with several steps at once, and has one process all the same
        return _of(os.getpid(), worker, pool_has_limits)


@cache
def _of(pid: int, worker: str, pool_has_limits: bool) -> WorkerProcess:
    settings = WorkerSettings()
    connection, graphs = bootstrap.connection(settings), bootstrap.registry(settings)
    for graph in graphs.versions():
        connection.serde.allow(graph.classes)
    runs = RunStore(connection)
    steps = Steps(connection, runs, worker)
    means = Means(
        steps,
        connection.serde,
        bootstrap.stores(settings, connection),
        default_store(connection),
        bootstrap.caches(settings),
        default_cache(connection),
        tracing_of(settings.traces),
    )
    executor = Executor(
        means,
        Calls(connection, call_anywhere),
        nesting(connection, worker, means),
        Host(
            limits=not pool_has_limits,
            time_limit_errors=(SoftTimeLimitExceeded,),
            is_ending=_is_ending,
            is_newer=newer_here(connection),
            max_attempts=settings.max_attempts,
        ),
    )
    return WorkerProcess(
        connection,
        steps,
        executor,
        graphs,
        DelayedRuns(Client(connection, call_anywhere)),
        Admission(connection, runs),
        limits_by_task(graphs),
    )


def _is_ending(error: BaseException) -> bool:
    """Return whether a pool ends this process; what else ends an interpreter is a node's own doing, and its failure."""
    by_pool = isinstance(error, WorkerShutdown | WorkerTerminate) or type(error).__name__ == "GreenletExit"
    return by_pool or bool(terminate_handler_fired())
