"""How steps reach the workers: the message, and the port that carries it."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from graphs.lean_values import lean
from graphs.priority import DEFAULT_PRIORITY

from .frame import Frame

_VERSION_LENGTH = 8


def version_name(graph: str, fingerprint: str) -> str:
    """Return how queues name a version of a graph: ``support-1a2b3c4d``."""
    return f"{graph}-{fingerprint[:_VERSION_LENGTH]}"


def version_queue(queue: str, version: str) -> str:
    """Return the queue beside a queue that is for one version of a graph: ``treadle@support-1a2b3c4d``."""
    return f"{queue}@{version}"


@lean(frozen=True, slots=True)
class StepRef:
    """Which step a message is about: ids only, never state."""

    thread_id: str
    run_id: str
    step_id: str
    #: Where it lies, as a hint: a worker that holds this checkpoint need not be sent its state.
    ns: str = field(default="", compare=False)
    checkpoint_id: str = field(default="", compare=False)
    #: The graph among whose steps it has a slot; nothing where it needs none.
    slot: str = field(default="", compare=False)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> "StepRef":
        """Return the reference that a message's keyword arguments hold."""
        hints = message.get("frame", ""), message.get("checkpoint", "")
        return cls(message["thread"], message["run"], message["step"], *hints)


@lean(frozen=True, slots=True)
class StepOrder:
    """A step to be run: what a dispatcher needs to know of it."""

    ref: StepRef
    graph: str
    node: str
    frame: Frame
    checkpoint_id: str
    #: Which attempt the message asks for, counted from 1.
    attempt: int = 1
    #: The Celery queue; None: the default one.
    queue: str | None = None
    #: The soft time limit of the attempt, and the hard one a grace later; None: no limit.
    soft_ms: int | None = None
    hard_ms: int | None = None
    #: Whether the step has its result already, and only its superstep waits to be closed.
    done: bool = False
    #: Whether it waits, without a message, until another step of its superstep lets it go.
    held: bool = False
    #: How many steps of its superstep may still be held once it has ended; below 0: none.
    #: None: of those that are held one goes whenever a step ends.
    behind: int | None = None
    #: Whether the others go as soon as a worker has it.
    leads: bool = False
    #: Whether it was asked something before, and has answers to be replayed.
    resumed: bool = False
    #: The id of the failed step whose place it takes; None: it is no error handler's.
    handles: str | None = None
    #: The version of the graph whose workers it is for; None: any worker of the queue.
    version: str | None = None
    #: From 0 to 9; of what waits in a queue a higher number goes first.
    priority: int = DEFAULT_PRIORITY
    #: Whether a message of it may still wait in its queue.
    again: bool = field(default=False, compare=False)

    def record(self) -> dict[str, Any]:
        """Return the step as it is kept while it is in flight; a step begins its life in a queue."""
        record = {
            "id": self.ref.step_id,
            "run": self.ref.run_id,
            "graph": self.graph,
            "node": self.node,
            "ns": self.frame.ns,
            "caller": self.frame.caller,
            "first_number": self.frame.first_number,
            "checkpoint": self.checkpoint_id,
            "queue": self.queue,
            "soft_ms": self.soft_ms,
            "hard_ms": self.hard_ms,
            "resumed": self.resumed or None,
            "handles": self.handles,
            "version": self.version,
            "behind": self.behind,
            "leads": self.leads or None,
            "priority": None if self.priority == DEFAULT_PRIORITY else self.priority,
        }
        state = "done" if self.done else "held" if self.held else "queued"
        counters = {"state": state, "attempt": 0, "losses": 0, "sends": 0}
        return {name: value for name, value in record.items() if value is not None} | counters

    @classmethod
    def from_record(cls, thread_id: str, record: Mapping[str, Any]) -> "StepOrder":
        """Return the order for the next attempt at a step in flight."""
        return cls(
            StepRef(thread_id, record["run"], record["id"], record["ns"], record["checkpoint"]),
            record["graph"],
            record["node"],
            frame_of(record),
            record["checkpoint"],
            record["attempt"] + 1,
            record.get("queue"),
            record.get("soft_ms"),
            record.get("hard_ms"),
            handles=record.get("handles"),
            version=record.get("version"),
            priority=record.get("priority", DEFAULT_PRIORITY),
            again=record.get("again", False),
        )


def frame_of(record: Mapping[str, Any]) -> Frame:
    """Return the frame in which a step in flight runs."""
    return Frame(record["ns"], record.get("caller"), record["first_number"])


@lean(frozen=True, slots=True)
class Envelope:
    """A queue message that a script may push in the same breath as the commit."""

    queue_key: str
    payload: bytes


class Dispatcher(Protocol):
    """Hands steps to workers. A message is a hint: it may be lost, doubled or late without any harm."""

    @property
    def inline(self) -> bool:
        """Whether the process that starts a run executes its steps itself."""

    def envelope(self, order: StepOrder) -> Envelope | None:
        """Return the message for the store's own Redis to push, or None where the broker is elsewhere."""

    def send(self, orders: Sequence[StepOrder]) -> None:
        """Publish what has no envelope."""

    def is_open(self) -> bool:
        """Return whether messages would get through now: what cannot be sent must not count as sent."""

    def backlog(self, order: StepOrder) -> int:
        """Return how many messages wait in the queue of a step."""

    def announce(self, thread_id: str, run_id: str, queue: str | None) -> None:
        """Tell the workers of a queue that a run is to begin."""


class Inline:
    """The dispatcher of a process that runs its steps itself: nothing has to travel."""

    inline = True

    def envelope(self, order: StepOrder) -> Envelope | None:
        """Return None: there is no queue."""
        return None

    def send(self, orders: Sequence[StepOrder]) -> None:
        """Do nothing: whoever opened the steps runs them."""

    def is_open(self) -> bool:
        """Return True: there is nothing to get through."""
        return True

    def backlog(self, order: StepOrder) -> int:
        """Return 0: there is no queue."""
        return 0

    def announce(self, thread_id: str, run_id: str, queue: str | None) -> None:
        """Do nothing: there are no workers."""
