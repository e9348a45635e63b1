"""A turn of a chat, on a young thread beside one with a long history; and what a history weighs in Redis."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import redis

from treadle.checkpoint.memory import MemorySaver
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import CompiledStateGraph

from .comparison import Case, Comparison, Goal, Measure, Sample
from .deployment import redis_server, treadle_worker
from .graphs import SAID, chats

YOUNG, OLD = 10, 10_000
#: How many turns a measurement of time has, of which the median counts.
TURNS = 20

_TURN, _COLD = "ms/turn", "ms, first turn of a process"
_MESSAGE = {"role": "user", "content": SAID}
_AT_ONCE = 100
_THREADS = count()


@contextmanager
def inline(messages: int) -> Iterator[Measure]:
    """Yield what measures a turn in this process, on a real Redis; with the first one of a new process."""
    with redis_server() as url:
        graph = _graph(RedisSaver(url, inline=True))
        config = _told(graph, messages)

        def measure() -> Sample:
            anew = _graph(RedisSaver(url, inline=True))
            anew.threads.list()  # connects
            return _turns(graph, config, messages) | {_COLD: _turn(anew, config)}

        yield measure


@contextmanager
def on_worker(messages: int) -> Iterator[Measure]:
    """Yield what measures a turn on a worker, from the call to its output."""
    with redis_server() as url, treadle_worker(url):
        config = _told(_graph(RedisSaver(url, inline=True)), messages)
        graph = _graph(RedisSaver(url))
        yield lambda: _turns(graph, config, messages)


@contextmanager
def in_memory(messages: int) -> Iterator[Measure]:
    """Yield what measures a turn with MemorySaver."""
    graph = _graph(MemorySaver())
    config = _told(graph, messages)
    yield lambda: _turns(graph, config, messages)


@contextmanager
def weighed(turns: int) -> Iterator[Measure]:
    """Yield what measures, kind of key by kind of key, how much of Redis' memory a number of turns takes."""
    with redis_server() as url, redis.Redis.from_url(url) as client:

        def measure() -> Sample:
            client.flushall()
            graph = _graph(RedisSaver(url, inline=True))
            for _ in range(turns):
                _turn(graph, {"thread_id": "chat"})
            kinds: Counter[str] = Counter()
            for key in client.scan_iter(count=1000):
                kinds[key.decode().split(":")[2]] += client.memory_usage(key, samples=0)
            said = 2 * turns * len(SAID)
            total = {
                "KB": kinds.total() / 1000,
                "B/turn": kinds.total() / turns,
                "of what was said": kinds.total() / said,
            }
            return total | {f"{kind} KB": size / 1000 for kind, size in kinds.most_common()}

        yield measure


def _graph(saver: Any) -> CompiledStateGraph:
    return chats().compile(saver, name="chat")


def _told(graph: CompiledStateGraph, messages: int) -> dict[str, str]:
    """Return the config of a thread with a history, which is told in few checkpoints: only its length is to count."""
    config = {"thread_id": f"chat-{next(_THREADS)}"}
    for number in range(0, messages, _AT_ONCE):
        few = min(_AT_ONCE, messages - number)
        graph.update_state(config, {"messages": [_MESSAGE] * few}, as_node="answer")
    return config


def _turn(graph: CompiledStateGraph, config: dict[str, str]) -> float:
    """Return how many milliseconds a turn takes."""
    began = time.perf_counter()
    graph.invoke({"messages": [_MESSAGE]}, config)
    return (time.perf_counter() - began) * 1000


def _turns(graph: CompiledStateGraph, config: dict[str, str], messages: int) -> dict[str, float]:
    """Return the time of a turn, in a thread that stays young where it is to be young."""
    before = len(graph.get_state(config).values["messages"])
    took = sorted(_turn(graph, config) for _ in range(TURNS))
    after = len(graph.get_state(config).values["messages"])
    if before < messages or after != before + 2 * TURNS:
        raise AssertionError(f"{before} messages became {after}")
    return {_TURN: took[TURNS // 2]}


def _pairs() -> dict[str, Case]:
    kinds = {"inline on Redis": inline, "on a worker": on_worker, "MemorySaver": in_memory}
    sizes = {f"{YOUNG} messages": YOUNG, f"{OLD:,} messages": OLD}
    return {
        f"{kind}, {size}": partial(case, messages) for kind, case in kinds.items() for size, messages in sizes.items()
    }


def _goals() -> Iterator[Goal]:
    names = list(_pairs())
    for young, old in zip(names[::2], names[1::2], strict=True):
        yield Goal(old, _TURN, 1.5, young)


COMPARISONS = [
    Comparison("chat: a turn of two messages", _pairs(), list(_goals())),
    Comparison(
        f"chat: Redis' memory after turns of two messages of {len(SAID)} bytes",
        {f"{turns:,} turns": partial(weighed, turns) for turns in (200, 1_000, 2_000)},
        [
            Goal("2,000 turns", "KB", 3_000),
            Goal("2,000 turns", "B/turn", 1.05, "200 turns"),
        ],
        warm=False,
        rounds=1,
    ),
]
