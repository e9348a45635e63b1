"""One sweep of the scheduler over steps whose messages were lost, with and without many that are not due for long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import redis

from scheduler.connection import Connection, open_connection
from scheduler.runs import RunStore
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher
from treadle.checkpoint.base import BaseCheckpointSaver
from workers import bootstrap
from workers.engine import Engine, open_engine
from workers.savers import Saver
from workers.settings import WorkerSettings

from .comparison import Comparison, Goal, Measure, Sample
from .deployment import redis_cpu_s, redis_server
from .graphs import chains

DUE, FAR = 1_000, 100_000

_SWEEP = "ms/sweep"
_DAY_MS = 24 * 3600 * 1000


class LosingSaver(Saver):
    """Keeps threads in Redis, and loses the messages of their steps."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def _open(self) -> Engine:
        return open_engine(self._connection, durable=True)


@contextmanager
def swept(due: int, far: int) -> Iterator[Measure]:
    """Yield what measures a sweep, with so many steps due now and so many entries due tomorrow."""
    with redis_server() as url, redis.Redis.from_url(url) as client:
        connection = bootstrap.connection(WorkerSettings(redis_url=url, examples=False))
        _lose(connection, due)
        members = {key: client.zrange(key, 0, -1) for key in connection.keys.due_sets()}
        _add_far(connection, far)
        watchdog = Watchdog(connection, RunStore(connection))

        def measure() -> Sample:
            for key, lost in members.items():
                if lost:
                    client.zadd(key, dict.fromkeys(lost, 1.0))
            began, cpu, redis_s = time.perf_counter(), time.process_time(), redis_cpu_s(client)
            done = watchdog.sweep()
            took, used = time.perf_counter() - began, time.process_time() - cpu
            if done["dispatched"] != due or done.total() != due:
                raise AssertionError(done)
            redis_ms = (redis_cpu_s(client) - redis_s) * 1000
            return {_SWEEP: took * 1000, "scheduler CPU ms": used * 1000, "Redis CPU ms": redis_ms}

        yield measure


def _lose(connection: Connection, due: int) -> None:
    """Begin threads whose first messages are lost."""
    losing = open_connection(connection.client, connection.settings, RecordingDispatcher())
    saver: BaseCheckpointSaver = LosingSaver(losing)
    graph = chains().compile(saver, name="chain")
    for number in range(due):
        graph.submit({"count": 0}, {"thread_id": f"lost-{number}"})


def _add_far(connection: Connection, far: int) -> None:
    """Add entries to the due sets that nobody has to look at before tomorrow."""
    keys = connection.keys.due_sets()
    tomorrow = time.time() * 1000 + _DAY_MS
    for place, key in enumerate(keys):
        entries = {f"far-{number} step-{number}": tomorrow + number for number in range(place, far, len(keys))}
        if entries:
            connection.client.zadd(key, entries)


COMPARISONS = [
    Comparison(
        "sweeps: one sweep of a scheduler",
        {
            f"{DUE:,} due": partial(swept, DUE, 0),
            f"{DUE:,} due, {FAR:,} far": partial(swept, DUE, FAR),
            "idle": partial(swept, 0, 0),
            f"idle, {FAR:,} far": partial(swept, 0, FAR),
        },
        [
            Goal(f"{DUE:,} due, {FAR:,} far", _SWEEP, 50),
            Goal(f"{DUE:,} due, {FAR:,} far", _SWEEP, 1.1, f"{DUE:,} due"),
            Goal(f"idle, {FAR:,} far", _SWEEP, 1.1, "idle"),
        ],
    )
]
