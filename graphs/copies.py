"""Copies that keep what a node or a caller holds in its hands apart from the state that is stored.

A checkpoint's values are shared by everybody who reads them, and a value that is the very object that it was before
counts as unchanged. So what comes in, and what callers get, is detached. A node, which may be one of many on a large
state, sees a copy of each key's outermost container alone.
"""

import copy
from typing import Any

from .commands import Overwrite

_CONTAINERS = frozenset({list, dict, set})
#: What marks the classes whose objects are changed in place: dataclasses and pydantic models.
_MARKS = ("__dataclass_fields__", "__pydantic_fields__")
_SCALARS = frozenset({str, int, float, bool, bytes, type(None)})


def own(value: Any) -> Any:
    """Return a copy of a plain list, dict or set, anything else as it is; what lies deeper stays shared."""
    return value.copy() if type(value) in _CONTAINERS else value


def detached(value: Any) -> Any:
    """Return a copy that no later change of the original reaches: at all depths of lists and dicts, one of objects."""
    kind = type(value)
    if kind is dict:
        flat = _SCALARS.issuperset(map(type, value.values()))
        return value.copy() if flat else {key: detached(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return kind(value if _SCALARS.issuperset(map(type, value)) else [detached(item) for item in value])
    if kind in _SCALARS:
        return value
    if kind is Overwrite:
        return Overwrite(detached(value.value))
    return copy.copy(value) if kind is set or any(hasattr(kind, mark) for mark in _MARKS) else value
