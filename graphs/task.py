"""A function that is a step of its own where it is called: recorded once, and not run again when its caller is."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cached_property, update_wrapper
from inspect import signature
from typing import Any, Generic, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, overload

from .context import current
from .errors import InvalidGraph, OutsideOfStep
from .node import callable_of, check_name, hints_of, injected_parameters, is_async, name_of, plain_name
from .retry import Retry, policies_of
from .schema import classes_in
from .timeouts import Timeout, timeout_of

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class TaskFuture(Awaitable[T_co], Protocol[T_co]):
    """What a task will return: wait for it with ``result()``, or await it."""

    def result(self, timeout: float | None = None) -> T_co:
        """Return the task's value, or raise what it raised; waits so many seconds at the most."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the task raised, or None."""

    def done(self) -> bool:
        """Return whether the task has ended."""


class TaskOptions(TypedDict, total=False):
    """What a task can be given beside its function; None is the same as left out."""

    #: How streams and the log show it; the function's own name when left out.
    name: str | None
    #: When, and how often, a failed attempt is repeated, in the process that runs the caller.
    retry_policy: Retry
    #: The time limit of one attempt, of async functions alone.
    timeout: Timeout


class Task(Generic[P, T]):
    """A function to be called from an entrypoint, a node, or another task; what it does not get, it may ask for."""

    def __init__(
        self, func: Callable[P, Any], name: str | None = None, retry_policy: Retry = None, timeout: Timeout = None
    ) -> None:
        self.func = func
        self.name = check_name(name_of(func) if name is None else plain_name(name))
        callable_of(func)
        self.is_async = is_async(func)
        self.retry = policies_of(retry_policy)
        self.timeout = timeout_of(timeout, f"timeout of task {self.name!r}")
        self._injected = injected_parameters(func, first=0)
        if self.timeout is not None and not self.is_async:
            raise InvalidGraph(f"The timeout of task {self.name!r} is only supported for async nodes and tasks.")
        update_wrapper(self, func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]:
        """Begin the task, beside whatever else runs, and return the future of its value.

        Raises:
            OutsideOfStep: no run is executing the caller.
        """
        step = current()
        if step is None or step.tasks is None:
            raise OutsideOfStep(f"Task {self.name!r}")
        return step.tasks.begin_task(self, args, kwargs)  # type: ignore[no-any-return]

    def call(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], offered: Mapping[str, Any]
    ) -> T | Coroutine[Any, Any, T]:
        """Call the function with its arguments, and with what it asks for and was not given."""
        given = signature(self.func).bind_partial(*args, **kwargs).arguments if self._injected else {}
        asked = {name: offered[role] for name, role in self._injected.items() if name not in given}
        return self.func(*args, **kwargs, **asked)  # type: ignore[no-any-return]

    @cached_property
    def classes(self) -> frozenset[type]:
        """The classes that its annotation names: what its value may be made of."""
        return frozenset(classes_in(hints_of(self.func).get("return", Any)))


@overload
def task(func: Callable[P, Coroutine[Any, Any, T]], /, **options: Unpack[TaskOptions]) -> Task[P, T]: ...


@overload
def task(func: Callable[P, T], /, **options: Unpack[TaskOptions]) -> Task[P, T]: ...


@overload
def task(**options: Unpack[TaskOptions]) -> "TaskDecorator": ...


def task(func: Any = None, /, **options: Unpack[TaskOptions]) -> Any:
    """Make a function a task: ``@task``, or ``@task(name=...)``.

    Args:
        func: the function, plain or async; what it returns is recorded, so it has to be plain data or of a class that
            its annotation names.
        **options: see TaskOptions.

    Raises:
        InvalidGraph: the name is not usable, or an option does not fit.
    """

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        return Task(function, **options)

    return decorate if func is None else decorate(func)


class TaskDecorator(Protocol):
    """Makes a function a task."""

    @overload
    def __call__(self, func: Callable[P, Coroutine[Any, Any, T]], /) -> Task[P, T]: ...

    @overload
    def __call__(self, func: Callable[P, T], /) -> Task[P, T]: ...
