"""How long it takes on an idle system from a call to the first line of a node, beside that of a bare Celery task."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from statistics import median

import redis

from treadle.checkpoint.redis import RedisSaver

from .baseline import BEGAN, NOTE, app_for
from .comparison import Comparison, Goal, Measure, Sample
from .deployment import bare_worker, redis_server, treadle_worker
from .graphs import notes

STARTS = 40

_START = "ms to the start"
_IDLE_S = 0.02  # between two starts: the system has come to rest


@contextmanager
def bare(*, stock: bool) -> Iterator[Measure]:
    """Yield what measures the start of a bare task."""
    with redis_server() as url, bare_worker(url, stock=stock), redis.Redis.from_url(url) as client:
        app = app_for(url, stock=stock)
        yield lambda: _starts(client, lambda: app.send_task(NOTE))


@contextmanager
def treadle() -> Iterator[Measure]:
    """Yield what measures the start of a node."""
    with redis_server() as url, treadle_worker(url), redis.Redis.from_url(url) as client:
        graph, turns = notes().compile(RedisSaver(url), name="note"), count()
        yield lambda: _starts(client, lambda: graph.submit({"count": 0}, {"thread_id": f"{next(turns)}"}))


def _starts(client: redis.Redis, start: Callable[[], object]) -> Sample:
    took = []
    for _ in range(STARTS):
        time.sleep(_IDLE_S)
        began = time.time()
        start()
        called = time.time()
        took.append((_begin(client) - began, called - began))
    starts, calls = zip(*took, strict=True)
    return {_START: median(starts) * 1000, "ms of the call": median(calls) * 1000, "slowest": max(starts) * 1000}


def _begin(client: redis.Redis) -> float:
    """Wait until somebody has begun, and return when."""
    popped = client.blpop([BEGAN], 30)
    if popped is None:
        raise TimeoutError
    return float(popped[1])


COMPARISONS = [
    Comparison(
        f"starts: from the call to the first line of the task or node, median of {STARTS} on an idle system",
        {
            "stock Celery": partial(bare, stock=True),
            "Celery, our settings": partial(bare, stock=False),
            "Treadle": treadle,
        },
        [Goal("Treadle", _START, 1.1, "stock Celery"), Goal("Treadle", _START, 1.1, "Celery, our settings")],
    )
]
