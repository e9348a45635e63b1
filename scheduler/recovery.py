"""What was away a moment ago: leases ran out there of workers that are well, who get the time to renew them first."""

import time
from collections.abc import Iterable


class Recovery:
    """Notes which partitions could not be reached, or not be written to.

    Args:
        rest_s: for how long one that is back is left alone.
    """

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._last_away: dict[str, float] = {}

    @property
    def resting(self) -> list[str]:
        """Those that were away lately."""
        return list(self._last_away)

    def note(self, keys: Iterable[str]) -> None:
        """Note that partitions are away now."""
        self._last_away |= dict.fromkeys(keys, time.monotonic())

    def rested(self, keys: Iterable[str]) -> list[str]:
        """Return those of some partitions that were there all the time, or are for long enough."""
        rest_since = time.monotonic() - self._rest_s
        self._last_away = {key: last for key, last in self._last_away.items() if last > rest_since}
        return [key for key in keys if key not in self._last_away]
