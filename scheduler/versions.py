"""Which version of a graph is newer: the one that workers had later for the first time."""

from collections.abc import Sequence
from typing import cast

from .bytes_redis import available
from .connection import Connection

#: How many older versions a newer one takes over from.
_TAKEN_OVER = 8


class Versions:
    """The versions of graphs that workers have had, in the order in which they came."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def note(self, graph: str, fingerprint: str) -> None:
        """Note that a worker has a version; one that was there before keeps its place.

        Raises:
            StoreUnavailable: Redis does not answer, is full, or only reads.
        """
        at_ms = self._connection.now_ms()
        with available("note a version"):
            self._connection.client.zadd(self._connection.keys.versions(graph), {fingerprint: at_ms}, nx=True)

    def older(self, graph: str, fingerprint: str) -> Sequence[str]:
        """Return the versions before one, the newest first; none for a version that no worker has had.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        with available("read the versions"):
            found = cast(list[bytes], self._connection.client.zrange(self._connection.keys.versions(graph), 0, -1))
        known = [one.decode() for one in found]
        before = known[: known.index(fingerprint)] if fingerprint in known else []
        return before[::-1][:_TAKEN_OVER]
