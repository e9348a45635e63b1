"""Small runs beside a large map on one worker: with a fair share of the queue, without one, and in an empty system."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from unittest.mock import patch

import redis

from treadle.checkpoint.redis import RedisSaver

from .comparison import Comparison, Goal, Measure, Sample
from .deployment import redis_cpu_s, redis_server, treadle_worker, until
from .graphs import STEPS, chains, fan_outs

SENDS, RUNS, STEPS_EACH = 5_000, 20, 5

_SMALL, _MAP, _CPU = "s of the small runs", "s of the map", "CPU s of all"
_ALONE, _FAIR, _UNFAIR = "in an empty system", f"beside a map of {SENDS:,} Sends", "the same without a share"
#: The default, and more than any superstep has.
_SHARE, _NO_SHARE = "20", "1000000"


@contextmanager
def small_runs(*, sends: int, share: str = _SHARE) -> Iterator[Measure]:
    """Yield what measures small runs that begin when a map of so many Sends has."""
    with ExitStack() as stack:
        url = stack.enter_context(redis_server())
        client = stack.enter_context(redis.Redis.from_url(url))
        with patch.dict(os.environ, {"TREADLE_FAIR_SHARE": share}):  # for who plans the map, here or there
            worker = stack.enter_context(treadle_worker(url))
            saver, turns = RedisSaver(url), count()
            saver.threads.list()
        small, large = chains().compile(saver, name="chain"), fan_outs().compile(saver, name="fan_out")

        def run_small(turn: int) -> float:
            began = time.perf_counter()
            given = {"count": STEPS - STEPS_EACH}
            handles = [small.submit(given, {"thread_id": f"small-{turn}-{number}"}) for number in range(RUNS)]
            until(lambda: all(handle.status.is_final for handle in handles))
            if any(handle.result()["count"] != STEPS for handle in handles):
                raise AssertionError(handles)
            return time.perf_counter() - began

        def measure() -> Sample:
            turn, began, used = next(turns), time.perf_counter(), worker.cpu_s() + redis_cpu_s(client)
            if not sends:
                return {_SMALL: run_small(turn)}
            handle = large.submit({"number": sends, "sum": 0}, {"thread_id": f"map-{turn}"})
            until(lambda: any(step.attempt for step in saver.threads.pending(f"map-{turn}")))
            took = run_small(turn)
            until(lambda: handle.status.is_final)
            if handle.result()["sum"] != sends:
                raise AssertionError(handle)
            used = worker.cpu_s() + redis_cpu_s(client) - used
            return {_SMALL: took, _MAP: time.perf_counter() - began, _CPU: used}

        yield measure


COMPARISONS = [
    Comparison(
        f"fairness: {RUNS} runs of {STEPS_EACH} trivial steps, one prefork worker of 2 processes",
        {
            _ALONE: partial(small_runs, sends=0),
            _FAIR: partial(small_runs, sends=SENDS),
            _UNFAIR: partial(small_runs, sends=SENDS, share=_NO_SHARE),
        },
        [
            Goal(_FAIR, _SMALL, 3, _ALONE),
            Goal(_FAIR, _SMALL, 0.25, _UNFAIR),
            Goal(_FAIR, _MAP, 1.15, _UNFAIR),
            Goal(_FAIR, _CPU, 1.15, _UNFAIR),
        ],
    )
]
