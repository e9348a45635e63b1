"""The one ContextVar: which step the code that is running belongs to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any, Protocol

from .errors import InvalidSleep, NoStore, OutsideOfStep
from .interrupts import Questions, deadline_of
from .lean_values import lean
from .messages import identified
from .runtime import Runtime, StreamWriter
from .sleeping import Pause, Sleeps, Woken
from .store import BaseStore


class CallsGraphs(Protocol):
    """Runs the graphs that a node calls in its body."""

    @property
    def children(self) -> Mapping[str, str]:
        """Where those that keep their state stand: frame -> checkpoint."""

    def next_call(self, graph: Any, keeps: bool | None) -> Callable[[Any], Any]:
        """Return what begins a graph on an input, as part of the step; calls are told apart by the order of this."""


class CallsTasks(Protocol):
    """Runs the tasks that a function calls in its body."""

    def begin_task(self, task: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Begin a task and return the future of its value."""


@lean(frozen=True, slots=True)
class StepContext:
    """What the helpers below find out about the running step."""

    config: Mapping[str, Any]
    runtime: Runtime[Any]
    questions: Questions = field(default_factory=lambda: Questions(""))
    #: None where a node may not call any.
    graphs: CallsGraphs | None = None
    tasks: CallsTasks | None = None
    #: None where nobody could be woken.
    sleeps: Sleeps | None = None
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


def interrupt(
    value: Any,
    *,
    response_schema: Any = None,
    deadline: float | timedelta | datetime | None = None,
    default: Any = ...,
) -> Any:
    """Ask a person and return the answer.

    The first time the node ends here: the question is recorded, and the run pauses when its siblings are done. With
    ``Command(resume=answer)`` the node starts again from its top, and the questions that were answered return at once,
    in the order in which they were asked; what stands before an ``interrupt`` runs again.

    Args:
        value: the question; anything that can be stored.
        response_schema: the form of the answer. A dict (JSON schema) is only shown to whoever is asked. A pydantic
            model, TypedDict, dataclass or other type also checks the answer and returns it as that type; who gave one
            that does not fit gets the ValidationError, and the question can be answered again.
        deadline: until when it waits: seconds or a timedelta after it was first asked, or a datetime with time zone.
        default: the answer that counts when the deadline passes.

    Raises:
        OutsideOfStep: no step is running here.
        InvalidQuestion: only one of deadline and default is given, or schema, deadline and default do not fit.
    """
    return _here("interrupt").questions.ask(value, response_schema, deadline_of(deadline, default))


def sleep(seconds: float | timedelta) -> Woken:
    """Sleep, for seconds or for a year, without holding a worker.

    The node ends here, and its step waits in the store. When the time has come, the node starts again from its top, and
    the sleeps that are over return at once, in the order in which they began, as the answers to ``interrupt`` do. The
    run stays active meanwhile: its own time limit counts, that of the node begins anew. It may be awaited.

    Args:
        seconds: how long, by the store's clock; a number of seconds or a timedelta, of at most 100 years.

    Raises:
        OutsideOfStep: no step is running here.
        InvalidSleep: it is no number, negative, without end, or too long.
    """
    return _asleep("sleep()", seconds)


def sleep_until(moment: datetime) -> Woken:
    """Sleep until a moment as ``sleep`` does; one that has passed returns at once.

    Args:
        moment: a datetime with a time zone, at most 100 years from now.

    Raises:
        OutsideOfStep: no step is running here.
        InvalidSleep: it has no time zone, or is too far away.
    """
    if not isinstance(moment, datetime):
        raise InvalidSleep(f"sleep_until() takes a datetime with a time zone, got {moment!r:.60}.")
    return _asleep("sleep_until()", moment)


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


def _asleep(name: str, pause: Pause) -> Woken:
    sleeps = _here(name).sleeps
    if sleeps is None:
        raise OutsideOfStep(name)
    return sleeps.sleep(pause)


def _here(name: str) -> StepContext:
    context = current()
    if context is None:
        raise OutsideOfStep(name)
    return context
