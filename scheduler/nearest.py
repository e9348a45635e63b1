"""Search by meaning: the nearest items to a query, by comparing all of them or those that the server's index offers."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import redis

from graphs.store import SearchOp

from .errors import StoreUnavailable
from .memory_items import MemoryItems, Record
from .namespaces import below
from .ranking import Ranking
from .vector_index import Standing, VectorIndex

#: How many bytes of vectors one round trip reads, about.
_VECTORS_BYTES: Final = 8 * 1024 * 1024
#: The entries that one of them reads at the most.
_PAGE: Final = 2_000
#: The most that the index is asked for: beyond it comparing all is as fast.
_MOST_OFFERED: Final = 8_000
#: What part of the items a search that compared all of them puts into the index, and how many at least.
_SHARE, _LEAST_GATHERED = 25, 200


class Nearest:
    """Finds the nearest items.

    What one round trip reads is compared as a whole. More items are looked up in the index, where it holds all of them.
    Those that it offers are compared by their own vectors; where fewer of them count than are asked for, everything is
    compared, which is always right.

    Args:
        items: the items of the memory.
        dims: how long their vectors are.
        index: what the server may have of an index; None: it is not to be used.
    """

    def __init__(self, items: MemoryItems, dims: int, index: VectorIndex | None) -> None:
        self._items, self._dims, self._index = items, dims, index
        self._page = max(1, min(_PAGE, _VECTORS_BYTES // (4 * dims)))

    def search(self, op: SearchOp, query: bytes) -> list[Record]:
        """Return at least those of the nearest items that the op asks for, each with its score, the nearest first."""
        if self._index is None:
            return self._compared(op, query)
        standing = self._index.look(op.namespace_prefix)
        if standing.items <= self._page or standing.vectors is None:
            return self._compared(op, query)
        if standing.is_whole(self._dims):
            found = self._offered(op, query, standing)
            return self._compared(op, query) if found is None else found
        compared = self._compared(op, query)
        with suppress(redis.RedisError, StoreUnavailable):  # a Redis that is full has answered all the same
            self._index.gather(standing, max(_LEAST_GATHERED, standing.items // _SHARE), patient=False)
        return compared

    def gather(self) -> None:
        """Put all items into the server's index that are not in it, where it has one."""
        if self._index is None:
            return
        standing = self._index.look(())
        while self._index.gather(standing, _PAGE):
            known, standing = standing, self._index.look(())
            if standing == known or not standing.build:  # nothing has come of it, or somebody has given it up
                return

    def _compared(self, op: SearchOp, query: bytes) -> list[Record]:
        ranking: Ranking[bytes] = Ranking(query, self._dims, op.offset + op.limit)
        for entries in self._items.pages(below(op.namespace_prefix), self._page):
            ranking.add(self._wanted(op, entries))
        scores = dict(ranking.items())
        found = self._items.fetch([*scores])
        return [replace(record, score=scores[record.entry]) for record in found if record]

    def _wanted(self, op: SearchOp, entries: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Return the entries that the filter accepts, with their vectors; the values are read for a filter alone."""
        if not op.filter:
            return self._items.fetch_vectors(entries)
        read = self._items.fetch_with_vectors(entries)
        return [(record.entry, vectors) for record, vectors in read if op.accepts(record.item.value)]

    def _offered(self, op: SearchOp, query: bytes, standing: Standing) -> list[Record] | None:
        """Return what is the nearest for sure by what the index offers; None: that cannot be said."""
        assert self._index is not None  # nosec B101  # else there is no standing
        for count in counts(op, standing.items):
            offered = self._index.nearest(query, op.namespace_prefix, count, standing)
            if offered is None:
                return None
            ranked = self._ranked(query, offered)
            if found := enough(ranked, op):
                return found
            if len(offered) < count:  # there are no more of them
                return None
        return None

    def _ranked(self, query: bytes, entries: Iterable[bytes]) -> list[Record]:
        # In the order of their entries, which is that of equals.
        read = self._items.fetch_with_vectors(sorted({*entries}))
        ranking: Ranking[Record] = Ranking(query, self._dims, len(read))
        ranking.add(read)
        return [replace(record, score=score) for record, score in ranking.items()]


def counts(op: SearchOp, items: int) -> Iterator[int]:
    """Yield how many vectors the index is asked for, more each time; nothing where that would be too many."""
    wanted = op.offset + op.limit
    count = (2 * wanted + 20) * (4 if op.filter else 1)
    while count <= min(items // 4, _MOST_OFFERED):
        yield count
        count *= 4


def enough(ranked: list[Record], op: SearchOp) -> list[Record] | None:
    """Return what an op asks for out of what the index offered, the nearest first; None: too little of it counts.

    Of items that are as far away as the last of all that were offered, others may have been left out.
    """
    if not ranked or ranked[-1].score is None:
        return None
    last, depth = ranked[-1].score, len(op.namespace_prefix)
    found = [
        record
        for record in ranked
        if record.score is not None
        and record.score > last
        and record.item.namespace[:depth] == op.namespace_prefix
        and op.accepts(record.item.value)
    ]
    return found if len(found) >= op.offset + op.limit else None
