"""Makes the client of the Redis at a URL."""

from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .lean_redis import LeanRedis
from .patience import Patience

#: A Redis that is silent for so long does not answer; none of its commands takes nearly as long.
_SILENCE_S = 5
#: As many runs may wait at once in this process, by default of Redis itself; redis-py would refuse the 101st command.
_MAX_CONNECTIONS = 10_000


def redis_at(url: str, patience: Patience) -> redis.Redis:
    """Return a client that returns bytes; it connects with its first command.

    Raises:
        ValueError: the URL is none of a Redis.
    """
    client = cast(LeanRedis, LeanRedis.from_url(url, **_options()))
    client.patience = patience
    return client


def _options() -> dict[str, object]:
    return {
        "retry": Retry(NoBackoff(), 0),  # the client's own patience asks again
        "socket_timeout": _SILENCE_S,
        "socket_connect_timeout": _SILENCE_S,
        "max_connections": _MAX_CONNECTIONS,
    }
