"""The commands of Redis that are read with, typed for a client that returns bytes.

redis-py types every reply as bytes or text, because one setting of the client decides it; here it is decided.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

StreamEntries = list[tuple[bytes, dict[bytes, bytes]]]


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

    def zmscore(self, key: str, members: Sequence[str]) -> list[float | None]:
        """Return the scores of members of a sorted set."""

    def pipeline(self, transaction: bool) -> Any:
        """Return a pipeline: its commands travel together."""
