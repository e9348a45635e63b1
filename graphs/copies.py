"""Copies that keep what a node or a caller holds in its hands apart from the state that is stored.

A checkpoint's values are shared by everybody who reads them, and a value that is the very object that it was before
counts as unchanged. So what comes in, and what callers get, is detached: of a long list each item when somebody takes
it. A node, which may be one of many on a large state, sees a copy of each key's outermost container alone.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any, Final, SupportsIndex

from .commands import Overwrite
from .errors import InvalidUpdateError

_CONTAINERS = frozenset({list, dict, set})
#: What marks the classes whose objects are changed in place: dataclasses and pydantic models.
_MARKS = ("__dataclass_fields__", "__pydantic_fields__")
_SCALARS = frozenset({str, int, float, bool, bytes, type(None)})


def own(value: Any) -> Any:
    """Return a copy of a plain list, dict or set, anything else as it is; what lies deeper stays shared."""
    return value.copy() if type(value) in _CONTAINERS else value


def detached(value: Any) -> Any:
    """Return a copy that no later change of the original reaches: at all depths of lists and dicts, one of objects.

    Raises:
        InvalidUpdateError: it is nested too deeply, or holds itself.
    """
    try:
        return _detached(value)
    except RecursionError:
        raise InvalidUpdateError(
            "A value is nested too deeply, or holds itself: a state is made of plain data, at most some hundred deep."
        ) from None


def _detached(value: Any) -> Any:
    kind = type(value)
    if kind is Handed:
        kind, value = list, list.__add__(value, [])
    if kind is dict:
        flat = _SCALARS.issuperset(map(type, value.values()))
        return value.copy() if flat else {key: _detached(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return kind(value if _SCALARS.issuperset(map(type, value)) else [_detached(item) for item in value])
    if kind in _SCALARS:
        return value
    if kind is Overwrite:
        return Overwrite(_detached(value.value))
    return copy.copy(value) if kind is set or any(hasattr(kind, mark) for mark in _MARKS) else value


#: Up to how many items a list is copied as a whole for whoever is handed it.
_SHORT: Final = 256


def handed(value: Any) -> Any:
    """Return a key's value for a caller, who may change it: a copy, which of a long list is made item by item."""
    if type(value) is not list or len(value) <= _SHORT or _SCALARS.issuperset(map(type, value)):
        return detached(value)
    return Handed(value)


class Handed(list[Any]):
    """A list in the hands of a caller, who gets a copy of every item that they take.

    It can be changed as any list; where a list of the very type is wanted, ``list(it)`` makes one.
    """

    __slots__ = ("_left",)

    def __init__(self, shared: list[Any]) -> None:
        super().__init__(shared)
        #: Which items are not copies yet; none of them once the list itself has been changed.
        self._left = bytearray(b"\1") * len(shared)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        item = super().__getitem__(index)
        if self._left and self._left[index]:
            item = detached(item)
            super().__setitem__(index, item)
            self._left[index] = 0
        return item

    def __iter__(self) -> Iterator[Any]:
        place = 0
        while place < len(self):
            yield self[place]
            place += 1

    def __reversed__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self) - 1, -1, -1))

    def __add__(self, other: Any) -> list[Any]:
        return [*self].__add__(other)

    def __radd__(self, other: list[Any]) -> list[Any]:
        return [*other, *self]

    def __mul__(self, times: SupportsIndex) -> list[Any]:
        return [*self] * times

    __rmul__ = __mul__

    def copy(self) -> list[Any]:
        """Return the items as a plain list."""
        return [*self]

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return copy.deepcopy([*self], memo)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return list, ([*self],)


def _settled(name: str) -> Callable[..., Any]:
    """Return a method of lists that changes them, for one that first has to become a copy as a whole."""
    change = getattr(list, name)

    def method(self: Handed, *args: Any, **options: Any) -> Any:
        if self._left:
            list.__setitem__(self, slice(None), [*self])
            self._left = bytearray()
        return change(self, *args, **options)

    method.__name__ = name
    return method


for _name in ("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"):
    setattr(Handed, _name, _settled(_name))
for _name in ("__setitem__", "__delitem__", "__iadd__", "__imul__"):
    setattr(Handed, _name, _settled(_name))
