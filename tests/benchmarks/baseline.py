"""Bare Celery, as the client of a baseline and its worker both know it."""

from celery import Celery

from scheduler.urls import broker_url
from workers.app import make_app
from workers.settings import WorkerSettings

DONE = "benchmark:done"
HOP = "bare.hop"


def app_for(url: str, *, stock: bool) -> Celery:
    """Return an app with Celery's own settings, or with those of our workers."""
    return Celery("bare", broker=broker_url(url), set_as_current=False) if stock else make_app(WorkerSettings(), url)
