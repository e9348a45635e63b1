"""What Redis itself spends on the two scripts of a step, by the size of the state and whether it changes."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha1
from itertools import count
from statistics import median
from typing import Any, TypedDict

import redis

from scheduler.lua_files import load, names
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import END, StateGraph

from .comparison import Case, Comparison, Goal, Measure, Sample
from .deployment import redis_server

STEPS = 30
SIZES = {"1 KB": 1_000, "100 KB": 100_000, "1 MB": 1_000_000}

_STEP_SCRIPTS = ("lease_step", "commit_superstep")
_SET = "HSET of the value"
_LEASE, _COMMIT = (f"{name} µs" for name in _STEP_SCRIPTS)


class Load(TypedDict):
    """A state of some size."""

    count: int
    data: bytes


@contextmanager
def scripts(size: int, *, changed: bool) -> Iterator[Measure]:
    """Yield what measures the scripts of steps, each of which changes the large value, or leaves it."""
    with redis_server() as url, redis.Redis.from_url(url) as client:
        client.config_set("slowlog-log-slower-than", 0)
        client.config_set("slowlog-max-len", 100_000)
        graph, turns = _graph(size, changed=changed).compile(RedisSaver(url, inline=True), name="load"), count()

        def measure() -> Sample:
            client.slowlog_reset()
            output = graph.invoke({"count": 0, "data": b"0" * size}, {"thread_id": f"load-{next(turns)}"})
            if output["count"] != STEPS or len(output["data"]) != size:
                raise AssertionError("The state is not what it should be.")
            for number in range(STEPS):
                client.hset("benchmark:hash", "data", b"%d" % (number % 10) * size)
            spent = _spent(client)
            return {_SET: spent["HSET"], **{f"{name} µs": spent[name] for name in _STEP_SCRIPTS}}

        yield measure


def _graph(size: int, *, changed: bool) -> StateGraph:
    def step(state: Load) -> dict[str, Any]:
        number = state["count"] + 1
        return {"count": number} | ({"data": b"%d" % (number % 10) * size} if changed else {})

    builder = StateGraph(Load).add_node("step", step).set_entry_point("step")
    return builder.add_conditional_edges("step", lambda state: "step" if state["count"] < STEPS else END)


def _spent(client: redis.Redis) -> dict[str, float]:
    """Return Redis' own median time of each script and command, in microseconds."""
    by_digest = {sha1(load(name).text.encode()).hexdigest(): name for name in names()}
    spent: dict[str, list[int]] = defaultdict(list)
    for entry in client.slowlog_get(100_000):
        command, *arguments = entry["command"].split(b" ", 2)
        name = by_digest.get(arguments[0].decode(), "") if command == b"EVALSHA" else command.decode()
        spent[name].append(entry["duration"])
    return {name: median(durations) for name, durations in spent.items()}


def _cases() -> Iterator[tuple[str, Case]]:
    for name, size in SIZES.items():
        yield f"{name}, unchanged", partial(scripts, size, changed=False)
        yield f"{name}, changed", partial(scripts, size, changed=True)


COMPARISONS = [
    Comparison(
        "scripts: Redis' own time for a step",
        dict(_cases()),
        [
            Goal("1 MB, unchanged", _LEASE, 1.1, "1 KB, unchanged"),
            Goal("1 MB, unchanged", _COMMIT, 1.1, "1 KB, unchanged"),
        ],
    )
]
