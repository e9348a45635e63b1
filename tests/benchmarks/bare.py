"""The worker of the baselines: Celery tasks that do the same work as our nodes, and keep no state at all."""

import json
import os
import time

import redis

from .baseline import BEGAN, DONE, HOP, JOINED, NOTE, PART, RETURNED, WAIT, app_for

_URL = os.environ["TREADLE_REDIS_URL"]
_redis = redis.Redis.from_url(_URL, max_connections=10_000)

app = app_for(_URL, **json.loads(os.environ["BENCHMARK_APP"]))


@app.task(name=HOP, ignore_result=True)
def hop(left: int) -> None:
    """Enqueue the next hop, or count the chain as done."""
    if left:
        hop.apply_async((left - 1,))
    else:
        _redis.incr(DONE)


@app.task(name=NOTE, ignore_result=True)
def note() -> None:
    """Say when it began."""
    _redis.rpush(BEGAN, time.time())


@app.task(name=PART, ignore_result=True)
def part(number: int) -> None:
    """Count one part of a group as done."""
    _redis.incr(DONE)


@app.task(name=RETURNED)
def returned(number: int) -> int:
    """Return what a chord collects."""
    return number


@app.task(name=JOINED, ignore_result=True)
def joined(numbers: list[int]) -> None:
    """Count the parts of a chord as done."""
    _redis.incrby(DONE, len(numbers))


@app.task(name=WAIT, ignore_result=True)
def wait(seconds: float) -> None:
    """Say when it began, and wait."""
    _redis.rpush(BEGAN, time.time())
    time.sleep(seconds)
    _redis.incr(DONE)
