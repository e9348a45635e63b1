"""A scheduler's round over 100,000 steps that all fell due while they wait in one queue."""

import operator
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, TypedDict
from unittest.mock import patch

import redis

from scheduler.connection import Connection
from scheduler.runs import RunStore
from scheduler.watchdog import Watchdog
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, StateGraph
from treadle.types import Send
from workers import bootstrap
from workers.settings import WorkerSettings

from .comparison import Comparison, Goal, Measure, Sample
from .deployment import redis_cpu_s, redis_server

THREADS, SENDS = 100, 1_000
STEPS = THREADS * SENDS

_ROUND, _MORE = "s/round", "messages more"
_WAITS, _LOST = f"{STEPS:,} wait", f"{STEPS:,} were lost"


class Total(TypedDict):
    """A state that sums up."""

    total: Annotated[int, operator.add]


@contextmanager
def queued(*, lost: bool) -> Iterator[Measure]:
    """Yield what measures a round; ``lost``: whether the queue has lost its messages."""
    with redis_server() as url, redis.Redis.from_url(url) as client:
        connection = bootstrap.connection(WorkerSettings(redis_url=url, examples=False))
        with patch.dict(os.environ, {"TREADLE_FAIR_SHARE": str(SENDS)}):
            _fill(url)
        queue = next(key for key in client.scan_iter("*celery:treadle*") if client.type(key) == b"list")
        watchdog = Watchdog(connection, RunStore(connection))

        def measure() -> Sample:
            if lost:
                client.delete(queue)
            before = float(client.llen(queue))
            _make_due(connection)
            began, redis_s = time.perf_counter(), redis_cpu_s(client)
            seen = 0
            while seen < STEPS:
                seen += watchdog.sweep().total()
            took = time.perf_counter() - began
            more = float(client.llen(queue)) - (0 if lost else before)
            return {_ROUND: took, _MORE: more, "Redis CPU ms": (redis_cpu_s(client) - redis_s) * 1000}

        yield measure


def _fill(url: str) -> None:
    """Begin threads, each of which sends many steps to a queue that nobody consumes."""
    builder = StateGraph(Total).add_node("part", _part)
    graph = builder.add_conditional_edges(START, _parts).compile(RedisSaver(url), name="backlog")
    for number in range(THREADS):
        graph.submit({"total": 0}, {"thread_id": f"waits-{number}"})


def _parts(state: Total) -> list[Send]:
    return [Send("part", {"total": number}) for number in range(SENDS)]


def _part(state: Any) -> Total:
    return {"total": state["total"]}


def _make_due(connection: Connection) -> None:
    for key in connection.keys.due_sets():
        members: Any = connection.client.zrange(key, 0, -1)
        if members:
            connection.client.zadd(key, dict.fromkeys(members, 1.0))


COMPARISONS = [
    Comparison(
        "backlog: a scheduler's round over steps that all fell due at once",
        {_WAITS: partial(queued, lost=False), _LOST: partial(queued, lost=True)},
        [Goal(_WAITS, _MORE, 1_000)],
    )
]
