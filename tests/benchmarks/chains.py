"""Steps a second on workers, beside bare Celery tasks that carry no state."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypedDict

import redis

from treadle.checkpoint.redis import RedisSaver
from treadle.graph import CompiledStateGraph, StateGraph

from .baseline import DONE, HOP, app_for
from .deployment import redis_server, until, worker

THREADS, STEPS = 20, 100


class Counter(TypedDict):
    """A small state."""

    count: int


def _count(state: Counter) -> Counter:
    return {"count": state["count"] + 1}


def build() -> StateGraph:
    """Return a cycle of one node that ends after STEPS rounds."""
    builder = StateGraph(Counter)
    builder.add_node("count", _count)
    builder.set_entry_point("count")
    builder.add_conditional_edges("count", lambda state: "count" if state["count"] < STEPS else "__end__")
    return builder


graph: CompiledStateGraph = build().compile(RedisSaver(), name="bench")


@contextmanager
def threads() -> Iterator[Callable[[], float]]:
    """Yield what measures Treadle's steps a second."""
    with redis_server() as url, worker(url, "workers", {"TREADLE_GRAPHS": "tests.benchmarks.chains:graph"}):
        compiled = build().compile(RedisSaver(url), name="bench")
        rounds = iter(range(1000))

        def measure() -> float:
            turn = next(rounds)
            began = time.perf_counter()
            handles = [compiled.submit({"count": 0}, {"thread_id": f"{turn}-{n}"}) for n in range(THREADS)]
            for handle in handles:
                if handle.result(120) != {"count": STEPS}:
                    raise AssertionError(handle)
            return THREADS * STEPS / (time.perf_counter() - began)

        yield measure


@contextmanager
def bare(*, stock: bool) -> Iterator[Callable[[], float]]:
    """Yield what measures bare Celery's tasks a second."""
    with redis_server() as url, worker(url, "tests.benchmarks.bare", {"BENCHMARK_STOCK": "1"} if stock else {}):
        app, client = app_for(url, stock=stock), redis.Redis.from_url(url)

        def measure() -> float:
            client.delete(DONE)
            began = time.perf_counter()
            for _ in range(THREADS):
                app.send_task(HOP, (STEPS - 1,))
            until(lambda: int(client.get(DONE) or 0) == THREADS)
            return THREADS * STEPS / (time.perf_counter() - began)

        yield measure
