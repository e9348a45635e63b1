"""A thread's state between two supersteps, and what the steps of a superstep wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from xxhash import xxh3_128_hexdigest

from .channels import MISSING
from .commands import Send
from .timeouts import TimeoutPolicy

#: How a checkpoint came to be: an input arrived, a superstep closed, a person edited, an old one was copied.
Source = Literal["input", "loop", "update", "fork"]

#: The first part of the path of a step that an edge triggered.
PULL: Final = "__pregel_pull"
#: The first part of the path of a step that a Send made due; it is also what triggered the step.
PUSH: Final = "__pregel_push"


@dataclass(frozen=True, slots=True)
class Step:
    """One node due in one superstep."""

    id: str
    node: str
    #: Where the step stands among its siblings; their writes are applied in the order of their paths.
    path: tuple[str | int, ...]
    #: What made the step due, for example ``branch:to:review``.
    triggers: tuple[str, ...]
    #: The state that a Send gave it; MISSING: it sees the frame's.
    arg: Any = MISSING
    #: The time limits that a Send gave it; None: its node's.
    timeout: TimeoutPolicy | None = None
    #: The id of the step that failed, for the step of an error handler that takes its place.
    handles: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished step wrote, and where its routers send the run."""

    step: Step
    #: One mapping of state key to value for each batch the node wrote.
    updates: tuple[Mapping[str, Any], ...] = ()
    #: The nodes and Sends that the step's Commands and conditional edges chose.
    goto: tuple[str | Send, ...] = ()
    #: Where the graphs that it called, and that keep their state, stand now: frame -> checkpoint id.
    children: Mapping[str, str] = field(default_factory=dict)
    #: Whether a cache had it, and the node was not called.
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one frame between two supersteps; never changed once it is stored."""

    id: str
    parent_id: str | None
    source: Source
    #: The number of the superstep that made it: -1 for the first input, 0 when that input is applied.
    number: int
    values: Mapping[str, Any] = field(default_factory=dict)
    #: For each list edge, by name, the sources that have finished since it last fired.
    joins: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: The steps due next, in the order in which they start.
    steps: tuple[Step, ...] = ()
    #: Deferred nodes that wait until nothing else is due.
    deferred: tuple[str, ...] = ()
    #: The nodes whose writes made this checkpoint.
    writers: tuple[str, ...] = ()
    #: Where the graphs below that keep their state stood: frame -> checkpoint id. So an old checkpoint leads back to
    #: theirs as well.
    children: Mapping[str, str] = field(default_factory=dict)


def step_id(checkpoint_id: str, ns: str, node: str, *path: str | int) -> str:
    """Return the id of a step: stable over attempts and processes, new for every checkpoint that makes it due."""
    return xxh3_128_hexdigest("\x1f".join((checkpoint_id, ns, node, *map(str, path))).encode())


def handler_step(failed: Step, handler: str) -> Step:
    """Return the step of an error handler: it sees what the failed step saw, and writes in its place."""
    id_ = step_id(failed.id, "", handler, PULL)
    return Step(id_, handler, failed.path, failed.triggers, failed.arg, handles=failed.id)
