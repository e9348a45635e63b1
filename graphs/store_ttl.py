"""How long the items of a store live where nobody says it of one of them: what ``ttl=`` of a store says."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypedDict, cast

from .checks import is_number, shown
from .store_ops import MAX_TTL_MINUTES

_OPTIONS: Final = ("default_ttl", "refresh_on_read", "sweep_interval_minutes")


class NotGiven(Enum):
    """The one value that stands for: nobody has said it."""

    NOT_GIVEN = "not given"

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = NotGiven.NOT_GIVEN


class TTLConfig(TypedDict, total=False):
    """What ``ttl=`` of a store says."""

    #: Whether a read begins the lifetime of what it found anew, unless the call says otherwise; True where left out.
    refresh_on_read: bool
    #: For how many minutes an item is kept that is put without a ``ttl``; None, or left out: for ever.
    default_ttl: float | None
    #: After how many minutes also a read clears away what is left of expired items; else only writes do.
    sweep_interval_minutes: float | None


def checked_ttl(config: Any) -> TTLConfig | None:
    """Return what a store is given as ``ttl=``.

    Raises:
        TypeError, ValueError: it is none.
    """
    if config is None:
        return None
    if not isinstance(config, Mapping):
        raise TypeError(f"The ttl of a store is a dict with {', '.join(_OPTIONS)}, got {shown(config)}.")
    if unknown := [name for name in config if name not in _OPTIONS]:
        raise ValueError(f"The ttl of a store has {', '.join(_OPTIONS)}, and {shown(unknown[0])} is none of them.")
    if not isinstance(config.get("refresh_on_read", True), bool):
        raise TypeError(f"ttl['refresh_on_read'] is True or False, got {shown(config['refresh_on_read'])}.")
    for name in ("default_ttl", "sweep_interval_minutes"):
        minutes = config.get(name)
        if minutes is not None and not (is_number(minutes) and 0 < minutes <= MAX_TTL_MINUTES):
            raise ValueError(f"ttl[{name!r}] is minutes above 0 and up to {MAX_TTL_MINUTES:g}, got {shown(minutes)}.")
    return cast(TTLConfig, dict(config))
