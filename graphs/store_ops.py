"""What a store of the long-term memory holds and can be asked, as values that are valid once they exist."""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from .checks import is_number, is_utf8, shown, whole
from .errors import InvalidNamespaceError

#: What an item holds: a JSON-like dict, as it comes out of the serde (hence Any).
Value: TypeAlias = dict[str, Any]
Namespace: TypeAlias = tuple[str, ...]

#: The longest lifetime that an item can be given (some 1900 years), so that its end is always a valid time.
MAX_TTL_MINUTES = 1e9
#: The longest that a namespace and a key may be together: they are names, and one sorted set holds all of them.
MAX_ADDRESS_BYTES = 4096
#: The largest limit and offset: what a count of Redis can be.
_MOST = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry of the store: a value under a key in a namespace."""

    value: Value = field(hash=False)
    key: str
    namespace: Namespace
    created_at: datetime
    updated_at: datetime

    def dict(self) -> Value:
        """Return the item as a JSON-ready dict, with times in ISO format."""
        return {
            "namespace": list(self.namespace),
            "key": self.key,
            "value": self.value,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchItem(Item):
    """An item that a search found, with its similarity to the query where the store ranks by one."""

    score: float | None = None

    def dict(self) -> Value:
        """Return the item as a JSON-ready dict, with times in ISO format."""
        # slots=True makes a new class, which a bare super() would not know.
        return {**Item.dict(self), "score": self.score}


@dataclass(frozen=True, slots=True)
class GetOp:
    """Ask for one item; reading starts its lifetime anew unless `refresh_ttl` is False."""

    namespace: Namespace
    key: str
    refresh_ttl: bool = True

    def __post_init__(self) -> None:
        _check_address(self)


@dataclass(frozen=True, slots=True)
class PutOp:
    """Store a value, or delete the item when the value is None; `ttl` is its lifetime in minutes."""

    namespace: Namespace
    key: str
    value: Value | None
    index: Literal[False] | list[str] | None = None
    ttl: float | None = None

    def __post_init__(self) -> None:
        _check_address(self)
        if self.value is not None and not isinstance(self.value, dict):
            kind = type(self.value).__name__
            raise TypeError(f"The value of item {shown(self.key)} in {self.namespace!r} is a {kind}: pass a dict.")
        if self.index not in (None, False) and not _is_names(self.index):
            raise TypeError(f"index is None, False or a list of field names, got {shown(self.index)}.")
        if self.ttl is not None and not (is_number(self.ttl) and 0 < self.ttl <= MAX_TTL_MINUTES):
            raise ValueError(
                f"The ttl of item {shown(self.key)} in {self.namespace!r} is {shown(self.ttl)}: pass minutes above 0 "
                f"and up to {MAX_TTL_MINUTES:g}, or None to keep the item for ever."
            )


@dataclass(frozen=True, slots=True)
class SearchOp:
    """Ask for the items below a namespace whose value satisfies the filter."""

    namespace_prefix: Namespace
    filter: Value | None = None
    limit: int = 10
    offset: int = 0
    query: str | None = None
    refresh_ttl: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "namespace_prefix", _checked(self.namespace_prefix))
        _check_page(self.limit, self.offset)
        if self.filter is not None and not isinstance(self.filter, Mapping):
            raise TypeError(f"The filter of a search is a dict of wanted values, got {shown(self.filter)}.")
        if self.query is not None and not isinstance(self.query, str):
            raise TypeError(f"The query of a search is a text, got {shown(self.query)}.")
        try:
            _check_operators(self.filter)
        except RecursionError:
            raise ValueError("The filter of a search is nested too deeply, or holds itself.") from None

    def accepts(self, value: Value) -> bool:
        """Tell whether an item with this value satisfies the filter."""
        return not self.filter or _satisfies(value, self.filter)


@dataclass(frozen=True, slots=True)
class MatchCondition:
    """What the first or last labels of a namespace must be; the label `*` in `path` stands for any."""

    match_type: Literal["prefix", "suffix"]
    path: Namespace

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", _checked(self.path))
        if not isinstance(self.match_type, str) or self.match_type not in ("prefix", "suffix"):
            raise ValueError(f"match_type is {shown(self.match_type)}: pass 'prefix' or 'suffix'.")

    def accepts(self, namespace: Namespace) -> bool:
        """Tell whether the namespace begins (or ends) with the path."""
        if len(namespace) < len(self.path):
            return False
        start = 0 if self.match_type == "prefix" else len(namespace) - len(self.path)
        return all(wanted in ("*", label) for wanted, label in zip(self.path, namespace[start:], strict=False))


@dataclass(frozen=True, slots=True)
class ListNamespacesOp:
    """Ask for the namespaces that hold items, cut to `max_depth` labels, in sorted order."""

    match_conditions: tuple[MatchCondition, ...] | None = None
    max_depth: int | None = None
    limit: int = 100
    offset: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "match_conditions", tuple(self.match_conditions or ()))
        _check_page(self.limit, self.offset)
        if self.max_depth is not None:
            whole(self.max_depth, "max_depth", ValueError, least=1)

    def accepts(self, namespace: Namespace) -> bool:
        """Tell whether the namespace meets every condition."""
        return all(condition.accepts(namespace) for condition in self.match_conditions or ())


Op: TypeAlias = GetOp | PutOp | SearchOp | ListNamespacesOp
#: One answer per op: an item or None (get), None (put), a list of items (search) or of namespaces (list).
Result: TypeAlias = Item | list[SearchItem] | list[Namespace] | None


def _check_address(op: GetOp | PutOp) -> None:
    object.__setattr__(op, "namespace", _checked(op.namespace))
    if not op.namespace:
        raise InvalidNamespaceError("The namespace is empty: pass a tuple with at least one label.")
    if not isinstance(op.key, str):
        raise TypeError(f"The key {shown(op.key)} in {op.namespace!r} is a {type(op.key).__name__}: pass a str.")
    if not op.key or not is_utf8(op.key):
        raise ValueError(
            f"The key {shown(op.key)} in {op.namespace!r} cannot be stored: pass a non-empty str of valid text."
        )
    size = len(op.key.encode()) + sum(len(label.encode()) + 1 for label in op.namespace)
    if size > MAX_ADDRESS_BYTES:
        raise ValueError(
            f"A namespace and its key take {size} bytes, more than the {MAX_ADDRESS_BYTES} that are possible: they "
            "are names, and what is long goes into the value."
        )


def _checked(labels: Iterable[str]) -> Namespace:
    if isinstance(labels, str):
        raise InvalidNamespaceError(
            f"Namespace {shown(labels)} is a string: pass a tuple of labels, as in ({shown(labels)},)."
        )
    if not isinstance(labels, list | tuple):
        raise InvalidNamespaceError(f"A namespace is a tuple of labels, as in ('users', 'ann'), got {shown(labels)}.")
    namespace = tuple(labels)
    for label in namespace:
        if flaw := _flaw(label):
            raise InvalidNamespaceError(f"Namespace {shown(namespace)} has the label {shown(label)}: a label {flaw}.")
    return namespace


def _flaw(label: object) -> str | None:
    if not isinstance(label, str):
        return f"is a str, not {type(label).__name__}"
    if not label:
        return "has at least one character"
    if "." in label or "\0" in label:
        return "has no '.' and no NUL character"
    return None if is_utf8(label) else "has no lone surrogates"


def _check_page(limit: int, offset: int) -> None:
    whole(limit, "limit", ValueError, most=_MOST)
    whole(offset, "offset", ValueError, most=_MOST)


def _is_names(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)


def _if_ordered(compare: Callable[[Any, Any], bool]) -> Callable[[object, object], bool]:
    def holds(actual: object, operand: object) -> bool:
        try:
            return compare(actual, operand)
        except TypeError:  # values of unlike kinds have no order, so neither is above or below the other
            return False

    return holds


_OPERATORS: Mapping[str, Callable[[object, object], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": _if_ordered(operator.gt),
    "$gte": _if_ordered(operator.ge),
    "$lt": _if_ordered(operator.lt),
    "$lte": _if_ordered(operator.le),
}


def _check_operators(wanted: object) -> None:
    if not isinstance(wanted, Mapping):
        return
    if odd := [name for name in wanted if not isinstance(name, str)]:
        raise TypeError(f"The keys of a filter are strings, got {shown(odd[0])}.")
    if _has_operators(wanted) and (unknown := [name for name in wanted if name not in _OPERATORS]):
        raise ValueError(f"A filter has no operator {unknown[0]!r}; there are {', '.join(_OPERATORS)}.")
    for inner in wanted.values():
        _check_operators(inner)


def _has_operators(wanted: Mapping[str, object]) -> bool:
    return any(name.startswith("$") for name in wanted)


def _satisfies(actual: object, wanted: object) -> bool:
    if isinstance(wanted, list | tuple):
        return (
            isinstance(actual, list | tuple)
            and len(actual) == len(wanted)
            and all(_satisfies(one, other) for one, other in zip(actual, wanted, strict=True))
        )
    if not isinstance(wanted, Mapping):
        return actual == wanted
    if _has_operators(wanted):
        return all(_OPERATORS[name](actual, operand) for name, operand in wanted.items())
    return isinstance(actual, Mapping) and all(_satisfies(actual.get(key), inner) for key, inner in wanted.items())
