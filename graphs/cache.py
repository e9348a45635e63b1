"""The port of the cache: results that runs of any thread may take instead of calling a node again."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

#: What an entry belongs to, from the general to the special: all entries of one are cleared together.
Namespace = tuple[str, ...]
#: A namespace and the key in it.
FullKey = tuple[Namespace, str]


class BaseCache(ABC):
    """Keeps values under a key in a namespace, each for ever or for a number of seconds."""

    @abstractmethod
    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """Return the values that are there, and have not expired, by their keys."""

    @abstractmethod
    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """Return what `get` does, without blocking the event loop."""

    @abstractmethod
    def set(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Keep values, each with the seconds after which it expires; None: never."""

    @abstractmethod
    async def aset(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Keep values as `set` does, without blocking the event loop."""

    @abstractmethod
    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget the values of these namespaces; None: of all."""

    @abstractmethod
    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget as `clear` does, without blocking the event loop."""
