"""What one look of a scheduler at all that is due came to, for whoever measures it."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one sweep did; a sweep that failed did nothing."""

    done: Counter[str]
    took_s: float
    #: How late the longest overdue entry of each partition was that it took from.
    late_ms: tuple[float, ...] = ()
    failed: bool = False


def unwatched(sweep: Sweep) -> None:
    """Take no notice of a sweep."""
