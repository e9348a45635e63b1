"""What doors ask of plain values, and the sentence that says so where one does not fit."""

from math import isfinite
from reprlib import Repr
from typing import Any, Final

#: The longest that a limit, a pause or a lifetime can be, in seconds: thirty years, and in milliseconds still exact.
LONGEST_S: Final = 1e9

_LENGTH: Final = 60

_short = Repr()
_short.maxlevel = _short.maxdict = _short.maxlist = _short.maxtuple = _short.maxset = _short.maxfrozenset = 3
_short.maxstring = _short.maxlong = _short.maxother = _LENGTH


def shown(value: Any) -> str:
    """Return a value as an error shows it: short, whatever it is, and also where it fails to say."""
    try:
        return _short.repr(value)
    except Exception:  # a number of more digits than Python prints, or an object that is broken: no reason to fail here
        return f"<{type(value).__name__}>"


def whole(value: Any, what: str, error: type[Exception], least: int = 0, most: int | None = None) -> int:
    """Return a whole number; ``True`` is none.

    Raises:
        error: it is another kind of value, or out of bounds.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        bounds = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise error(f"{what} is a whole number {bounds}, got {shown(value)}.")
    return int(value)


def is_number(value: Any) -> bool:
    """Return whether a value is a number: no bool, and neither infinite, nor NaN, nor too large for a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:
        return False


def text(value: Any, what: str, error: type[Exception]) -> str:
    """Return a text that UTF-8 can hold.

    Raises:
        error: it is another kind of value, or has lone surrogates.
    """
    if not isinstance(value, str):
        raise error(f"{what} is a str, got {shown(value)}.")
    if not is_utf8(value):
        raise error(f"{what} is a text without lone surrogates, got {shown(value)}.")
    return value


def is_utf8(value: str) -> bool:
    """Return whether a text has no lone surrogates, which nothing outside of Python could read."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
