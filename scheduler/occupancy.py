"""How the limits of a deployment stand: how much of each is used, and how many steps wait for it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from graphs.concurrency import Concurrency

from .admission import Limit
from .connection import Connection


@dataclass(frozen=True, slots=True)
class Occupancy:
    """One limit at one moment."""

    graph: str
    #: "steps" of the graph, the name of its key, or the node that it is the pace of.
    what: str
    #: Whose it is, of a key; a hash, where values are sealed.
    key: str | None
    #: How many slots are taken; of a pace None.
    used: int | None
    #: How many slots there are, or how many starts a second; None: any number.
    most: float | None
    #: How many steps wait for a slot, or for their turn.
    waiting: int


def occupancies(connection: Connection, limits: Iterable[Limit], *, keys: bool = True) -> Iterator[Occupancy]:
    """Yield how limits stand, each graph's once; ``keys``: also of each key that has a slot or waits for one.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    now_ms, seen = connection.now_ms(), set[str]()
    for limit in limits:
        if limit.concurrency is not None and limit.graph not in seen:
            seen.add(limit.graph)
            yield from _of_slots(connection, limit.graph, limit.concurrency, now_ms, keys=keys)
        if limit.interval_ms is not None:
            yield _of_pace(connection, limit, limit.interval_ms, now_ms)


def _of_slots(connection: Connection, graph: str, most: Concurrency, now_ms: int, *, keys: bool) -> Iterator[Occupancy]:
    named, pipeline = connection.keys.of_limits(graph).named, connection.redis.pipeline(transaction=False)
    pipeline.zcount(named("slots"), now_ms, "+inf")
    pipeline.zcard(named("line"))
    pipeline.hgetall(named("used"))
    pipeline.zrange(named("ready"), 0, -1)
    taken, waiting, used, ready = pipeline.execute()
    yield Occupancy(graph, "steps", None, taken, most.steps, waiting)
    for key in sorted({*used, *ready} - {b""}) if keys and most.key else ():
        found: Any = connection.client.zlexcount(named("line"), f"[{key.decode()} ", f"({key.decode()}!")
        whose = unquote(key.decode())
        yield Occupancy(graph, str(most.key), whose, int(used.get(key, 0)), most.steps_per_key, int(found))


def _of_pace(connection: Connection, limit: Limit, interval_ms: float, now_ms: int) -> Occupancy:
    pace = connection.keys.of_limits(limit.graph, limit.node).named("pace")
    free = max(float(moment or 0) for moment in connection.redis.hmget(pace, ["next", "late"]))
    waiting = max(0, int((free - now_ms) / interval_ms))
    return Occupancy(limit.graph, limit.node, None, None, 1000 / interval_ms, waiting)
