"""A map-reduce over many Sends, beside a Celery group and a chord of as many tasks."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

import redis
from celery import chord, group

from treadle.checkpoint.redis import RedisSaver

from .baseline import DONE, JOINED, PART, RETURNED, app_for
from .comparison import Comparison, Goal, Measure, Sample
from .deployment import bare_worker, redis_server, treadle_worker, until
from .graphs import fan_outs

SENDS = 1_000
SIZES = (250, SENDS, 4_000)

_COST = "µs/Send"


@contextmanager
def treadle(sends: int) -> Iterator[Measure]:
    """Yield what measures a map-reduce on a worker."""
    with redis_server() as url, treadle_worker(url):
        graph, turns = fan_outs().compile(RedisSaver(url), name="fan_out"), count()

        def measure() -> Sample:
            began = time.perf_counter()
            handle = graph.submit({"number": sends, "sum": 0}, {"thread_id": f"{next(turns)}"})
            called = time.perf_counter()
            until(lambda: handle.status.is_final)
            ended = time.perf_counter()
            if handle.result()["sum"] != sends:
                raise AssertionError(handle)
            return _sample(sends, began, called, ended)

        yield measure


@contextmanager
def bare_group(sends: int, *, stock: bool) -> Iterator[Measure]:
    """Yield what measures a group whose tasks count in Redis how many are done."""
    with redis_server() as url, bare_worker(url, stock=stock):
        app = app_for(url, stock=stock)
        yield from _bare(url, sends, group(app.signature(PART, (number,)) for number in range(sends)).apply_async)


@contextmanager
def bare_chord(sends: int) -> Iterator[Measure]:
    """Yield what measures a chord, whose results Celery collects in Redis for the task that follows."""
    with redis_server() as url, bare_worker(url, stock=True, results=True):
        app = app_for(url, stock=True, results=True)
        header = [app.signature(RETURNED, (number,)) for number in range(sends)]
        yield from _bare(url, sends, lambda: chord(header, app=app)(app.signature(JOINED)))
        gc.collect()  # results that are still held would look for their Redis when it is gone


def _bare(url: str, sends: int, call: Callable[[], object]) -> Iterator[Measure]:
    with redis.Redis.from_url(url) as client:

        def measure() -> Sample:
            client.delete(DONE)
            began = time.perf_counter()
            call()
            called = time.perf_counter()
            until(lambda: int(client.get(DONE) or 0) == sends)
            return _sample(sends, began, called, time.perf_counter())

        yield measure


def _sample(sends: int, began: float, called: float, ended: float) -> Sample:
    each = 1e6 / sends
    return {_COST: (ended - began) * each, "of it the client's call": (called - began) * each, "s": ended - began}


def _sizes(sends: int) -> str:
    return f"Treadle, {sends:,} Sends"


COMPARISONS = [
    Comparison(
        "sends: a map-reduce with a trivial node, one prefork worker of 2 processes",
        {
            f"stock Celery, group of {SENDS:,} that counts in Redis": partial(bare_group, SENDS, stock=True),
            f"Celery, our settings, group of {SENDS:,}": partial(bare_group, SENDS, stock=False),
            f"stock Celery, chord of {SENDS:,}": partial(bare_chord, SENDS),
            **{_sizes(sends): partial(treadle, sends) for sends in SIZES},
        },
        [
            Goal(_sizes(SENDS), _COST, 1, f"stock Celery, group of {SENDS:,} that counts in Redis"),
            Goal(_sizes(SENDS), _COST, 1, f"Celery, our settings, group of {SENDS:,}"),
            Goal(_sizes(SENDS), _COST, 1, f"stock Celery, chord of {SENDS:,}"),
            Goal(_sizes(SIZES[-1]), _COST, 1.1, _sizes(SENDS)),
        ],
    )
]
