"""One Celery task per node: the doors through which steps come in."""

import logging
from typing import Any

from billiard.process import current_process
from celery import Celery, Task
from celery.exceptions import Retry

from graphs.errors import is_invalid_resume
from graphs.registry import Registry
from scheduler.dispatch import StepRef
from scheduler.errors import LeaseLost, RunNotFound
from scheduler.failure import revived

from . import process

logger = logging.getLogger(__name__)


def register(app: Celery, graphs: Registry) -> None:
    """Register ``GRAPH.NODE`` for every node of every graph, and ``GRAPH.NODE.NODE`` for those of graphs inside."""
    for graph in graphs.values():
        for path, node in graph.walk():
            above = f"{graph.name}.{path}".removesuffix(node.name)
            for one in filter(None, (node, node.handler)):
                app.task(name=above + one.name, bind=True, ignore_result=True, rate_limit=one.rate_limit)(run_step)


def run_step(task: Task, **message: Any) -> str:
    """Run one step of a thread, enqueue what it made ready, and return in a word what came of it, which Flower shows.

    A stale or doubled message ends here. What a node raised is raised again once it is recorded, so that Celery, its
    signals and Flower see the failure as well.
    """
    request = task.request
    worker = process.here(request.hostname, pool_has_limits=in_pool_process())
    ref = StepRef.from_message(message)
    try:
        outcome = worker.executor.run(ref, request.id, worker.root)
    except (LeaseLost, RunNotFound) as error:
        logger.warning("step given up", extra={"thread_id": ref.thread_id, "run_id": ref.run_id, "why": str(error)})
        return "lease lost"
    if outcome is None:
        return "stale"
    if outcome.error is not None and is_invalid_resume(outcome.error):
        return "refused"  # an answer that does not fit is no failure of the node: whoever gave it is told
    if outcome.failure is None:
        return outcome.word
    raised = outcome.error or revived(outcome.failure, ref.thread_id, ref.run_id)  # it took its workers with it
    if outcome.progress.retry_ms is not None:  # for Flower's eyes: this tells Celery to publish nothing
        raise Retry(f"again in {outcome.progress.retry_ms / 1000:g} s", exc=raised) from raised
    raise raised


def in_pool_process() -> bool:
    """Return whether this is a child of a prefork pool: of Celery's pools the only one that keeps time limits."""
    return str(current_process().name) != "MainProcess"
