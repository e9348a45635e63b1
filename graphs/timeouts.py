"""How long an attempt at a node may take, as a whole and between two signs of life."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from .checks import LONGEST_S, is_number, shown
from .errors import InvalidGraph

Duration = float | timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutPolicy:
    """The time limits of one attempt at a node: seconds or timedeltas.

    Raises:
        InvalidGraph: a limit is not a positive duration, or ``refresh_on`` is neither "auto" nor "heartbeat".
    """

    #: For the attempt as a whole.
    run_timeout: Duration | None = None
    #: Between two signs of life.
    idle_timeout: Duration | None = None
    #: What is a sign of life: whatever the node writes or streams, or its calls of ``runtime.heartbeat()`` alone.
    refresh_on: Literal["auto", "heartbeat"] = "auto"

    def __post_init__(self) -> None:
        seconds(self.run_timeout, "run_timeout")
        seconds(self.idle_timeout, "idle_timeout")
        if not isinstance(self.refresh_on, str) or self.refresh_on not in ("auto", "heartbeat"):
            raise InvalidGraph(
                f"The refresh_on of a TimeoutPolicy is 'auto' or 'heartbeat', got {shown(self.refresh_on)}."
            )

    @property
    def run_timeout_s(self) -> float | None:
        """The limit of the attempt as a whole, in seconds."""
        return seconds(self.run_timeout, "run_timeout")

    @property
    def idle_timeout_s(self) -> float | None:
        """The limit of the time between two signs of life, in seconds."""
        return seconds(self.idle_timeout, "idle_timeout")


#: What a node, a task or a Send may be given as its time limit; a bare duration limits the attempt as a whole.
Timeout = Duration | TimeoutPolicy | None


def timeout_of(timeout: Timeout, what: str) -> TimeoutPolicy | None:
    """Return a time limit as a policy.

    Raises:
        InvalidGraph: it is neither a positive duration nor a policy.
    """
    if timeout is None or isinstance(timeout, TimeoutPolicy):
        return timeout
    return TimeoutPolicy(run_timeout=seconds(timeout, what))


def seconds(value: Duration | None, what: str) -> float | None:
    """Return a duration in seconds.

    Raises:
        InvalidGraph: it is not a positive number, or of more seconds than anybody waits.
    """
    if value is None:
        return None
    plain = value.total_seconds() if isinstance(value, timedelta) else value
    if not is_number(plain) or not 0 < plain <= LONGEST_S:
        raise InvalidGraph(
            f"The {what} must be a positive number of seconds or a timedelta, of {LONGEST_S:g} seconds at the most, "
            f"got {shown(value)}; leave it out, or pass None, for no limit."
        )
    return float(plain)


#: The limits of what has none.
UNLIMITED = TimeoutPolicy()
