"""The Celery app of this deployment: ``celery -A workers worker``, ``... flower``, ``... inspect``."""

from typing import Any

from celery import signals

from . import bootstrap, flower, tasks
from .settings import WorkerSettings
from .supervisor import Supervisor

settings = WorkerSettings()
app = bootstrap.celery_app(settings)
app.set_current()


signals.import_modules.connect(flower.guard, weak=False)


@signals.import_modules.connect(weak=False)
def _register(**_: Any) -> None:
    """Register the graphs' tasks where a worker starts, and not where somebody only asks how workers are."""
    tasks.register(app, bootstrap.registry(settings))


@signals.worker_ready.connect(weak=False)
def _supervise(sender: Any, **_: Any) -> None:
    """Begin to look after the steps that the pool runs."""
    Supervisor(bootstrap.connection(settings), sender.hostname, sender.pool, bootstrap.redis_url(settings)).start()
