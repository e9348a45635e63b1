"""One Celery task per node: the doors through which steps come in."""

import logging
from contextlib import suppress
from typing import Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from billiard.process import current_process
from celery import Celery, Task
from celery.exceptions import Retry, TaskPredicate

from graphs.errors import is_invalid_resume
from graphs.registry import Registry
from scheduler.dispatch import StepRef
from scheduler.errors import LeaseLost, RunNotFound, StoreUnavailable
from scheduler.failure import revived

from . import messages, process
from .node_limits import tasks_of

logger = logging.getLogger(__name__)

#: What Celery takes for more than the failure of a task.
_ORDERS = (MemoryError, TaskPredicate, TimeLimitExceeded, Terminated, WorkerLostError)


def register(app: Celery, graphs: Registry) -> None:
    """Register ``GRAPH.NODE`` for every node, ``GRAPH.NODE.NODE`` for those of graphs inside, and what begins runs."""
    for graph in graphs.versions():
        for path, _ in tasks_of(graph):
            app.task(name=f"{graph.name}.{path}", bind=True, ignore_result=True)(run_step)
    app.task(name=messages.START, bind=True, ignore_result=True)(begin_run)


def begin_run(task: Task, thread: str, run: str) -> None:
    """Begin a run whose moment has come; a message that is stale or doubled ends here."""
    worker = process.here(task.request.hostname, pool_has_limits=in_pool_process())
    try:
        worker.delayed.begin(thread, run, worker.graphs)
    except RunNotFound:  # its thread was deleted just now
        logger.warning("run not begun", extra={"thread_id": thread, "run_id": run})


def run_step(task: Task, **message: Any) -> str:
    """Run one step of a thread, enqueue what it made ready, and return in a word what came of it, which Flower shows.

    A stale or doubled message ends here. What a node raised is raised again once it is recorded, so that Celery, its
    signals and Flower see the failure as well.
    """
    request = task.request
    worker = process.here(request.hostname, pool_has_limits=in_pool_process())
    ref = StepRef.from_message(message)
    try:
        with worker.admission.of(ref, request.id, worker.limits.get(task.name)) as admitted:
            if admitted is None:
                return "limited"
            outcome = worker.executor.run(admitted, request.id, worker.root)
    except (LeaseLost, RunNotFound) as error:
        logger.warning("step given up", extra={"thread_id": ref.thread_id, "run_id": ref.run_id, "why": str(error)})
        return "lease lost"
    except MemoryError as error:  # not the node's, which is kept as its failure: there is too little to keep anything
        with suppress(MemoryError, StoreUnavailable):
            worker.steps.release(ref, request.id, "lost worker", "out of memory")
        raise shown(error) from None
    if outcome is None:
        return "stale"
    if outcome.error is not None and is_invalid_resume(outcome.error):
        return "refused"  # an answer that does not fit is no failure of the node: whoever gave it is told
    if outcome.failure is None:
        return outcome.word
    raised = outcome.error or revived(outcome.failure, ref.thread_id, ref.run_id)  # it took its workers with it
    if outcome.progress.retry_ms is not None:  # for Flower's eyes: this tells Celery to publish nothing
        raise Retry(f"again in {outcome.progress.retry_ms / 1000:g} s", exc=raised) from raised
    raise shown(raised)


def shown(error: BaseException) -> BaseException:
    """Return an error as Celery may see it: for some it would put the message back, or end the whole worker."""
    is_plain = isinstance(error, Exception) and not isinstance(error, _ORDERS)
    return error if is_plain else RuntimeError(repr(error))


def in_pool_process() -> bool:
    """Return whether this is a child of a prefork pool: of Celery's pools the only one that keeps time limits."""
    return str(current_process().name) != "MainProcess"
