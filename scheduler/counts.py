"""What the scripts have counted, of all partitions together: ends of runs, lost leases, how long steps waited."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: The bounds in which the waits of steps are counted, in milliseconds, as `first_lease.lua` has them; the last: more.
WAIT_BOUNDS_MS = ("100", "500", "2000", "10000", "60000", "600000", "inf")


@dataclass(frozen=True, slots=True)
class Counts:
    """How often what happened, since there are threads in this Redis; it only rises."""

    #: How many runs ended, by (graph, status).
    ended: Mapping[tuple[str, str], int]
    #: How many leases ended before their steps did, by why: "lost worker" or "timed out".
    lapsed: Mapping[str, int]
    #: How many steps were ready for so long before a worker first leased them, by the bounds; and all that time.
    waits: tuple[int, ...]
    waited_ms: int

    @classmethod
    def of(cls, partitions: Iterable[Mapping[bytes, bytes]]) -> "Counts":
        """Return the sum of the counts of partitions."""
        sums: Counter[str] = Counter()
        for fields in partitions:
            for field, value in fields.items():
                sums[field.decode(errors="replace")] += int(value)
        ended: dict[tuple[str, str], int] = {}
        lapsed: dict[str, int] = {}
        for name, count in sums.items():
            what, _, of = name.partition(" ")
            if what == "ended":
                status, _, graph = of.partition(" ")
                ended[graph, status] = count
            elif what == "lapsed":
                lapsed[of] = count
        waits = tuple(sums[f"waited {bound}"] for bound in WAIT_BOUNDS_MS)
        return cls(ended, lapsed, waits, sums["waited ms"])
