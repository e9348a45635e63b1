"""How urgent a step is, among those that wait in one queue."""

from typing import Any, Final

from .checks import whole

#: The priority where nobody says otherwise: what is more urgent has room above it, and what can wait below.
DEFAULT_PRIORITY: Final = 5
#: A higher number goes first.
HIGHEST_PRIORITY: Final = 9


def priority_of(value: Any, what: str, error: type[Exception]) -> int | None:
    """Return a priority, from 0 to 9; None where none is given.

    Raises:
        error: it is no such number.
    """
    return None if value is None else whole(value, what, error, most=HIGHEST_PRIORITY)
