"""The command that runs a whole deployment in one terminal."""

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from scheduler.embedded import EmbeddedRedis

from .. import bootstrap
from ..fleet import Fleet, Role
from ..settings import WorkerSettings

_PASSWORD = "TREADLE_FLOWER_PASSWORD"  # nosec B105  # the name of a variable
#: How long a worker may take to finish its steps, and then to hand them back.
_WARM_S, _COLD_S = 30.0, 10.0
_TICK_S = 0.2
_NAME_WIDTH = 9
_COLOURS = {"worker": "cyan", "scheduler": "magenta", "flower": "green", "redis": "red"}


@click.command()
@click.option("-c", "--concurrency", type=click.IntRange(min=1), default=None, help="How many steps at once.")
@click.option("--flower/--no-flower", "with_flower", default=True, help="Whether Flower is started too.")
@click.option("--flower-port", type=click.IntRange(1, 65535), default=5555, show_default=True, help="Its port.")
def up(concurrency: int | None, with_flower: bool, flower_port: int) -> None:
    """Run Redis, a worker, a scheduler and Flower in this terminal; Ctrl-C stops them all.

    The Redis is that of TREADLE_REDIS_URL; without it, one is started whose data lies in the folder TREADLE_DATA. The
    worker takes the queues of all graphs that are known. Flower is at http://127.0.0.1:5555, for the user "treadle"
    and the password of TREADLE_FLOWER_PASSWORD; without it, a new one is made and printed. What dies is started
    again. The first Ctrl-C lets the steps that run finish, the second one hands them back.

    \b
    Examples:
      treadle up
      TREADLE_GRAPHS=shop.support:graph treadle up -c 8 --no-flower
    """
    settings = WorkerSettings()
    with _redis(settings) as url, Fleet(_print, _print) as fleet:
        stop = _asked_to_stop(fleet)
        environment = {**os.environ, "TREADLE_REDIS_URL": url, "PYTHONUNBUFFERED": "1"}
        fleet.start(_worker(settings, environment, concurrency))
        fleet.start(Role("scheduler", ("scheduler", "--leashed"), environment, stage=1))
        if with_flower:
            fleet.start(_flower(environment, flower_port))
        while not stop.wait(_TICK_S):
            fleet.tend()
        _print("treadle", "stopping; Ctrl-C once more hands the steps that run back at once")
    _print("treadle", "stopped")


def _asked_to_stop(fleet: Fleet) -> threading.Event:
    """Return what the first signal sets; the second one has the steps handed back, the third kills what is left."""
    stop, hurried = threading.Event(), threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if not stop.is_set():
            stop.set()
        elif not hurried.is_set():
            hurried.set()
            fleet.hurry()
        else:
            raise KeyboardInterrupt  # the fleet kills

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask)
    return stop


@contextmanager
def _redis(settings: WorkerSettings) -> Iterator[str]:
    if settings.redis_url is not None:
        _print("redis", "the one of TREADLE_REDIS_URL")
        yield settings.redis_url
        return
    with EmbeddedRedis(settings.data) as server:  # it outlives the fleet, which needs it to finish
        _print("redis", server.describe())
        yield server.url


def _worker(settings: WorkerSettings, environment: dict[str, str], concurrency: int | None) -> Role:
    graphs = bootstrap.registry(settings).values()
    named = {node.queue for graph in graphs for _, node in graph.walk() if node.queue is not None}
    queues = ",".join(sorted(named | {settings.default_queue}))
    many = ("-c", str(concurrency)) if concurrency is not None else ()
    arguments = ("worker", "--leashed", "-Q", queues, *many)
    return Role("worker", arguments, environment, ((signal.SIGTERM, _WARM_S), (signal.SIGQUIT, _COLD_S)))


def _flower(environment: dict[str, str], port: int) -> Role:
    password = environment.get(_PASSWORD)
    if not password:
        password = secrets.token_urlsafe(12)
        _print("flower", f"user treadle, password {password} ({_PASSWORD} sets one of your own)")
    _print("flower", f"http://127.0.0.1:{port}")
    arguments = ("flower", "--leashed", "--port", str(port))
    return Role("flower", arguments, {**environment, _PASSWORD: password}, stage=2, restarts=False)


def _print(name: str, line: str) -> None:
    click.echo(f"{click.style(f'{name:<{_NAME_WIDTH}} |', fg=_COLOURS.get(name, 'white'))} {line}")
