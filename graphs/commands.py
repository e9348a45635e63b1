"""The values with which a graph is steered: where it starts and ends, where it goes next, what it asks a person."""

from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, ClassVar, Final, Generic, Literal, NamedTuple

from typing_extensions import TypeVar

from .checks import shown
from .errors import InvalidUpdateError
from .timeouts import Timeout, timeout_of

#: The virtual node before the first node.
START: Final = "__start__"
#: The virtual node after the last node.
END: Final = "__end__"
#: Where an entrypoint keeps what its next call gets as ``previous``.
PREVIOUS: Final = "__previous__"
#: The key of what a task returns.
RETURN: Final = "__return__"

#: When the checkpoints of a run become durable: before the next step, beside it, or at the run's end.
Durability = Literal["sync", "async", "exit"]

TargetT = TypeVar("TargetT", bound=Hashable, default=Any)
ValueT = TypeVar("ValueT")
SavedT = TypeVar("SavedT")


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Replaces a channel's value past its reducer, and past the plain writes of the same superstep."""

    value: Any


@dataclass(frozen=True, slots=True, repr=False)
class Send:
    """Makes a node due with a state of its own: one step for every Send, whatever else is due.

    Raises:
        InvalidGraph: the time limit is no positive duration and no TimeoutPolicy.
    """

    node: str
    arg: Any
    #: The time limit of this step, in place of its node's; kept as a TimeoutPolicy.
    timeout: Timeout = None

    def __post_init__(self) -> None:
        if self.timeout is not None:
            object.__setattr__(self, "timeout", timeout_of(self.timeout, f"timeout of a Send to {shown(self.node)}"))

    def __repr__(self) -> str:
        return f"Send({_shown(self, ('timeout',))})"


@dataclass(frozen=True, slots=True, repr=False)
class Command(Generic[TargetT]):
    """What a node returns to write and to say where to go next, and what a caller passes to answer and to steer.

    Args:
        graph: None for the graph it comes from.
        update: writes, as a node would return them.
        resume: the answer to the pending question, or answers by the ids of their questions.
        goto: node names and Sends, in addition to what the node's edges lead to.

    As a node's return annotation, ``Command[Literal["a", "b"]]`` says where it may go.
    """

    graph: str | None = None
    update: Any = None
    resume: Any = None
    goto: Send | str | Sequence[Send | str] = ()

    PARENT: ClassVar[str] = "__parent__"

    def __repr__(self) -> str:
        return f"Command({_shown(self, ('graph', 'update', 'resume', 'goto'))})"

    @property
    def targets(self) -> tuple[Send | str, ...]:
        """Where to go: node names and Sends.

        Raises:
            InvalidUpdateError: the goto is something else.
        """
        if isinstance(self.goto, str | Enum | Send):
            return (self.goto,)
        if not isinstance(self.goto, list | tuple | Set):
            raise InvalidUpdateError(
                f"A Command's goto is a node's name, a Send, or a list of them, got {shown(self.goto)}."
            )
        return tuple(self.goto)


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A question that a node asked, and that waits for its answer."""

    value: Any
    #: The same for as long as the question is pending; how ``Command(resume={id: answer})`` names it.
    id: str
    #: What form the answer has, as JSON schema; None: any.
    response_schema: Any = None


class StateUpdate(NamedTuple):
    """One of the updates of ``bulk_update_state``: writes, as if a node had made them."""

    values: Any
    #: The node; None: the one that wrote last.
    as_node: str | None = None
    #: The step; None: one of its own.
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Returned(Generic[ValueT, SavedT]):
    """What an entrypoint returns where that is not what it saves: ``entrypoint.final(value=..., save=...)``."""

    value: ValueT
    #: What the next call on the thread gets as ``previous``.
    save: SavedT


def _shown(value: Any, optional: Sequence[str]) -> str:
    """Return a value's fields as a call would name them, without the optional ones that were left out."""
    given = {field.name: getattr(value, field.name) for field in fields(value)}
    return ", ".join(
        f"{name}={item!r}" for name, item in given.items() if name not in optional or item not in (None, ())
    )
