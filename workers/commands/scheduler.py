"""The command that runs a scheduler in this process."""

import logging
import signal
import threading
from functools import partial
from types import FrameType

import click

from scheduler.deliveries import Courier, Deliveries
from scheduler.runs import RunStore
from scheduler.watchdog import Watchdog
from scheduler.webhook_post import Post

from .. import bootstrap
from ..json_logs import set_up
from ..leash import follow_parent, leashed_option
from ..pulse import READY, WAITING, Pulse
from ..settings import WorkerSettings

logger = logging.getLogger(__name__)

_LEVELS = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], case_sensitive=False)


@click.command()
@click.option("-l", "--level", type=_LEVELS, default="INFO", show_default=True, help="What it logs.")
@leashed_option
def scheduler(level: str, leashed: bool) -> None:
    """Run a scheduler: it sends on what fell due, so that no step is ever lost.

    Every deployment needs one; any number of them work side by side. SIGTERM and Ctrl-C stop it.

    \b
    Example:
      treadle scheduler
    """
    set_up(level, "%(asctime)s %(levelname)s %(name)s: %(message)s")
    if leashed:
        follow_parent()
    settings = WorkerSettings()
    # A sweep that fails is made again: it has no patience, and so learns when a store was away.
    connection = bootstrap.connection(settings, patience_s=0)
    stop = _asked_to_stop()
    logger.info("scheduler started, prefix %r, one sweep every %d ms", settings.prefix, settings.sweep_ms)
    beats = None if settings.health_file is None else Pulse(settings.health_file, "scheduler")
    if beats is not None:
        beats.beat()  # whatever the last process has left there counts no more
    runs = RunStore(connection)
    courier = Courier(Deliveries(connection, runs, sender(settings)))
    Watchdog(connection, runs, courier).run(stop, partial(_beat, beats))
    courier.close()
    if beats is not None:
        beats.end()


def sender(settings: WorkerSettings) -> Post:
    """Return what sends webhooks, as the settings allow."""
    return Post(settings.webhook_timeout_s, private=settings.webhook_allow_private, plain=settings.webhook_allow_http)


def _beat(beats: Pulse | None, answered: bool) -> None:
    if beats is not None:
        beats.turn(READY if answered else WAITING)
        beats.beat_now_and_then()


def _asked_to_stop() -> threading.Event:
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop
