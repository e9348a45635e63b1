"""The command that runs a whole deployment in one terminal."""

import json
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from scheduler.embedded import EmbeddedRedis

from .. import bootstrap
from ..fleet import Fleet, Role
from ..json_logs import is_json, json_logs_option
from ..pools import without_pool
from ..rendering import print_line
from ..settings import WorkerSettings
from ..version_queues import queues_of

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
@json_logs_option
def up(concurrency: int | None, with_flower: bool, flower_port: int) -> None:
    """Run Redis, a worker, a scheduler and Flower in this terminal; Ctrl-C stops them all.

    The Redis is that of TREADLE_REDIS_URL; without it, one is started whose data lies in the folder TREADLE_DATA. The
    worker takes the queues of all graphs that are known; with a file in TREADLE_POOLS, each of its pools has a worker
    of its own instead. Flower is at http://127.0.0.1:5555, for the user "treadle"
    and the password of TREADLE_FLOWER_PASSWORD; without it, a new one is made and printed. What dies is started
    again. The first Ctrl-C lets the steps that run finish, the second one hands them back.

    \b
    Examples:
      treadle up
      TREADLE_GRAPHS=mygraphs:graph treadle up -c 8 --no-flower
      TREADLE_POOLS=pools.toml treadle up
    """
    settings = WorkerSettings()
    workers = list(_workers(settings, concurrency))
    with _redis(settings) as url, Fleet(_print, _print) as fleet:
        stop = _asked_to_stop(fleet)
        environment = {**os.environ, "TREADLE_REDIS_URL": url, "PYTHONUNBUFFERED": "1"}
        for role in workers:
            fleet.start(Role(*role, environment, ((signal.SIGTERM, _WARM_S), (signal.SIGQUIT, _COLD_S))))
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


def _workers(settings: WorkerSettings, concurrency: int | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the names of the workers and their arguments: one for each pool, or one for all queues."""
    graphs, pools = bootstrap.registry(settings), settings.read_pools()
    queues = queues_of(graphs.values(), settings.default_queue)
    _print("treadle", f"graphs: {', '.join(sorted(graphs)) or 'none; name some in TREADLE_GRAPHS'}")
    if not pools:
        many = ("-c", str(concurrency)) if concurrency is not None else ()
        yield "worker", ("worker", "--leashed", "-Q", ",".join(queues), *many)
        return
    if concurrency is not None:
        raise click.UsageError(f"The pools of {settings.pools} say how many steps each runs at once: leave out -c.")
    for queue in without_pool(queues, pools):
        _print("treadle", f"no pool of {settings.pools} has queue {queue!r}: its steps wait until a worker takes it")
    for name in pools:
        yield f"{name} pool", ("worker", "--leashed", "--pool-name", name)


def _flower(environment: dict[str, str], port: int) -> Role:
    password = environment.get(_PASSWORD)
    if not password:
        password = secrets.token_urlsafe(12)
        _print("flower", f"user treadle, password {password} ({_PASSWORD} sets one of your own)")
    _print("flower", f"http://127.0.0.1:{port}")
    arguments = ("flower", "--leashed", "--port", str(port), "--logging=error")  # else it lists every task of Celery's
    return Role("flower", arguments, {**environment, _PASSWORD: password}, stage=2, restarts=False)


def _print(name: str, line: str) -> None:
    if is_json():
        print_line({"of": name, **_fields(line)})
    else:
        click.echo(f"{click.style(f'{name:<{_NAME_WIDTH}} |', fg=_COLOURS.get(name, 'white'))} {line}")


def _fields(line: str) -> dict[str, Any]:
    """Return what a child logs; what it prints beside that, as the message of a line."""
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": line}
