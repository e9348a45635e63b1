"""What a worker's main process does for the steps that its pool runs: keep their leases, and stop what lost its own.

On prefork this is another process than the one that runs the node, so no node can starve it, whatever it does to
its interpreter.
"""

import logging
import re
import signal
from collections.abc import Mapping
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from celery.concurrency.prefork import TaskPool
from celery.worker import state

from graphs.graph import Graph
from scheduler.connection import Connection
from scheduler.dispatch import StepRef
from scheduler.errors import StoreUnavailable
from scheduler.failure import parked
from scheduler.run import Run
from scheduler.runs import RunStore
from scheduler.steps import Steps

from .departure import Departure
from .heartbeat import Heartbeat
from .keeper import Keeper
from .versioning import newer_here

logger = logging.getLogger(__name__)

_ENDED = re.compile(r"^Worker exited prematurely: (.*?)(?: Job: \d+)?\.$")


class Supervisor:
    """Looks after the steps of one worker.

    Args:
        connection: the store.
        consumer: Celery's, which knows the worker's name and its pool.
        url: of the store, for a keeper.
        graphs: the graphs that this worker has.
    """

    def __init__(self, connection: Connection, consumer: Any, url: str, graphs: Mapping[str, Graph]) -> None:
        worker, pool = consumer.hostname, consumer.pool
        self._runs = RunStore(connection)
        self._steps = Steps(connection, self._runs, worker)
        self._consumer, self._pool = consumer, pool
        self._heartbeat = Heartbeat(connection, self._steps, _running_steps, self._stop)
        self._worker = worker
        self._keeper = None if isinstance(pool, TaskPool) else Keeper(worker, url)
        self._departure = Departure(self._keeper, connection.settings.stop_ms / 1000)
        self._graphs = graphs
        self._is_newer = newer_here(connection)

    def start(self) -> None:
        """Begin."""
        self._heartbeat.start()
        signals.task_failure.connect(self._on_failure, weak=False)
        signals.task_unknown.connect(self._on_unknown, weak=False)
        if self._keeper is not None:
            self._keeper.start()
            signals.task_prerun.connect(self._on_begin, weak=False)
            signals.task_postrun.connect(self._on_end, weak=False)
        self._departure.prepare()

    def _stop(self, ref: StepRef, delivery: str) -> None:
        """Stop a step whose lease is gone: its run was cancelled, or somebody else has the step."""
        if not self._consumer.is_settled:  # it may have been committed: whether it still runs here is not known yet
            return
        request = next((request for request in tuple(state.active_requests) if request.id == delivery), None)
        if request is None:
            return
        logger.info("step stopped", extra={"thread_id": ref.thread_id, "step_id": ref.step_id})
        try:
            request.terminate(self._pool, signal=signal.SIGKILL)
        except NotImplementedError:  # only prefork can; elsewhere the node ends by itself, and can commit nothing
            logger.info("this pool cannot stop a step", extra={"step_id": ref.step_id})

    def _on_begin(self, task_id: str, kwargs: Mapping[str, Any], **_: Any) -> None:
        if self._keeper is not None and "step" in kwargs:
            self._keeper.hold(task_id, kwargs)

    def _on_end(self, task_id: str, **_: Any) -> None:
        if self._keeper is not None:
            self._keeper.drop(task_id)

    def _on_failure(self, task_id: str, exception: BaseException, kwargs: Mapping[str, Any], **_: Any) -> None:
        """Hand a step back at once when the pool killed its process, or found it dead."""
        kinds = {TimeLimitExceeded: "timed out", WorkerLostError: "lost worker"}
        kind = kinds.get(type(exception))
        if kind is None or "step" not in kwargs:
            return
        ref = StepRef.from_message(kwargs)
        try:
            self._steps.release(ref, task_id, kind, _how_ended(exception))
        except StoreUnavailable as error:  # its lease runs out by itself
            logger.warning("step not handed back", extra={"step_id": ref.step_id, "error": str(error)})

    def _on_unknown(self, name: str, message: Any, **_: Any) -> None:
        """Park the run of a step that this worker has no task for: its graph is not there, or has another shape."""
        _, kwargs, _ = message.payload
        if "step" not in kwargs:  # a task of somebody else, who shares the queue
            return
        ref = StepRef.from_message(kwargs)
        if not self._parks(self._runs.get(ref.thread_id, ref.run_id)):
            logger.warning("step left to other workers", extra={"thread_id": ref.thread_id, "task": name})
            return  # it falls due again
        reason = (
            f"Worker {self._worker} has no task {name!r}: deploy the graph to every worker of this queue, "
            "or let other workers have the queue, and go on with invoke(None, config)."
        )
        self._runs.end(ref.thread_id, ref.run_id, parked(reason))

    def _parks(self, run: Run) -> bool:
        """Return whether a run ends here whose step this worker does not know, and does not wait for another worker."""
        graph = self._graphs.get(run.graph)
        upgrades = run.versioning == "auto_upgrade" and graph is not None and self._is_newer(graph, run)
        return run.versioning == "park" or upgrades


def _how_ended(error: BaseException) -> str:
    """Return how a process of the pool ended, as its parent saw it: "signal 9 (SIGKILL)", "exitcode 3"."""
    return "" if isinstance(error, TimeLimitExceeded) else _ENDED.sub(r"\1", str(error))


def _running_steps() -> Mapping[StepRef, str]:
    """Return the steps that the pool runs now, and the Celery task ids under which it does."""
    requests = [request for request in tuple(state.active_requests) if "step" in (request.kwargs or {})]
    return {StepRef.from_message(request.kwargs): request.id for request in requests}
