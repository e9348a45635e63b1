"""What is known of objects that have no place for it: kept beside the last few of them, and found by their identity."""

from collections import OrderedDict
from typing import Any, Final, Generic, TypeVar

_KEPT: Final = 64

KnownT = TypeVar("KnownT")


class Beside(Generic[KnownT]):
    """A small memory about objects, such as lists, that are never changed once something is said of them here."""

    def __init__(self) -> None:
        # each object is kept with what is known of it: as long as it is here, nothing else can have its identity
        self._kept: OrderedDict[int, tuple[Any, KnownT]] = OrderedDict()

    def get(self, about: Any) -> KnownT | None:
        """Return what is known of an object; None where that is forgotten, or was never said."""
        kept = self._kept.get(id(about))
        return kept[1] if kept is not None and kept[0] is about else None

    def put(self, about: Any, known: KnownT) -> None:
        """Keep something about an object, and forget what was kept longest ago."""
        self._kept[id(about)] = (about, known)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


#: List -> the list that it begins with, item for item the same objects.
grown_from: Final[Beside[list[Any]]] = Beside()
