"""How the writes to one state key become its next value."""

from collections import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from inspect import signature
from typing import Annotated, Any, Final, Protocol, get_args, get_origin

from .commands import Overwrite
from .copies import own
from .errors import InvalidGraph, InvalidUpdateError

_OVERWRITE_KEY = "__overwrite__"
_REDUCER_ARITY = 2
#: Abstract types -> the plain ones that stand in for them where an empty value is wanted.
_CONCRETE: Mapping[Any, type] = {
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Collection: list,
    abc.Iterable: list,
    abc.Mapping: dict,
    abc.MutableMapping: dict,
    abc.Set: set,
    abc.MutableSet: set,
}


class Missing(Enum):
    """The one value that stands for: this key was never written."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING


class Channel(Protocol):
    """A state key: where it starts, and how the writes of one superstep merge into it."""

    @property
    def name(self) -> str:
        """The state key."""

    def initial(self) -> Any:
        """Return the value before the first write, or MISSING."""

    def apply(self, current: Any, writes: Sequence[Any]) -> Any:
        """Return the next value after one superstep's writes, in their order.

        Raises:
            InvalidUpdateError: the writes cannot be merged.
        """


@dataclass(frozen=True, slots=True)
class LastValue:
    """Keeps the value of its only writer; two writers in one superstep are an error."""

    name: str

    def initial(self) -> Any:
        """Return MISSING: a plain key has no value until somebody writes it."""
        return MISSING

    def apply(self, current: Any, writes: Sequence[Any]) -> Any:
        """Return the one value written."""
        overwritten = overwrite_in(self.name, writes)
        if overwritten is not None:
            return overwritten.value
        if len(writes) > 1:
            raise InvalidUpdateError(
                f"At key '{self.name}': Can receive only one value per step. "
                "Use an Annotated key with a reducer to handle multiple values."
            )
        return writes[0]


@dataclass(frozen=True, slots=True)
class Reduced:
    """Folds every write into its value with a reducer: ``reducer(current, write) -> next``.

    A reducer may change and return the list, dict or set that it gets as current: it is a copy.
    """

    name: str
    reducer: Callable[[Any, Any], Any]
    #: Makes the empty value it starts from; None: the first write is the first value.
    empty: Callable[[], Any] | None = None

    def initial(self) -> Any:
        """Return the empty value of the key's type, or MISSING where the type has none."""
        return MISSING if self.empty is None else self.empty()

    def apply(self, current: Any, writes: Sequence[Any]) -> Any:
        """Return the fold of the writes over the current value."""
        overwritten = overwrite_in(self.name, writes)
        if overwritten is not None:
            return overwritten.value
        merged = own(current)
        for write in writes:
            merged = own(write) if merged is MISSING else self.reducer(merged, write)
        return merged


def channel_of(name: str, hint: Any) -> Channel:
    """Return the channel that a key's annotation describes: with a reducer where Annotated gives one.

    Raises:
        InvalidGraph: the reducer does not take two arguments.
    """
    base, extras = _unwrapped(hint)
    reducer = next((extra for extra in reversed(extras) if callable(extra)), None)
    if reducer is None:
        return LastValue(name)
    _check_arity(name, reducer)
    return Reduced(name, reducer, _empty_of(base))


def overwrite_in(name: str, writes: Sequence[Any]) -> Overwrite | None:
    """Return the write that takes a key's value over as it is, past its reducer; None where there is none.

    Raises:
        InvalidUpdateError: there are several.
    """
    found = [overwrite for write in writes if (overwrite := _as_overwrite(write)) is not None]
    if len(found) > 1:
        raise InvalidUpdateError(f"At key '{name}': Can receive only one Overwrite value per super-step.")
    return found[0] if found else None


def _as_overwrite(write: Any) -> Overwrite | None:
    if isinstance(write, Overwrite):
        return write
    if isinstance(write, dict) and write.keys() == {_OVERWRITE_KEY}:
        return Overwrite(write[_OVERWRITE_KEY])
    return None


def _unwrapped(hint: Any) -> tuple[Any, list[Any]]:
    """Return an annotation's type, and what Annotated adds, whichever way Required and its kin are mixed in."""
    extras: list[Any] = []
    while True:
        if get_origin(hint) is Annotated:
            hint, *added = get_args(hint)
            extras.extend(added)
        # by name, because typing_extensions has some of these where typing has not
        elif getattr(get_origin(hint), "_name", None) in ("Required", "NotRequired", "ReadOnly"):
            hint = get_args(hint)[0]
        else:
            return hint, extras


def _check_arity(name: str, reducer: Callable[..., Any]) -> None:
    try:
        told = signature(reducer)
    except ValueError:
        return  # a builtin that tells nothing about itself
    try:
        told.bind(*[None] * _REDUCER_ARITY)
    except TypeError as error:
        raise InvalidGraph(f"Invalid reducer for key '{name}'. Expected (a, b) -> c. Got {told}") from error


def _empty_of(base: Any) -> Callable[[], Any] | None:
    """Return what makes the empty value of a type; abstract and parametrised types count as their plain forms."""
    origin = get_origin(base) or base
    plain = _CONCRETE.get(origin, origin)
    if not isinstance(plain, type):
        return None
    try:
        plain()
    except Exception:  # any class may refuse to be made without arguments, in any way: then there is no empty value
        return None
    return plain
