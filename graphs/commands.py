"""The values with which a graph is steered: where it starts and ends, where it goes next, what it asks a person."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final

#: The virtual node before the first node.
START: Final = "__start__"
#: The virtual node after the last node.
END: Final = "__end__"


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Replaces a channel's value past its reducer, and past the plain writes of the same superstep."""

    value: Any


@dataclass(frozen=True, slots=True)
class Send:
    """Makes a node due with a state of its own: one step for every Send, whatever else is due."""

    node: str
    arg: Any


@dataclass(frozen=True, slots=True, repr=False)
class Command:
    """What a node returns to write and to say where to go next, and what a caller passes to answer and to steer.

    Args:
        graph: None for the graph it comes from.
        update: writes, as a node would return them.
        resume: the answer to the pending question, or answers by the ids of their questions.
        goto: node names and Sends, in addition to what the node's edges lead to.
    """

    graph: str | None = None
    update: Any = None
    resume: Any = None
    goto: Send | str | Sequence[Send | str] = ()

    PARENT: ClassVar[str] = "__parent__"

    def __repr__(self) -> str:
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        shown = ", ".join(f"{name}={value!r}" for name, value in given if value is not None and value != ())
        return f"Command({shown})"

    @property
    def targets(self) -> tuple[Send | str, ...]:
        """Where to go: node names and Sends."""
        return (self.goto,) if isinstance(self.goto, str | Send) else tuple(self.goto)


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A question that a node asked, and that waits for its answer."""

    value: Any
    #: The same for as long as the question is pending; how ``Command(resume={id: answer})`` names it.
    id: str
    #: What form the answer has, as JSON schema; None: any.
    response_schema: Any = None
