"""A named function of a graph: what it is given, where it may run, how long, and how often it is tried."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from inspect import Parameter, getclosurevars, iscoroutinefunction, isfunction, ismethod, signature, unwrap
from types import SimpleNamespace, UnionType
from typing import Any, Final, Self, Union, get_args, get_origin, get_type_hints

from .cache_policy import CachePolicy
from .checks import shown
from .commands import END, START
from .errors import InvalidGraph, NodeError
from .retry import RetryPolicy
from .runtime import Runtime, StreamWriter
from .schema import UNRESOLVED, Schema, is_state_class
from .store import BaseStore
from .timeouts import TimeoutPolicy

#: What a node can ask for beside its state, by parameter name.
ROLES = ("config", "runtime", "store", "writer", "previous")
#: What the name of a node's error handler begins with; the node's name follows.
HANDLER: Final = "__error_handler__"
#: The name of the error handler that nodes have by default.
DEFAULT_HANDLER: Final = "__default_error_handler__"
#: The parameters that can be filled by name.
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_MAX_NAME_LENGTH = 128
#: What a parameter of an annotated kind takes.
_KINDS: Mapping[str, Callable[[type], bool]] = {
    "runtime": lambda kind: kind is Runtime,
    "store": lambda kind: issubclass(kind, BaseStore),
    "config": lambda kind: kind.__name__ == "RunnableConfig",  # of a package that need not be installed
    "error": lambda kind: kind is NodeError,
}


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a graph; times in seconds."""

    name: str
    func: Callable[..., Any]
    input: Schema
    #: Parameter name -> which injected value it takes.
    injected: Mapping[str, str] = field(default_factory=dict)
    is_async: bool = False
    #: The Celery queue whose workers run it; None: the default queue.
    queue: str | None = None
    #: The time limits of one attempt; None: the run's and the thread's limits alone.
    timeout: TimeoutPolicy | None = None
    retry: tuple[RetryPolicy, ...] = ()
    #: How often all workers together may start it at most, in Celery's form.
    rate_limit: str | float | None = None
    #: How urgent its steps are, from 0 to 9, the highest first; None: as urgent as their run.
    priority: int | None = None
    defer: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: Where its Commands may go -> the label of that edge; for drawings.
    destinations: Mapping[str, str] = field(default_factory=dict)
    cache_policy: CachePolicy | None = None
    #: What runs in its place when no attempt is left.
    handler: "Node | None" = None

    @property
    def timeout_s(self) -> float | None:
        """The limit of one attempt as a whole, in seconds."""
        return None if self.timeout is None else self.timeout.run_timeout_s

    @property
    def runnable(self) -> Self:
        """The node itself: ``builder.nodes[name].runnable.func`` is the function under the name LangGraph gives it."""
        return self

    def call(self, state: Any, offered: Mapping[str, Any]) -> Any | Coroutine[Any, Any, Any]:
        """Call the function with its view of the state and what it asked for; async functions return a coroutine."""
        return self.func(state, **{parameter: offered[role] for parameter, role in self.injected.items()})


def name_of(func: Any) -> str:
    """Return the name a node gets when none is given: the function's, or its class's."""
    if isinstance(func, partial):
        return name_of(func.func)
    own_name = getattr(func, "__name__", None)
    if own_name is None and not callable(func):
        own_name = getattr(func, "name", None)
    return own_name if isinstance(own_name, str) else type(func).__name__


def plain_name(name: Any) -> str:
    """Return a node's name as a plain string, also when it was given as a member of an Enum.

    Raises:
        InvalidGraph: it is no string.
    """
    plain = name.value if isinstance(name, Enum) else name
    if not isinstance(plain, str):
        raise InvalidGraph(f"A node's name must be a string, got {shown(name)}.")
    return str(plain)


def check_name(name: str) -> str:
    """Return a node's name.

    Raises:
        InvalidGraph: it is empty, too long, reserved, or holds a character that ids and namespaces are built with.
    """
    if not name or len(name) > _MAX_NAME_LENGTH:
        raise InvalidGraph(f"A node's name has 1 to {_MAX_NAME_LENGTH} characters, got {name!r:.40}.")
    if name in (START, END, DEFAULT_HANDLER) or name.startswith(HANDLER):
        raise InvalidGraph(f"Node name {name!r} is reserved.")
    bad = sorted({char for char in name if char in "|:" or not char.isprintable()})
    if bad:
        raise InvalidGraph(f"Node name {name!r} holds {' '.join(map(repr, bad))}, which is reserved in node names.")
    return name


def callable_of(func: Any) -> Callable[..., Any]:
    """Return what to call: the function itself, or ``invoke`` of an object that has one.

    Raises:
        InvalidGraph: it cannot be called at all.
    """
    if callable(func):
        return func  # type: ignore[no-any-return]
    if callable(getattr(func, "invoke", None)):
        return func.invoke  # type: ignore[no-any-return]
    raise InvalidGraph(f"Expected a function or an object with invoke(), got {type(func).__name__}.")


def check_call(func: Callable[..., Any], injected: Mapping[str, str], what: str, roles: Sequence[str] = ROLES) -> None:
    """Check that a function can be called with the state and what it asks for.

    Raises:
        InvalidGraph: it takes no state, or wants an argument that nobody gives.
    """
    try:
        # of a decorated function the wrapper is called, whatever the function inside may want
        signature(func, follow_wrapped=False).bind(None, **injected)
    except TypeError as error:
        raise InvalidGraph(
            f"The {what} cannot be called as function(state): {error}. Beside the state, a parameter may be named "
            f"{', '.join(roles)}, or have a default."
        ) from error
    except ValueError:
        return  # a builtin that tells nothing about itself


def is_async(func: Any) -> bool:
    """Return whether calling it gives a coroutine."""
    while isinstance(func, partial):
        func = func.func
    return iscoroutinefunction(func) or iscoroutinefunction(getattr(func, "__call__", None))  # noqa: B004  # the method itself is wanted


def injected_parameters(func: Any, roles: Sequence[str] = ROLES, first: int = 1) -> dict[str, str]:
    """Return which parameters, beside those before the ``first``, take one of the roles, by name or by annotation."""
    hints = hints_of(func)
    bound = func.keywords if isinstance(func, partial) else {}
    found = {}
    for name, parameter in _parameters(func)[first:]:
        role = name if name in roles else _role(hints.get(name))
        if role is not None and role in roles and name not in bound and parameter.kind in _BY_NAME:
            found[name] = role
    return found


def variables_of(func: Any) -> list[Any]:
    """Return what the variables hold that a function refers to: those around it, and of a method its object's."""
    while isinstance(func, partial):
        func = func.func
    target = func if isfunction(func) or ismethod(func) else getattr(func, "__call__", func)  # noqa: B004  # its variables
    try:
        seen = getclosurevars(target)
    except (TypeError, ValueError):  # a builtin has none, and a variable may have no value yet
        return []
    own = getattr(getattr(target, "__self__", None), "__dict__", {})
    return [*seen.nonlocals.values(), *seen.globals.values(), *own.values()]


def input_hint(func: Any) -> Any | None:
    """Return the state class that the first parameter is annotated with, or None."""
    parameters = _parameters(func)
    if not parameters:
        return None
    hint = hints_of(func).get(parameters[0][0])
    return hint if is_state_class(hint) else None


def hints_of(func: Any) -> dict[str, Any]:
    """Return the annotations of a function that can be resolved; the others are for its readers only."""
    while isinstance(func, partial):
        func = func.func
    target = func if isfunction(func) or ismethod(func) else getattr(func, "__call__", func)  # noqa: B004  # its hints
    names = getattr(unwrap(target), "__globals__", {})
    found: dict[str, Any] = {}
    for name, hint in getattr(target, "__annotations__", {}).items():
        try:
            # one by one: a class that only type checkers import must not hide the other annotations
            found |= get_type_hints(SimpleNamespace(__annotations__={name: hint}), names, include_extras=True)
        except UNRESOLVED:
            continue
    return found


def _parameters(func: Any) -> list[tuple[str, Parameter]]:
    try:
        return list(signature(func).parameters.items())
    except ValueError:
        return []  # a builtin without a signature takes the state alone


def _role(hint: Any) -> str | None:
    if hint is StreamWriter:
        return "writer"
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [kind for kind in (get_origin(option) or option for option in options) if isinstance(kind, type)]
    return next((role for kind in kinds for role, fits in _KINDS.items() if fits(kind)), None)
