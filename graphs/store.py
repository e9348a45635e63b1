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
from .store_ttl import NOT_GIVEN, NotGiven, TTLConfig

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
    "TTLConfig",
    "Value",
]

#: First labels that `put` refuses because they are the framework's; its own writes go through `batch`.
RESERVED_ROOTS = frozenset({"langgraph", "treadle"})


class BaseStore(ABC):
    """The long-term memory, shared by threads: dicts under a key in a namespace."""

    #: Whether items may have a `ttl`; a store of your own that says nothing has none.
    supports_ttl: bool = False
    #: What counts where a call says nothing of lifetimes.
    ttl_config: TTLConfig | None = None

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
        return cast(Item | None, self.batch([GetOp(namespace, key, self._refreshes(refresh_ttl))])[0])

    async def aget(self, namespace: Namespace, key: str, *, refresh_ttl: bool | None = None) -> Item | None:
        """Return the item, or None when there is none or it has expired."""
        return cast(Item | None, (await self.abatch([GetOp(namespace, key, self._refreshes(refresh_ttl))]))[0])

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
        Items come in the order of their namespace and key. In a store with an index a query puts the nearest ones
        first, each with its `score`, and those without vectors behind them; in another one it ranks nothing.
        """
        op = SearchOp(namespace_prefix, filter, limit, offset, query, self._refreshes(refresh_ttl))
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
        op = SearchOp(namespace_prefix, filter, limit, offset, query, self._refreshes(refresh_ttl))
        return cast(list[SearchItem], (await self.abatch([op]))[0])

    def put(
        self,
        namespace: Namespace,
        key: str,
        value: Value | None,
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotGiven | None = NOT_GIVEN,
    ) -> None:
        """Store the value, over any earlier one; None deletes the item.

        With a `ttl` it expires after that many minutes without a read, with None never; where it is left out the
        `default_ttl` of the store counts. In a store with an index the fields are embedded that the index names, or
        those named here; with False none.

        Raises:
            NotImplementedError: there is a `ttl`, and the store lets nothing expire.
        """
        self.batch([_user_put(PutOp(namespace, key, value, index, self._lifetime(ttl)))])

    async def aput(
        self,
        namespace: Namespace,
        key: str,
        value: Value | None,
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotGiven | None = NOT_GIVEN,
    ) -> None:
        """Store the value, over any earlier one; None deletes the item.

        With a `ttl` it expires after that many minutes without a read, with None never; where it is left out the
        `default_ttl` of the store counts. In a store with an index the fields are embedded that the index names, or
        those named here; with False none.

        Raises:
            NotImplementedError: there is a `ttl`, and the store lets nothing expire.
        """
        await self.abatch([_user_put(PutOp(namespace, key, value, index, self._lifetime(ttl)))])

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

    def _refreshes(self, asked: bool | None) -> bool:
        if asked is not None:
            return asked
        return (self.ttl_config or {}).get("refresh_on_read", True)

    def _lifetime(self, asked: float | NotGiven | None) -> float | None:
        if isinstance(asked, NotGiven):
            return (self.ttl_config or {}).get("default_ttl")
        if asked is not None and not self.supports_ttl:
            raise NotImplementedError(f"{type(self).__name__} lets nothing expire: leave `ttl` out.")
        return asked


def _user_put(op: PutOp) -> PutOp:
    if op.namespace[0] in RESERVED_ROOTS:
        raise InvalidNamespaceError(
            f"Namespace {op.namespace!r} begins with a reserved label: choose another first one."
        )
    return op


def _conditions(prefix: Namespace | None, suffix: Namespace | None) -> tuple[MatchCondition, ...]:
    starts = (MatchCondition("prefix", prefix),) if prefix is not None else ()
    ends = (MatchCondition("suffix", suffix),) if suffix is not None else ()
    return starts + ends
