"""What a node is told about the run it is part of, and what it may reach from inside."""

from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from .errors import OutsideOfStep
from .store import BaseStore

ContextT = TypeVar("ContextT")


class StreamWriter(Protocol):
    """Publishes one value to the run's live stream; does nothing when nobody asked for custom events."""

    def __call__(self, value: Any, /) -> None:
        """Publish a value."""


def no_writer(_: Any) -> None:
    """Drop what is written."""


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """The ids of the step that is running."""

    thread_id: str
    run_id: str
    checkpoint_id: str
    checkpoint_ns: str
    task_id: str
    #: Which attempt at this step it is, counted from 1.
    node_attempt: int = 1
    #: When the first attempt began, in seconds since the epoch; kept over retries.
    node_first_attempt_time: float | None = None


@dataclass(frozen=True, slots=True)
class Runtime(Generic[ContextT]):
    """Everything a node may use beside its state."""

    #: What the caller passed as ``context=``, in the form of the graph's context schema.
    context: ContextT = None  # type: ignore[assignment]
    #: The long-term memory that all threads share.
    store: BaseStore | None = None
    stream_writer: StreamWriter = field(default=no_writer)
    execution_info: ExecutionInfo | None = None

    @property
    def attempt(self) -> int:
        """Which attempt at this step it is, counted from 1."""
        return self.execution_info.node_attempt if self.execution_info else 1

    @property
    def idempotency_key(self) -> str:
        """A key that is the same in every attempt at this step, and in no other step: for effects on the outside.

        Raises:
            OutsideOfStep: the runtime belongs to no step.
        """
        if self.execution_info is None:
            raise OutsideOfStep("runtime.idempotency_key")
        return self.execution_info.task_id
