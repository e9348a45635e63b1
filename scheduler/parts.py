"""What a follower of a run is shown: one part for each thing, in the modes that it asked for."""

import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from graphs.checks import shown
from graphs.commands import Interrupt
from graphs.outputs import INTERRUPT

from .errors import InvalidConfig

logger = logging.getLogger(__name__)

StreamMode = Literal["values", "updates", "custom", "tasks", "checkpoints", "debug", "messages", "tools", "retract"]

MODES: Final = get_args(StreamMode)
#: What is shown while a node runs: an attempt that is cut short has shown too much, and that is taken back.
LIVE_MODES: Final = frozenset({"custom", "messages"})
RETRACT: Final = "retract"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing shown to a follower."""

    mode: str
    data: Any
    #: Its place in the run, ``sequence-index``: a later reader goes on after it.
    id: str = ""
    #: The frame in which it happened: () for the root, else a ``node:step`` for each level.
    ns: tuple[str, ...] = ()
    #: The open questions, beside a state.
    interrupts: tuple[Interrupt, ...] = ()
    #: Of what a node showed while it ran: which ``thread``, ``run``, ``step``, ``node`` and ``attempt``.
    origin: Mapping[str, Any] | None = None

    def typed(self) -> dict[str, Any]:
        """Return the part in the form of version 2: what it is, where, and what it shows."""
        shown = {"type": self.mode, "ns": self.ns, "data": self.data, "id": self.id}
        if self.mode == "values":
            shown["interrupts"] = self.interrupts
        return shown if self.origin is None else shown | {"origin": dict(self.origin)}

    def chunk(self, *, bare: bool, subgraphs: bool) -> Any:
        """Return the part in the form of version 1: what it shows, after its namespace and its mode where asked for.

        Open questions stand among the keys of the state.
        """
        data = with_interrupts(self.data, self.interrupts) if self.interrupts else self.data
        chunk = (*((self.ns,) if subgraphs else ()), *(() if bare else (self.mode,)), data)
        return chunk[0] if len(chunk) == 1 else chunk


def is_v2(version: str) -> bool:
    """Return whether outputs and parts have the form of version 2.

    Raises:
        InvalidConfig: there is no such version.
    """
    if not isinstance(version, str) or version not in ("v1", "v2"):
        raise InvalidConfig(f"version is 'v1' or 'v2', got {shown(version)}.")
    return version == "v2"


def check_modes(stream_mode: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the stream modes that a caller asked for; nothing is ever shown in one that is not known.

    Raises:
        InvalidConfig: they are no names at all.
    """
    if stream_mode is not None and not isinstance(stream_mode, str | list | tuple | Set):
        raise InvalidConfig(f"stream_mode is one of {', '.join(MODES)}, or a list of them, got {shown(stream_mode)}.")
    modes = (stream_mode,) if isinstance(stream_mode, str) else tuple(stream_mode or ("updates",))
    if odd := [mode for mode in modes if not isinstance(mode, str)]:
        raise InvalidConfig(f"A stream mode is one of {', '.join(MODES)}, got {shown(odd[0])}.")
    for mode in modes:
        if mode not in MODES:
            logger.warning("unknown stream mode %r; there are: %s", mode, ", ".join(MODES))
    return modes


def retracting(modes: Sequence[str]) -> tuple[str, ...]:
    """Return the modes with the retractions that belong to them."""
    return (*modes, RETRACT) if LIVE_MODES.intersection(modes) else tuple(modes)


def with_interrupts(values: Any, asked: Sequence[Interrupt], kind: type = tuple) -> Any:
    """Return a state as it is shown with the questions that wait: under a key of its own, alone for a bare value."""
    return {**(values if isinstance(values, dict) else {}), INTERRUPT: kind(asked)}
