"""The Celery app of this deployment: ``celery -A workers worker``, ``... flower``, ``... inspect``."""

import logging
from typing import Any

from celery import signals

from . import bootstrap, flower, liveness, tasks, tracing, version_queues
from .json_logs import format_handlers
from .pulse import Pulse
from .settings import WorkerSettings
from .supervisor import Supervisor

settings = WorkerSettings()
app = bootstrap.celery_app(settings)
app.set_current()
if settings.health_file is not None:
    liveness.install(app, Pulse(settings.health_file, "worker"))


signals.import_modules.connect(flower.guard, weak=False)


@signals.after_setup_logger.connect(weak=False)
@signals.after_setup_task_logger.connect(weak=False)
def _log_as_told(logger: logging.Logger, **_: Any) -> None:
    """Let a worker log as JSON, where it is told so."""
    format_handlers(logger)


@signals.worker_process_shutdown.connect(weak=False)
def _flush(**_: Any) -> None:
    """Let spans leave a process of a pool: it ends past what Python does at the end of a process."""
    tracing.flush()


@signals.import_modules.connect(weak=False)
def _register(**_: Any) -> None:
    """Register the graphs' tasks where a worker starts, and not where somebody only asks how workers are."""
    tasks.register(app, bootstrap.registry(settings))


@signals.celeryd_after_setup.connect(weak=False)
def _consume(**_: Any) -> None:
    """Consume, beside its queues, those of the graphs' versions that this worker has or takes over."""
    queues = app.amqp.queues
    versions = version_queues.noted(bootstrap.connection(settings), bootstrap.registry(settings).versions())
    for queue in version_queues.beside(tuple(queues.consume_from), versions):
        queues.select_add(queue)


@signals.worker_ready.connect(weak=False)
def _supervise(sender: Any, **_: Any) -> None:
    """Begin to look after the steps that the pool runs."""
    graphs, url = bootstrap.registry(settings), bootstrap.redis_url(settings)
    Supervisor(bootstrap.connection(settings), sender, url, graphs).start()
