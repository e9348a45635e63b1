"""The port of the long-term memory: the store that threads and workers share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Literal, cast

from .errors import InvalidNamespaceError
from .store_ops import (
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Namespace,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    Value,
)

__all__ = [
    "RESERVED_ROOTS",
    "BaseStore",
    "GetOp",
    "Item",
    "ListNamespacesOp",
    "MatchCondition",
    "Namespace",
    "Op",
    "PutOp",
    "Result",
    "SearchItem",
    "SearchOp",
    "Value",
]

#: First labels that `put` refuses because they are the framework's; its own writes go through `batch`.
RESERVED_ROOTS = frozenset({"langgraph", "treadle"})


class BaseStore(ABC):
    """The long-term memory, shared by threads: dicts under a key in a namespace."""

    @abstractmethod
    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run the ops and return one result for each, in their order.

        Reads see the store as it was before the batch; of several writes to one item the last one stays.
        """

    @abstractmethod
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Run the ops as `batch` does, without blocking the event loop."""

    def get(self, namespace: Namespace, key: str, *, refresh_ttl: bool | None = None) -> Item | None:
        """Return the item, or None when there is none or it has expired."""
        return cast(Item | None, self.batch([GetOp(namespace, key, refresh_ttl is not False)])[0])

    async def aget(self, namespace: Namespace, key: str, *, refresh_ttl: bool | None = None) -> Item | None:
        """Return the item, or None when there is none or it has expired."""
        return cast(Item | None, (await self.abatch([GetOp(namespace, key, refresh_ttl is not False)]))[0])

    def search(  # noqa: PLR0913 - the signature that users know
        self,
        namespace_prefix: Namespace,
        /,
        *,
        query: str | None = None,
        filter: Value | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Return the items below the prefix whose value satisfies the filter.

        A filter gives the wanted value per key, or operators: `{"age": {"$gte": 18}}` with `$eq $ne $gt $gte $lt $lte`.
        Items come in the order of their namespace and key; a query ranks them only in a store with embeddings.
        """
        op = SearchOp(namespace_prefix, filter, limit, offset, query, refresh_ttl is not False)
        return cast(list[SearchItem], self.batch([op])[0])

    async def asearch(  # noqa: PLR0913 - the signature that users know
        self,
        namespace_prefix: Namespace,
        /,
        *,
        query: str | None = None,
        filter: Value | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Return the items below the prefix whose value satisfies the filter, as `search` does."""
        op = SearchOp(namespace_prefix, filter, limit, offset, query, refresh_ttl is not False)
        return cast(list[SearchItem], (await self.abatch([op]))[0])

    def put(
        self,
        namespace: Namespace,
        key: str,
        value: Value,
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | None = None,
    ) -> None:
        """Store the value, over any earlier one; with a `ttl` it expires after that many minutes without a read."""
        self.batch([_user_put(PutOp(namespace, key, value, index, ttl))])

    async def aput(
        self,
        namespace: Namespace,
        key: str,
        value: Value,
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | None = None,
    ) -> None:
        """Store the value, over any earlier one; with a `ttl` it expires after that many minutes without a read."""
        await self.abatch([_user_put(PutOp(namespace, key, value, index, ttl))])

    def delete(self, namespace: Namespace, key: str) -> None:
        """Remove the item; one that does not exist is no error."""
        self.batch([PutOp(namespace, key, None)])

    async def adelete(self, namespace: Namespace, key: str) -> None:
        """Remove the item; one that does not exist is no error."""
        await self.abatch([PutOp(namespace, key, None)])

    def list_namespaces(
        self,
        *,
        prefix: Namespace | None = None,
        suffix: Namespace | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Namespace]:
        """Return the namespaces that hold items, sorted; `*` in prefix or suffix stands for any one label."""
        op = ListNamespacesOp(_conditions(prefix, suffix), max_depth, limit, offset)
        return cast(list[Namespace], self.batch([op])[0])

    async def alist_namespaces(
        self,
        *,
        prefix: Namespace | None = None,
        suffix: Namespace | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Namespace]:
        """Return the namespaces that hold items, sorted; `*` in prefix or suffix stands for any one label."""
        op = ListNamespacesOp(_conditions(prefix, suffix), max_depth, limit, offset)
        return cast(list[Namespace], (await self.abatch([op]))[0])


def _user_put(op: PutOp) -> PutOp:
    if op.namespace[0] in RESERVED_ROOTS:
        raise InvalidNamespaceError(
            f"Namespace {op.namespace!r} begins with a reserved label: choose another first one."
        )
    if op.value is None:
        raise TypeError(f"The value of item {op.key!r} in {op.namespace!r} is None: pass a dict, or call delete().")
    return op


def _conditions(prefix: Namespace | None, suffix: Namespace | None) -> tuple[MatchCondition, ...]:
    starts = (MatchCondition("prefix", prefix),) if prefix is not None else ()
    ends = (MatchCondition("suffix", suffix),) if suffix is not None else ()
    return starts + ends
