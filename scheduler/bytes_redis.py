"""The commands of Redis that are read with, typed for a client that returns bytes, and what is said when it is down.

redis-py types every reply as bytes or text, because one setting of the client decides it; here it is decided.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

import redis

from .ailments import ailment_of
from .errors import StoreUnavailable

StreamEntry = tuple[bytes, dict[bytes, bytes]]
StreamEntries = list[StreamEntry]


class BytesRedis(Protocol):
    """A synchronous Redis client whose replies are bytes."""

    def hget(self, name: str, key: str) -> bytes | None:
        """Return one field of a hash."""

    def hgetall(self, name: str) -> dict[bytes, bytes]:
        """Return a hash."""

    def hmget(self, name: str, keys: Sequence[str]) -> list[bytes | None]:
        """Return several fields of a hash."""

    def hvals(self, name: str) -> list[bytes]:
        """Return the values of a hash."""

    def smembers(self, name: str) -> set[bytes]:
        """Return the members of a set."""

    def llen(self, name: str) -> int:
        """Return how long a list is."""

    def lrange(self, name: str, start: int, end: int) -> list[bytes]:
        """Return a part of a list."""

    def lpush(self, name: str, *values: bytes) -> int:
        """Put values at the head of a list."""

    def time(self) -> tuple[int, int]:
        """Return Redis' clock: seconds and microseconds."""

    def xrange(self, name: str, min: str, max: str, count: int | None = None) -> StreamEntries:
        """Return the entries of a stream, the oldest first."""

    def xread(self, streams: Mapping[str, str], *, block: int) -> Any:
        """Wait for entries of streams."""

    def xrevrange(self, name: str, max: str, min: str, count: int | None = None) -> StreamEntries:
        """Return the entries of a stream, the newest first."""

    def zrange(self, key: str, start: int, end: int) -> list[bytes]:
        """Return members of a sorted set, the one with the lowest score first."""

    def zmscore(self, key: str, members: Sequence[str]) -> list[float | None]:
        """Return the scores of members of a sorted set."""

    def zscan(self, name: str, cursor: int, *, count: int) -> tuple[int, list[tuple[bytes, float]]]:
        """Return some of the members of a sorted set, and where to go on; 0: that was all."""

    def pipeline(self, transaction: bool) -> Any:
        """Return a pipeline: its commands travel together."""


@contextmanager
def available(doing: str) -> Iterator[None]:
    """Say StoreUnavailable where Redis ails: why, and what to do; ``doing`` says what it could not do."""
    try:
        yield
    except redis.RedisError as error:
        if (told := unavailable(doing, error)) is None:
            raise
        raise told from error


def unavailable(doing: str, error: object) -> StoreUnavailable | None:
    """Return what is said of an error of a Redis that ails; None: the error is something else."""
    ailment = ailment_of(error)
    if ailment is None:
        return None
    return StoreUnavailable(f"Redis could not {doing}, because {ailment.told}. {ailment.remedy} ({error})")


def reading(client: redis.Redis) -> BytesRedis:
    """Return a client as one whose commands raise StoreUnavailable; its replies must be bytes."""
    return cast(BytesRedis, _Reading(client))


class _Reading:
    """Hands every command on; one by one they would be a page of the same line."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        command = getattr(self._client, name)

        def send(*args: Any, **options: Any) -> Any:
            with available(f"answer {name.upper()}"):
                return command(*args, **options)

        return send

    def pipeline(self, transaction: bool) -> Any:
        return _Reading(self._client.pipeline(transaction=transaction))
