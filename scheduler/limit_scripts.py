"""The scripts about the limits of a deployment, one typed method each; called as those of ``scripts.py`` are."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .keys import LimitKeys
from .scripts import Place, Scripts


class Admitted(NamedTuple):
    """Whether a step may start, and who else may."""

    #: "go", or what it waits for: "slot" or "turn"; "stale" for a message that came to nothing.
    what: str
    #: How many wait before it for a slot, itself among them, or the moment of its turn.
    number: int
    #: Those that waited and have a slot now, as due sets name them.
    served: list[str]


class LimitScripts(Scripts):
    """Runs the scripts about limits."""

    def admit_step(self, keys: LimitKeys, **args: str | float) -> Admitted:
        """Let a step start, or say what it waits for."""
        what, number, served = self._run("admit_step", keys, args)
        return Admitted(what.decode(), int(number), _members(served))

    def leave_slot(self, keys: LimitKeys, **args: str | int) -> list[str]:
        """Give a slot back; return those that waited and have one now."""
        return _members(self._run("leave_slot", keys, args))

    def renew_slot(self, slots: Iterable[tuple[LimitKeys, Mapping[str, str | int]]]) -> None:
        """Keep slots, in one round trip for all."""
        self._run_each("renew_slot", slots)

    def put_off_step(self, place: Place, **args: str | int | bytes) -> str:
        """Let a step wait that may not start yet; return waits, again or gone."""
        return str(self._run("put_off_step", place, args).decode())

    def wake_step(self, steps: Iterable[tuple[Place, Mapping[str, str | int]]]) -> list[bytes | Exception | None]:
        """Send steps on that have a slot now; return the record of each that wants a message, or "", or None."""
        return self._run_each("wake_step", steps)


def _members(served: Iterable[bytes]) -> list[str]:
    return [member.decode() for member in served]
