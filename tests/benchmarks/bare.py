"""The worker of the baseline: a Celery task that enqueues its successor and keeps no state at all."""

import os

import redis

from .baseline import DONE, HOP, app_for

_URL = os.environ["TREADLE_REDIS_URL"]
_redis = redis.Redis.from_url(_URL)

app = app_for(_URL, stock="BENCHMARK_STOCK" in os.environ)


@app.task(name=HOP, ignore_result=True)
def hop(left: int) -> None:
    """Enqueue the next hop, or count the chain as done."""
    if left:
        hop.apply_async((left - 1,))
    else:
        _redis.incr(DONE)
