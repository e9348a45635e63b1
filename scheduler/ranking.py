"""The order of a search by meaning: the nearest items first, and behind them those that have no vectors."""

import heapq
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from .vectors import count_of, similarities

T = TypeVar("T")


class Ranking(Generic[T]):
    """The best items so far, of any number that are shown to it a page at a time.

    Args:
        query: the vector that they are compared with.
        dims: how many numbers it has.
        most: how many are kept.
    """

    def __init__(self, query: bytes, dims: int, most: int) -> None:
        self._query, self._dims, self._most = query, dims, most
        self._best: list[tuple[float, int, T]] = []
        self._others: list[T] = []
        self._seen = 0

    def add(self, page: Sequence[tuple[T, bytes]]) -> None:
        """Look at some items, each with its vectors."""
        scored = [(item, vectors) for item, vectors in page if count_of(vectors, self._dims)]
        scores = similarities(self._query, [vectors for _, vectors in scored], self._dims)
        ranked = [
            (score, -(self._seen + at), item) for at, (score, (item, _)) in enumerate(zip(scores, scored, strict=True))
        ]
        self._seen += len(ranked)
        # No two have one number, so the items themselves are never compared; of equals the first one comes first.
        self._best = heapq.nlargest(self._most, [*self._best, *ranked])
        unscored = (item for item, vectors in page if not count_of(vectors, self._dims))
        self._others += [item for item, _ in zip(unscored, range(self._most - len(self._others)), strict=False)]

    def items(self) -> Iterator[tuple[T, float | None]]:
        """Yield the items and how near they are, the nearest first."""
        for score, _, item in self._best:
            yield item, score
        for item in self._others:
            yield item, None
