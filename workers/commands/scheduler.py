"""The command that runs a scheduler in this process."""

import logging
import signal
import threading
from functools import partial
from types import FrameType
from typing import Any

import click

from scheduler.deliveries import Courier, Deliveries
from scheduler.runs import RunStore
from scheduler.watchdog import Watchdog
from scheduler.webhook_post import Post

from .. import bootstrap
from ..json_logs import json_logs_option, set_up
from ..leash import follow_parent, leashed_option
from ..measuring import measured
from ..pulse import READY, WAITING, Pulse
from ..settings import WorkerSettings

logger = logging.getLogger(__name__)

_LEVELS = click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], case_sensitive=False)


@click.command()
@click.option("-l", "--level", type=_LEVELS, default="INFO", show_default=True, help="What it logs.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Answer Prometheus there.  [default: TREADLE_METRICS_PORT; 0: off]",
)
@click.option("--metrics-address", help="On which of the machine's addresses.  [default: 127.0.0.1]")
@click.option("--metrics-queue", multiple=True, help="A queue whose length is told, beside those of the known graphs.")
@json_logs_option
@leashed_option
def scheduler(
    level: str, metrics_port: int | None, metrics_address: str | None, metrics_queue: tuple[str, ...], leashed: bool
) -> None:
    """Run a scheduler: it sends on what fell due, so that no step is ever lost.

    Every deployment needs one; any number of them work side by side. SIGTERM and Ctrl-C stop it.

    \b
    Examples:
      treadle scheduler
      treadle scheduler --metrics-port 9400
    """
    set_up(level, "%(asctime)s %(levelname)s %(name)s: %(message)s")
    if leashed:
        follow_parent()
    given: dict[str, Any] = {"metrics_port": metrics_port, "metrics_address": metrics_address}
    settings = WorkerSettings(**{name: value for name, value in given.items() if value is not None})
    # A sweep that fails is made again: it has no patience, and so learns when a store was away.
    connection = bootstrap.connection(settings, patience_s=0)
    stop = _asked_to_stop()
    logger.info("scheduler started, prefix %r, one sweep every %d ms", settings.prefix, settings.sweep_ms)
    bootstrap.set_up_traces(settings)
    beats = None if settings.health_file is None else Pulse(settings.health_file, "scheduler")
    if beats is not None:
        beats.beat()  # whatever the last process has left there counts no more
    runs = RunStore(connection)
    courier = Courier(Deliveries(connection, runs, sender(settings)))
    with measured(settings, connection, metrics_queue) as watch:
        Watchdog(connection, runs, courier, watch).run(stop, partial(_beat, beats))
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
