"""Makes the client of the Redis at a URL."""

from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from .cluster_redis import ClusterRedis
from .lean_redis import LeanRedis
from .patience import Patience
from .replicas import Replicas
from .sentinels import primary_of
from .urls import ManyServers, many_servers

#: A Redis that is silent for so long does not answer; none of its commands takes nearly as long.
_SILENCE_S = 5
_SENTINEL_SILENCE_S = 0.5
#: redis-py says nothing of its type.
_parse_url: Any = parse_url
#: A connection that was closed while nobody used it is no ailment; of anything else the client's patience takes care.
_ONCE_MORE = Retry(NoBackoff(), 1, (redis.ConnectionError,))
#: As many runs may wait at once in this process, by default of Redis itself; redis-py would refuse the 101st command.
_MAX_CONNECTIONS = 10_000


def redis_at(url: str, patience: Patience, replicas: Replicas | None = None) -> redis.Redis:
    """Return a client that returns bytes; it connects with its first command.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``; ``sentinel://`` or ``cluster://`` with several servers.
        patience: how long it waits for a Redis that ails.
        replicas: which copies of its writes it waits for.

    Raises:
        ValueError: the URL is none of a Redis.
    """
    many = many_servers(url)
    if many is not None and many.scheme == "cluster":
        cluster = ClusterRedis(many.servers, lambda address: _lean(many.url_of(address), replicas), patience)
        return cast(redis.Redis, cluster)  # it has the commands that are used here
    client = _primary(many) if many else _lean(url, replicas)
    client.patience, client.replicas = patience, replicas
    return client


def servers_of(client: redis.Redis) -> list[redis.Redis]:
    """Return a client of each server that takes writes."""
    cluster: object = client
    return [*cluster.primaries()] if isinstance(cluster, ClusterRedis) else [client]


def _lean(url: str, replicas: Replicas | None) -> LeanRedis:
    client = cast(LeanRedis, LeanRedis.from_url(url, **_options()))
    client.replicas = replicas
    return client


def _primary(many: ManyServers) -> LeanRedis:
    """Return a client of the server that the sentinels say is the primary, whenever it connects."""
    options = _options() | dict(_parse_url(many.url_of(many.servers[0])))
    for name in ("host", "port", "connection_class"):  # the sentinels say where
        options.pop(name, None)
    tls = {"ssl": True, **{name: value for name, value in options.items() if name.startswith("ssl_")}}
    # A sentinel that is silent has others beside it, which are asked then.
    waiting = {"socket_timeout": _SENTINEL_SILENCE_S, "socket_connect_timeout": _SENTINEL_SILENCE_S}
    own = {**waiting, **many.sentinel_login, **(tls if many.tls else {}), "retry": _ONCE_MORE}
    return primary_of(many.service, many.servers, options, own)


def _options() -> dict[str, Any]:
    return {
        "retry": _ONCE_MORE,
        "socket_timeout": _SILENCE_S,
        "socket_connect_timeout": _SILENCE_S,
        "max_connections": _MAX_CONNECTIONS,
    }
