"""The cost of a step in this process, beside the scripts that it cannot do without, and beside a peer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from typing import Any

from scheduler.scripts import Scripts
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.checkpoint.redis import RedisSaver

from . import peers
from .comparison import Case, Comparison, Goal, Measure, Sample
from .deployment import redis_server
from .graphs import STEPS, chains

_COST = "µs/step"


@contextmanager
def memory() -> Iterator[Measure]:
    """Yield what measures a step with MemorySaver."""
    yield _measured(_runs(MemorySaver()))


@contextmanager
def on_redis() -> Iterator[Measure]:
    """Yield what measures a step in this process, on a real Redis."""
    with redis_server() as url:
        yield _measured(_runs(RedisSaver(url, inline=True)))


@contextmanager
def scripts_alone() -> Iterator[Measure]:
    """Yield what measures, of the same steps, the time that their scripts take: the round trips."""
    with redis_server() as url:
        saver = RedisSaver(url, inline=True)
        spent = _timed(saver.engine.connection.scripts)
        run = _runs(saver)

        def measure() -> Sample:
            spent.clear()
            run()
            return {_COST: sum(spent) / STEPS * 1e6}

        yield measure


@contextmanager
def langgraph() -> Iterator[Measure]:
    """Yield what measures a step of the same graph with LangGraph's saver in memory."""
    yield _measured(peers.langgraph())


def _timed(scripts: Scripts) -> list[float]:
    """Note how long each call of a script takes."""
    spent: list[float] = []
    call = scripts._caller.call

    def timed(*args: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*args)
        finally:
            spent.append(time.perf_counter() - began)

    scripts._caller.call = timed  # type: ignore[assignment,method-assign]
    return spent


def _runs(saver: BaseCheckpointSaver) -> Callable[[], object]:
    graph, turns = chains().compile(saver, name="chain"), count()
    return lambda: graph.invoke({"count": 0}, {"thread_id": f"inline-{next(turns)}"})


def _measured(run: Callable[[], object]) -> Measure:
    def measure() -> Sample:
        began, cpu = time.perf_counter(), time.process_time()
        output = run()
        took, used = time.perf_counter() - began, time.process_time() - cpu
        if output != {"count": STEPS}:
            raise AssertionError(output)
        return {_COST: took / STEPS * 1e6, "CPU µs/step": used / STEPS * 1e6}

    return measure


_PEERS: dict[str, Case] = {"LangGraph's InMemorySaver": langgraph} if find_spec("langgraph") else {}

COMPARISONS = [
    Comparison(
        f"inline: a run of {STEPS} steps in this process",
        {
            "the scripts alone": scripts_alone,
            "RedisSaver(inline=True)": on_redis,
            "MemorySaver": memory,
            **_PEERS,
        },
        [
            Goal("RedisSaver(inline=True)", _COST, 500),
            Goal("MemorySaver", _COST, 700),
            *(Goal("MemorySaver", _COST, 1, peer) for peer in _PEERS),
        ],
    )
]
