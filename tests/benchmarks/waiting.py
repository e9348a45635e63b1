"""Many threads that wait at the same time on one worker, beside as many bare Celery tasks."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import psutil
import redis

from treadle.checkpoint.redis import RedisSaver
from treadle.graph import StateGraph

from .baseline import BEGAN, DONE, WAIT, app_for
from .comparison import Comparison, Goal, Measure, Sample
from .deployment import Worker, bare_worker, redis_server, treadle_worker, until
from .graphs import WAIT_S, async_waits, waits

THREADS, WARM = 500, 5

_CPU, _MEMORY = "worker CPU ms/step", "KB/waiting thread"


@contextmanager
def treadle(pool: str, graphs: Callable[[], StateGraph], name: str) -> Iterator[Measure]:
    """Yield what measures nodes that wait; each time on a new worker, whose memory is that of the waiting alone."""

    def measure() -> Sample:
        with redis_server() as url, treadle_worker(url, "-P", pool, "-c", str(THREADS)) as worker:
            graph = graphs().compile(RedisSaver(url), name=name)

            def run(threads: int) -> list[float]:
                began = time.time()
                submitted = [graph.submit({"began": 0}, {"thread_id": f"{began}-{n}"}) for n in range(threads)]
                for handle in submitted:
                    until(lambda handle=handle: watch.see() and handle.status.is_final)  # type: ignore[misc]
                return [handle.result()["began"] for handle in submitted]

            watch = _Watch(worker.main)
            return _measured(worker, watch, run)

    yield measure


@contextmanager
def bare(pool: str) -> Iterator[Measure]:
    """Yield what measures bare tasks that wait, each time on a new worker."""

    def measure() -> Sample:
        with redis_server() as url, bare_worker(url, "-P", pool, "-c", str(THREADS), stock=True) as worker:
            app, client = app_for(url, stock=True), redis.Redis.from_url(url)

            def run(threads: int) -> list[float]:
                client.delete(DONE, BEGAN)
                for _ in range(threads):
                    app.send_task(WAIT, (WAIT_S,))
                until(lambda: watch.see() and int(client.get(DONE) or 0) == threads)
                return [float(began) for began in client.lrange(BEGAN, 0, -1)]

            watch = _Watch(worker.main)
            return _measured(worker, watch, run)

    yield measure


class _Watch:
    """Notes how much memory a process has, while something else is waited for."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._seen: list[tuple[float, int]] = []

    def see(self) -> int:
        """Look once, and return how much it has."""
        rss = int(self._process.memory_info().rss)
        self._seen.append((time.time(), rss))
        return rss

    def most(self, since: float, until: float) -> int:
        """Return the most that was seen in a span of time; of all times where it is empty."""
        within = [rss for when, rss in self._seen if since <= when <= until]
        return max(within or [rss for _, rss in self._seen])


def _measured(worker: Worker, watch: _Watch, run: Callable[[int], Sequence[float]]) -> Sample:
    run(WARM)  # what the first steps import is not theirs alone
    rss, cpu, began = worker.main.memory_info().rss, worker.cpu_s(), time.time()
    begins = run(THREADS)
    used, at_once = worker.cpu_s() - cpu, _at_once(begins)
    if at_once < THREADS:  # then the memory is that of fewer, and the figure would flatter
        raise AssertionError(f"only {at_once} of {THREADS} waited at the same time")
    grown = watch.most(max(begins), min(begins) + WAIT_S) - rss
    return {
        _CPU: used / THREADS * 1000,
        _MEMORY: grown / THREADS / 1000,
        "s until all wait": max(begins) - began,
    }


def _at_once(begins: Sequence[float]) -> int:
    """Return how many waited at the same time."""
    return max(sum(begin <= other < begin + WAIT_S for begin in begins) for other in begins)


_CASES = {
    "stock Celery, threads": partial(bare, "threads"),
    "Treadle, threads, async nodes": partial(treadle, "threads", async_waits, "wait_async"),
    "Treadle, threads, blocking nodes": partial(treadle, "threads", waits, "wait"),
    "stock Celery, gevent": partial(bare, "gevent"),
    "Treadle, gevent, blocking nodes": partial(treadle, "gevent", waits, "wait"),
}


def _goals() -> Iterator[Goal]:
    for name in _CASES:
        if name.startswith("Treadle"):
            pool = next(pool for pool in ("threads", "gevent") if pool in name)
            yield Goal(name, _CPU, 5, f"stock Celery, {pool}", "on top")
            yield Goal(name, _MEMORY, 100)


COMPARISONS = [
    Comparison(
        f"waiting: {THREADS} threads that wait {WAIT_S:g} s at the same time on one worker",
        _CASES,
        list(_goals()),
        warm=False,
    )
]
