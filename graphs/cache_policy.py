"""Whether, under which key and for how long a node's result is kept for later steps with the same input."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import BuiltinFunctionType, FunctionType
from typing import Any

from xxhash import xxh3_128_hexdigest

from .checks import LONGEST_S, is_number, shown
from .errors import InvalidGraph
from .schema import is_pydantic

_PLAIN = (str, int, float, bool, bytes, type(None))
_NAMED = (type, FunctionType, BuiltinFunctionType)
#: Of the ways in which an object can be taken apart: the one that every class has.
_PROTOCOL = 4


def default_cache_key(*args: Any, **kwargs: Any) -> str:
    """Return a hash of a node's input that is the same in every process, whatever the order of its keys.

    Raises:
        TypeError: the input holds something that cannot be told from its like, such as an open file: give the policy
            a ``key_func`` that leaves it out.
    """
    return xxh3_128_hexdigest(_told((args, kwargs)).encode())


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Keeps a node's result, for all threads of a graph that is compiled with a cache.

    Raises:
        InvalidGraph: the time to live is not positive, or the key's function none.
    """

    #: Called with the node's input; equal keys mean equal results.
    key_func: Callable[..., str | bytes] = default_cache_key
    #: For how long a result is kept, in seconds; None: until the cache is cleared.
    ttl: int | None = None

    def __post_init__(self) -> None:
        if self.ttl is not None and not (is_number(self.ttl) and 0 < self.ttl <= LONGEST_S):
            raise InvalidGraph(f"The ttl of a CachePolicy is a positive number of seconds, got {shown(self.ttl)}.")
        if not callable(self.key_func):
            raise InvalidGraph(
                f"The key_func of a CachePolicy is a function of the node's input, got {shown(self.key_func)}."
            )


def _told(value: Any) -> str:
    """Return a text that equal values share: their kind and what they hold, sorted where no order counts."""
    kind = type(value)
    if isinstance(value, Mapping):
        return f"{kind.__qualname__}{sorted((_told(key), _told(item)) for key, item in value.items())}"
    if isinstance(value, list | tuple | set | frozenset):
        parts = [_told(item) for item in value]
        return f"{kind.__qualname__}{parts if isinstance(value, list | tuple) else sorted(parts)}"
    if is_pydantic(kind):
        return f"{kind.__qualname__}{_told(dict(value))}"
    if is_dataclass(value) and not isinstance(value, type):
        return f"{kind.__qualname__}{_told({field.name: getattr(value, field.name) for field in fields(value)})}"
    return f"{kind.__qualname__}:{value!r}" if kind in _PLAIN else _object_told(value)


def _object_told(value: Any) -> str:
    """Return a text for an object: its name where it has one, else what copy.copy would make it from."""
    if isinstance(value, _NAMED):
        return _name_told(value)
    return f"{type(value).__qualname__}{_told(value.__reduce_ex__(_PROTOCOL))}"


def _name_told(value: Any) -> str:
    """Return the name of a class or function; one that is made anew in every process has none that says which it is."""
    name = f"{getattr(value, '__module__', None)}:{value.__qualname__}"
    if "<" in name:
        raise TypeError(f"{name} has no name by which another process would know it.")
    return name
