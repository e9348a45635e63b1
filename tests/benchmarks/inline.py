"""The cost of a step in this process, beside the scripts that it cannot do without."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scheduler.scripts import Scripts
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.checkpoint.redis import RedisSaver

from .chains import STEPS, build
from .deployment import redis_server


@contextmanager
def memory() -> Iterator[Callable[[], float]]:
    """Yield what measures microseconds a step with MemorySaver."""
    yield _measured(MemorySaver())


@contextmanager
def on_redis() -> Iterator[Callable[[], float]]:
    """Yield what measures microseconds a step in this process, on a real Redis."""
    with redis_server() as url:
        yield _measured(RedisSaver(url, inline=True))


@contextmanager
def scripts_alone() -> Iterator[Callable[[], float]]:
    """Yield what measures, of the same steps, the microseconds that their scripts take: the round trips."""
    with redis_server() as url:
        saver = RedisSaver(url, inline=True)
        spent = _timed(saver.engine.connection.scripts)
        run = _measured(saver)

        def measure() -> float:
            spent.clear()
            run()
            return sum(spent) / STEPS * 1e6

        yield measure


def _timed(scripts: Scripts) -> list[float]:
    """Note how long each call of a script takes."""
    spent: list[float] = []
    call = scripts._call

    def timed(*args: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*args)
        finally:
            spent.append(time.perf_counter() - began)

    scripts._call = timed  # type: ignore[assignment,method-assign]
    return spent


def _measured(saver: BaseCheckpointSaver) -> Callable[[], float]:
    graph = build().compile(saver, name="bench")
    rounds = iter(range(1000))

    def measure() -> float:
        began = time.perf_counter()
        graph.invoke({"count": 0}, {"thread_id": f"inline-{next(rounds)}"})
        return (time.perf_counter() - began) / STEPS * 1e6

    return measure
