"""The one ContextVar: which step the code that is running belongs to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import NoStore, OutsideOfStep
from .interrupts import Questions
from .messages import identified
from .runtime import Runtime, StreamWriter
from .store import BaseStore


class CallsGraphs(Protocol):
    """Runs the graphs that a node calls in its body."""

    @property
    def children(self) -> Mapping[str, str]:
        """Where those that keep their state stand: frame -> checkpoint."""

    def next_call(self, graph: Any, keeps: bool | None) -> Callable[[Any], Any]:
        """Return what begins a graph on an input, as part of the step; calls are told apart by the order of this."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What the helpers below find out about the running step."""

    config: Mapping[str, Any]
    runtime: Runtime[Any]
    questions: Questions = field(default_factory=lambda: Questions(""))
    #: None where a node may not call any.
    graphs: CallsGraphs | None = None
    #: Takes a message for the stream, and the state key that it is written to as well.
    push: Callable[[Any, str | None], None] = field(default=lambda message, state_key: None)


_current: ContextVar[StepContext] = ContextVar("treadle_step")


def current() -> StepContext | None:
    """Return the running step; None outside of any."""
    return _current.get(None)


@contextmanager
def entered(context: StepContext) -> Iterator[None]:
    """Make a step the current one while its node runs."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def interrupt(value: Any) -> Any:
    """Ask a person and return the answer.

    The first time the node ends here: the question is recorded, and the run pauses when its siblings are done. With
    ``Command(resume=answer)`` the node starts again from its top, and the questions that were answered return at once,
    in the order in which they were asked; what stands before an ``interrupt`` runs again.

    Raises:
        OutsideOfStep: no step is running here.
    """
    return _here("interrupt").questions.ask(value)


def get_config() -> Mapping[str, Any]:
    """Return the config of the running step.

    Raises:
        OutsideOfStep: no step is running here.
    """
    return _here("get_config()").config


def get_runtime(context_schema: type[Any] | None = None) -> Runtime[Any]:
    """Return the runtime of the running step; the schema only tells a type checker what the context is.

    Raises:
        OutsideOfStep: no step is running here.
    """
    return _here("get_runtime()").runtime


def get_store() -> BaseStore:
    """Return the long-term memory that the graph was compiled with.

    Raises:
        OutsideOfStep: no step is running here.
        NoStore: the graph was compiled without one.
    """
    store = _here("get_store()").runtime.store
    if store is None:
        raise NoStore
    return store


def get_stream_writer() -> StreamWriter:
    """Return the writer to the run's ``custom`` stream.

    Raises:
        OutsideOfStep: no step is running here.
    """
    return _here("get_stream_writer()").runtime.stream_writer


def push_message(message: Any, *, state_key: str | None = "messages") -> Any:
    """Show a message in the run's ``messages`` stream at once, and return it.

    Args:
        message: in any form that ``add_messages`` takes, with an id.
        state_key: the key to which it is written with the node's other writes; None: it is only shown, as a chunk of a
            message would be.

    Raises:
        OutsideOfStep: no step is running here.
        InvalidUpdateError: it is no message, or has no id.
    """
    here, pushed = _here("push_message()"), identified(message)
    here.push(pushed, state_key)
    return pushed


def _here(name: str) -> StepContext:
    context = current()
    if context is None:
        raise OutsideOfStep(name)
    return context
