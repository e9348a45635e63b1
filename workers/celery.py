"""The Celery app of this deployment: ``celery -A workers worker``, ``... flower``, ``... inspect``."""

import logging
from typing import Any

from celery import signals

from . import bootstrap, flower, tasks
from .json_logs import format_handlers
from .settings import WorkerSettings
from .supervisor import Supervisor

settings = WorkerSettings()
app = bootstrap.celery_app(settings)
app.set_current()


signals.import_modules.connect(flower.guard, weak=False)


@signals.after_setup_logger.connect(weak=False)
@signals.after_setup_task_logger.connect(weak=False)
def _log_as_told(logger: logging.Logger, **_: Any) -> None:
    """Let a worker log as JSON, where it is told so."""
    format_handlers(logger)


@signals.import_modules.connect(weak=False)
def _register(**_: Any) -> None:
    """Register the graphs' tasks where a worker starts, and not where somebody only asks how workers are."""
    tasks.register(app, bootstrap.registry(settings))


@signals.worker_ready.connect(weak=False)
def _supervise(sender: Any, **_: Any) -> None:
    """Begin to look after the steps that the pool runs."""
    Supervisor(bootstrap.connection(settings), sender.hostname, sender.pool, bootstrap.redis_url(settings)).start()
