"""Checks of what calls are given beside a config: numbers, times, metadata."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from graphs.checks import LONGEST_S, is_number, shown, text, whole

from .errors import InvalidConfig

#: The largest limit: what a count of Redis, and a size in Python, can be.
_MOST = 2**62
_LONGEST_NAME = 256


def metadata_text(metadata: Mapping[str, Any]) -> str:
    """Return a thread's metadata as JSON.

    Raises:
        InvalidConfig: it is no dict that JSON can hold.
    """
    if not isinstance(metadata, Mapping):
        raise InvalidConfig(f"A thread's metadata is a dict that JSON can hold, got {shown(metadata)}.")
    try:
        told = json.dumps(dict(metadata), allow_nan=False, ensure_ascii=False)
        told.encode()  # no lone surrogates, which nothing outside of Python could read
        from_json(told)  # nor what is nested deeper than it goes: how deep Python's own goes is each version's
        return told
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidConfig(f"A thread's metadata is a dict that JSON can hold: {error}.") from error


def positive(run: Mapping[str, Any], key: str, kind: type[int] | type[float]) -> Any:
    """Return a number that must be positive, or None where there is none.

    Raises:
        InvalidConfig: it is no number of this kind, not positive, or without end.
    """
    value = run.get(key)
    if value is None:
        return None
    if kind is int:
        fits = isinstance(value, int) and not isinstance(value, bool) and value > 0
    else:
        fits = is_number(value) and 0 < value <= LONGEST_S
    if not fits:
        unit = f" (seconds, up to {LONGEST_S:g}; leave it out for no limit)" if kind is float else ""
        raise InvalidConfig(f"{key!r} must be a positive {kind.__name__}{unit}, got {shown(value)}.")
    return value


def patience(value: Any) -> float | None:
    """Return for how many seconds a caller waits; None: for ever.

    Raises:
        InvalidConfig: it is no number, or negative.
    """
    if value is not None and not (is_number(value) and 0 <= value <= LONGEST_S):
        raise InvalidConfig(
            f"A timeout is a number of seconds from 0 to {LONGEST_S:g}, or None to wait for ever, got {shown(value)}."
        )
    return None if value is None else float(value)


def sought(matching: Any, limit: Any) -> tuple[Mapping[str, Any], int | None]:
    """Return which metadata the things that are listed must have, and how many are listed at the most.

    Raises:
        InvalidConfig: the one is no dict, or the other no number.
    """
    if matching is not None and not isinstance(matching, Mapping):
        raise InvalidConfig(f"The metadata to look for is a dict, got {shown(matching)}.")
    if limit is not None:
        whole(limit, "limit", InvalidConfig, most=_MOST)
    return matching or {}, limit


def whose(configurable: Mapping[str, Any], name: str | None) -> str | None:
    """Return whose a run is by the value that its config has under a name; None where that says nothing.

    Raises:
        InvalidConfig: the value is neither a text nor a whole number, or it is longer than a name.
    """
    value = None if name is None else configurable.get(name)
    if value is None or (is_number(value) and isinstance(value, int) and abs(value) < _MOST):
        return None if value is None else str(value)
    what = f"The config's configurable[{name!r}], whose max_concurrency it is,"
    if len(text(value, what, InvalidConfig)) > _LONGEST_NAME:
        raise InvalidConfig(f"{what} has at most {_LONGEST_NAME} characters, got {shown(value)}.")
    return str(value)
