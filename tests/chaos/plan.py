"""What is to be played, and against what: everything that the command line says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .faults import Fault, Kind, schedule

#: As many losses of a worker as chance can bring upon one step must not count as the step's own doing.
_MAX_ATTEMPTS = 1_000
_ON_BROKER, _FORGETFUL = (Kind.BROKER_KILLED,), (Kind.POWER_CUT,)


@dataclass(frozen=True, slots=True)
class Plan:
    """One performance of the chaos."""

    #: Where all files lie; they are kept when a check fails.
    folder: Path
    seed: int = 1
    minutes: float = 1.0
    #: A graph of the user's own, as ``package.module:attribute``; None: those of plays.py.
    graph: str | None = None
    #: The inputs of its threads, in turn, and what a client answers; None: nobody answers.
    inputs: Sequence[Any] = ()
    answer: Any = None
    #: Whether its states are compared with those of a run in this process that nothing disturbs.
    compare: bool = False
    workers: int = 3
    schedulers: int = 2
    threads: int = 300
    turns: int = 3
    at_once: int = 40
    broker: str = "redis"
    fsync: str = "always"
    #: Whether the store's machine loses power, and with it what was not yet on the disk.
    power_cuts: bool = False
    every_s: float = 3.0
    lease_ms: int = 2_000
    queue_wait_ms: int = 3_000
    patience_s: float = 240.0

    @property
    def kinds(self) -> list[Kind]:
        """What can go wrong."""
        without = (*(() if self.power_cuts else _FORGETFUL), *(_ON_BROKER if self.broker == "redis" else ()))
        return [kind for kind in Kind if kind not in without]

    @property
    def faults(self) -> list[Fault]:
        """What goes wrong, and when."""
        lease_s = self.lease_ms / 1000
        return schedule(self.seed, self.kinds, lasts_s=self.minutes * 60, every_s=self.every_s, lease_s=lease_s)

    @property
    def settings(self) -> dict[str, str]:
        """What all processes are told."""
        return {
            "TREADLE_LEASE_MS": str(self.lease_ms),
            "TREADLE_QUEUE_WAIT_MS": str(self.queue_wait_ms),
            "TREADLE_MAX_ATTEMPTS": str(_MAX_ATTEMPTS),
            "TREADLE_FAIR_SHARE": "2",  # of three branches one is held
        }
