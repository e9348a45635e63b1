"""What a node is told about the run it is part of, and what it may reach from inside."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, Protocol, Self, TypeVar

from .errors import OutsideOfStep
from .spending import nothing_spent
from .store import BaseStore

ContextT = TypeVar("ContextT")


class StreamWriter(Protocol):
    """Publishes one value to the run's live stream; does nothing when nobody asked for custom events."""

    def __call__(self, value: Any, /) -> None:
        """Publish a value."""


def no_writer(_: Any) -> None:
    """Drop what is written."""


def no_heartbeat() -> None:
    """Tell nobody: the attempt has no idle limit."""


class RunControl:
    """How a run is asked, from anywhere in its process, to stop between two steps and leave the rest for later."""

    def __init__(self) -> None:
        #: Why the run shall stop; None: it shall not.
        self.drain_reason: str | None = None
        self._listeners: list[Callable[[str], None]] = []

    def request_drain(self, reason: str = "shutdown") -> None:
        """Let the run stop when the steps that run now have ended: with GraphDrained, where work is left."""
        self.drain_reason = reason
        for listener in tuple(self._listeners):
            listener(reason)

    @contextmanager
    def heard_by(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Tell somebody the reason as soon as there is one, for as long as the block lasts."""
        self._listeners.append(listener)
        try:
            if self.drain_reason is not None:
                listener(self.drain_reason)
            yield
        finally:
            self._listeners.remove(listener)

    @property
    def drain_requested(self) -> bool:
        """Whether somebody asked."""
        return self.drain_reason is not None


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server in front of the graph says about the call."""

    assistant_id: str | None = None
    graph_id: str | None = None
    #: Who calls, as the server authenticated them.
    user: Any = None


def server_info_of(config: Mapping[str, Any]) -> ServerInfo | None:
    """Return what a config's configurable says of the server in front, or None where there is none."""
    given = config.get("configurable") or {}
    said = given.get("assistant_id"), given.get("graph_id"), given.get("langgraph_auth_user")
    return None if said == (None, None, None) else ServerInfo(*said)


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

    def patch(self, **changes: Any) -> Self:
        """Return a copy with some fields replaced."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Runtime(Generic[ContextT]):
    """Everything a node may use beside its state."""

    #: What the caller passed as ``context=``, in the form of the graph's context schema.
    context: ContextT = None  # type: ignore[assignment]
    #: The long-term memory that all threads share.
    store: BaseStore | None = None
    stream_writer: StreamWriter = field(default=no_writer)
    execution_info: ExecutionInfo | None = None
    #: What the thread's last run saved, for an entrypoint.
    previous: Any = None
    #: Stops the run between two steps.
    control: RunControl | None = None
    server_info: ServerInfo | None = None
    #: Tells, from inside of a node with an idle limit, that it is still at work.
    heartbeat: Callable[[], None] = field(default=no_heartbeat)
    #: Reports what the attempt has spent, for budgets: ``runtime.spend(tokens=1200, usd=0.03)``. It counts when the
    #: outcome of the attempt is stored, also where that is a failure, and not for an attempt that is lost.
    spend: Callable[..., None] = field(default=nothing_spent)

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

    def merge(self, other: "Runtime[ContextT]") -> "Runtime[ContextT]":
        """Return a runtime that has what the other one has, and where that has nothing, what this one has."""
        given = {each.name: getattr(other, each.name) for each in fields(other)}
        return replace(self, **{name: value for name, value in given.items() if value is not getattr(_EMPTY, name)})

    def override(self, **changes: Any) -> "Runtime[ContextT]":
        """Return a copy with some fields replaced."""
        return replace(self, **changes)


_EMPTY: Runtime[Any] = Runtime()
