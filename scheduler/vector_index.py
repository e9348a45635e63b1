"""The index of the memory's vectors, which a server with vector sets (Redis 8) keeps: what it holds, what it offers."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import redis

from graphs.store import Namespace

from .keys import Keys
from .memory_scripts import MemoryScripts
from .namespaces import Span, below, filter_of

#: How many candidates a search in the index keeps in sight at least: more of them find more of the nearest.
_EFFORT: Final = 400
#: How many times as many vectors it may look at as would be needed if those below a prefix lay scattered evenly.
_PATIENCE: Final = 8
#: How many items are put into the index in one round trip, each by a script of its own, so that others come in between.
_TOGETHER: Final = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """How the index stands when a search begins."""

    #: How many items lie below the prefix, with vectors or without.
    items: int
    #: How many vectors the index holds; None: the server has no vector sets, or its user may not use them.
    vectors: int | None
    #: How long they are, which attempt at an index it is, and up to which entry the items are in it.
    dims: int = 0
    build: bytes = b""
    cursor: bytes | None = None
    #: Whether it has held a vector: if it holds none now, somebody has deleted it.
    held: bool = False

    def is_whole(self, dims: int) -> bool:
        """Tell whether every item that has vectors of so many dimensions is in the index."""
        return self._is_kept(dims) and self.cursor is None

    def is_begun(self, dims: int) -> bool:
        """Tell whether items are being put into it."""
        return self._is_kept(dims) and self.cursor is not None

    def _is_kept(self, dims: int) -> bool:
        return self.vectors is not None and self.dims == dims and bool(self.vectors or not self.held)


class VectorIndex:
    """The vector set, and how far it has come.

    It is begun by a search that finds many items, and every write keeps it from then on. What it offers is near by
    rounded numbers, and need not be all: whoever asks compares the items themselves.

    Args:
        client: a client that returns bytes.
        scripts: those of the memory, on the same client.
        keys: the names of its keys.
        dims: how long the vectors are.
    """

    def __init__(self, client: redis.Redis, scripts: MemoryScripts, keys: Keys, dims: int) -> None:
        self._redis, self._scripts, self._keys, self._dims = client, scripts, keys, dims

    def look(self, prefix: Namespace) -> Standing:
        """Return how the index stands, and how many items lie below a prefix."""
        span = below(prefix)
        pipeline: Any = self._redis.pipeline(transaction=False)
        pipeline.zlexcount(self._keys.memory_index(), span.first, span.last)
        pipeline.hmget(self._keys.memory_gathered(), ["dims", "build", "cursor", "held"])
        pipeline.execute_command("VCARD", self._keys.memory_vectors())
        items, (dims, build, cursor, held), vectors = pipeline.execute(raise_on_error=False)
        known = vectors if isinstance(vectors, int) else None
        return Standing(items, known, int(dims or 0), build or b"", cursor, bool(held))

    def nearest(self, query: bytes, prefix: Namespace, count: int, standing: Standing) -> list[bytes] | None:
        """Return the entries of so many vectors that are near to a query, some of them perhaps not below the prefix.

        None: the index is another one by now, or does not answer.
        """
        effort = max(_EFFORT, count)
        words: list[Any] = ["FP32", query, "COUNT", count, "EF", effort]
        if expression := filter_of(prefix):
            scattered = effort * (standing.vectors or 0) // max(1, standing.items)
            words += ["FILTER", expression, "FILTER-EF", _PATIENCE * max(effort, scattered)]
        pipeline: Any = self._redis.pipeline(transaction=False)
        pipeline.execute_command("VSIM", self._keys.memory_vectors(), *words)
        pipeline.hmget(self._keys.memory_gathered(), ["build", "cursor"])
        elements, state = pipeline.execute(raise_on_error=False)
        if state != [standing.build, None] or isinstance(elements, Exception):
            return None
        return [element.partition(b":")[2] for element in elements]

    def gather(self, standing: Standing, most: int, *, patient: bool = True) -> bool:
        """Put up to so many items into the index that are not in it, from where it stands.

        Returns False where all are, or the server has no vector sets. ``patient``: whether a Redis that ails is waited
        for.
        """
        send = partial(self._scripts.send, patient=patient)
        if standing.vectors is None or standing.is_whole(self._dims):
            return False
        build, cursor = standing.build, standing.cursor if standing.is_begun(self._dims) else None
        if cursor is None:
            build, cursor = os.urandom(8), b""
            (begun,) = send(self._scripts.begin_vectors(standing.build, build, self._dims))
            if not begun:
                return True  # somebody else has begun
        for _ in range(0, most, _TOGETHER):
            entries = self._entries(cursor)
            following = entries[-1] if len(entries) == _TOGETHER else b""
            calls = [self._scripts.gather(entry, build) for entry in entries]
            *_, moved = send(*calls, self._scripts.move_on(build, cursor, following))
            if not moved or not following:
                break
            cursor = following
        return True

    def _entries(self, cursor: bytes) -> Sequence[bytes]:
        span = Span().after(cursor) if cursor else Span()
        found: Any = self._redis.zrangebylex(self._keys.memory_index(), span.first, span.last, 0, _TOGETHER)
        return list(found)
