"""Bare Celery, as the client of a baseline and its worker both know it."""

from celery import Celery

from scheduler.urls import broker_url

#: The Redis keys by which a baseline's tasks tell its client how far they are.
DONE, BEGAN = "benchmark:done", "benchmark:began"
HOP, NOTE, PART, RETURNED, JOINED, WAIT = (
    "bare.hop",
    "bare.note",
    "bare.part",
    "bare.returned",
    "bare.joined",
    "bare.wait",
)


def app_for(url: str, *, stock: bool, events: bool = False, results: bool = False) -> Celery:
    """Return an app with Celery's own settings, or with those of our workers.

    Args:
        url: the broker.
        stock: whether the settings are Celery's own.
        events: whether it publishes Celery's events, those of the client among them.
        results: whether results are kept, which a chord needs, and which costs those who need none.
    """
    broker = broker_url(url)
    app = Celery("bare", broker=broker, set_as_current=False) if stock else _with_our_settings(url)
    app.conf.update(task_send_sent_event=events, worker_send_task_events=events)
    if results:
        app.conf.update(result_backend=broker, task_ignore_result=False)
    return app


def _with_our_settings(url: str) -> Celery:
    # Imported here: the stock baseline must weigh what Celery alone weighs.
    from workers.app import make_app
    from workers.settings import WorkerSettings

    return make_app(WorkerSettings(), url)
