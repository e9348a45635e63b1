"""The values with which a graph is steered: where it starts and ends, and writes that go past a reducer."""

from dataclasses import dataclass
from typing import Any, Final

#: The virtual node before the first node.
START: Final = "__start__"
#: The virtual node after the last node.
END: Final = "__end__"


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Replaces a channel's value past its reducer, and past the plain writes of the same superstep."""

    value: Any
