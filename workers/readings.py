"""What Redis says of a deployment when the metrics are read: a few round trips, whatever the number of threads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import redis

from scheduler.admission import Limit
from scheduler.bytes_redis import available
from scheduler.connection import Connection
from scheduler.counts import Counts
from scheduler.occupancy import Occupancy, occupancies
from scheduler.redis_at import servers_of

_NO_QUEUES: Mapping[str, Sequence[str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Server:
    """What the servers that take writes say of themselves."""

    #: Bytes that they use, and may use at the most; 0: as much as there is.
    memory: int
    memory_limit: int
    #: The fewest replicas that one of them has.
    replicas: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found at one moment."""

    counts: Counts
    threads: int
    in_flight: int
    #: How late the longest overdue entry is; 0: nothing is overdue.
    oldest_overdue_ms: float
    #: None: it says nothing of itself (fakeredis, a service that forbids it).
    server: Server | None
    #: The lengths of queues, where the broker is this Redis.
    queues: Mapping[str, int] = field(default_factory=dict)
    #: How the limits stand of the graphs that are known; of a key, which may be one of many, nothing is told.
    limits: Sequence[Occupancy] = ()


def read(
    connection: Connection, queues: Mapping[str, Sequence[str]] = _NO_QUEUES, limits: Iterable[Limit] = ()
) -> Reading:
    """Ask Redis; ``queues`` lie in it: name -> the keys of its lists.

    Raises:
        StoreUnavailable: it does not answer.
    """
    now_ms = connection.now_ms()
    dues, indexes, counted = connection.keys.due_sets(), connection.keys.thread_indexes(), connection.keys.counts()
    pipeline = connection.redis.pipeline(transaction=False)
    for key in dues:
        pipeline.zrange(key, 0, 0, withscores=True)
    for key in dues:
        pipeline.zcount(key, "-inf", "+inf")
    for key in indexes:
        pipeline.zcount(key, "-inf", "+inf")
    for key in counted:
        pipeline.hgetall(key)
    for key in (key for keys in queues.values() for key in keys):
        pipeline.llen(key)
    answers = iter(pipeline.execute())
    oldest, in_flight, threads, counts = ([next(answers) for _ in keys] for keys in (dues, dues, indexes, counted))
    late_ms = (now_ms - first[0][1] for first in oldest if first)
    return Reading(
        Counts.of(counts),
        sum(threads),
        sum(in_flight),
        max([0, *late_ms]),
        _server(connection.client),
        {name: sum(next(answers) for _ in keys) for name, keys in queues.items()},
        tuple(occupancies(connection, limits, keys=False)),
    )


def _server(client: redis.Redis) -> Server | None:
    try:
        with available("answer INFO"):
            told = [(server.info("memory"), server.info("replication")) for server in servers_of(client)]
        return Server(
            sum(int(memory["used_memory"]) for memory, _ in told),
            sum(int(memory["maxmemory"]) for memory, _ in told),
            min(int(replication["connected_slaves"]) for _, replication in told),
        )
    except (redis.ResponseError, KeyError):
        return None
