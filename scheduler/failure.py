"""How a failure travels: from the exception of a node to a record in the store, and back to an exception."""

import builtins
import json
import secrets
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

from graphs import errors as graph_errors
from graphs.commands import Command
from graphs.signals import ParentCommand

from . import errors as scheduler_errors
from . import excess, mistrust
from .errors import GraphChanged, NodeFailed, RunCancelled, RunFailed, RunTimeout, WorkerLost
from .lifecycle import RunStatus

#: How many characters are kept of what an error says, and of its traceback.
MAX_TEXT: Final = 16_000
Failure = Mapping[str, Any]

#: The modules whose errors come back as themselves.
_SOURCES = (builtins, graph_errors, scheduler_errors, excess, mistrust)
_STATUS: Mapping[str, RunStatus] = {
    "timeout": RunStatus.TIMEOUT,
    "cancelled": RunStatus.CANCELLED,
    "parked": RunStatus.INTERRUPTED,
    "refused": RunStatus.INTERRUPTED,
    "drained": RunStatus.INTERRUPTED,
}


def describe(error: BaseException, node: str | None = None) -> dict[str, Any]:
    """Return an exception as a record."""
    return _record("error", type(error).__name__, _told(str, error), node) | {
        "module": type(error).__module__,
        "args": [_plain(arg) for arg in error.args if arg is None or isinstance(arg, str | int | float)],
        "repr": _told(repr, error),
        "traceback": _ending(_storable("".join(traceback.format_exception(error)))),
    }


def refused(error: BaseException, node: str) -> dict[str, Any]:
    """Return the record of an answer that does not fit its question: pydantic's error, in a form that travels."""
    from pydantic import ValidationError  # here, as below, because it takes as long to import as half of the client

    record = describe(error, node)
    if not isinstance(error, ValidationError):
        return record
    lines = json.loads(error.json(include_url=False, include_context=False))
    return record | {"kind": "refused", "title": error.title, "errors": lines}


def overran(error: graph_errors.NodeTimeoutError) -> dict[str, Any]:
    """Return the record of a node that passed a time limit of its own."""
    return describe(error, error.node) | {"kind": "timeout", "repr": str(error)}


def timed_out(what: str, timeout_s: float) -> dict[str, Any]:
    """Return the record of a time limit of the run that was passed."""
    return _record("timeout", "RunTimeout", f"{what} ran longer than its time limit of {timeout_s:g} s.")


def drained(reason: str) -> dict[str, Any]:
    """Return the record of a run that stopped, with work left, because somebody asked for it."""
    return describe(graph_errors.GraphDrained(_beginning(_storable(reason)))) | {"kind": "drained"}


def lost(node: str, losses: int, by: str = "") -> dict[str, Any]:
    """Return the record of a step whose every attempt took its worker with it; ``by``: how the last one ended."""
    known = f", the last one by this: {by}" if by else ""
    message = (
        f"Node {node!r} lost its worker {losses} times (killed, out of memory, or crashed{known}), "
        "so it is not tried again."
    )
    return _record("lost", "WorkerLost", message, node)


def parked(reason: str, node: str | None = None) -> dict[str, Any]:
    """Return the record of a run that no worker can go on with, for a reason that a deployment mends."""
    return _record("parked", "GraphChanged", reason, node)


def cancelled(reason: str) -> dict[str, Any]:
    """Return the record of a run that somebody cancelled."""
    reason = _beginning(_storable(reason))
    return _record("cancelled", "RunCancelled", f"It was cancelled ({reason})." if reason else "It was cancelled.")


def status_of(failure: Failure) -> RunStatus:
    """Return how a run ends that failed in this way."""
    return _STATUS.get(failure["kind"], RunStatus.ERROR)


def revived(failure: Failure, thread_id: str, run_id: str) -> Exception:
    """Return the exception that a caller gets: of the original type where that is a known one, with a note.

    Nothing is imported: only Python's own exceptions and Treadle's come back as themselves.
    """
    if failure["kind"] == "timeout" and failure["node"] is not None:
        return graph_errors.NodeTimeoutError(*failure["args"])
    if failure["kind"] == "refused":
        return _invalid_resume(failure)
    special = {"timeout": RunTimeout, "lost": WorkerLost, "cancelled": RunCancelled, "parked": GraphChanged}
    wrapper: type[RunFailed] | None = special.get(failure["kind"])
    if wrapper is not None:
        return wrapper(thread_id, run_id, failure["message"])
    cls = _known_class(failure)
    if cls is None:
        text = f"node {failure['node']!r} raised {failure['type']}: {failure['message']}"
        return NodeFailed(thread_id, run_id, f"{text}\n{failure.get('traceback', '')}".rstrip())
    return _noted(cls, failure, thread_id, run_id)


def raised_at_root(failure: Failure, thread_id: str, run_id: str) -> BaseException:
    """Return what a run's caller gets: the exception, or the Command that was for a graph above and found none."""
    command = failure.get("command")
    if command is None:
        return revived(failure, thread_id, run_id)
    return ParentCommand(Command(graph=Command.PARENT, update=command["update"], goto=command["goto"]))


def _invalid_resume(failure: Failure) -> Exception:
    from pydantic import ValidationError
    from pydantic_core import InitErrorDetails, PydanticCustomError

    lines = [
        InitErrorDetails(
            type=PydanticCustomError(line["type"], line["msg"]), loc=tuple(line["loc"]), input=line["input"]
        )
        for line in failure["errors"]
    ]
    return graph_errors.as_invalid_resume(ValidationError.from_exception_data(failure["title"], lines))


def _record(kind: str, type_name: str, message: str, node: str | None = None) -> dict[str, Any]:
    """Return what every record of a failure has; by its id the process that raised it finds the exception itself."""
    id_ = secrets.token_hex(8)
    return {"id": id_, "kind": kind, "type": type_name, "message": message, "repr": message, "node": node}


def _told(how: Callable[[BaseException], str], error: BaseException) -> str:
    try:
        text = how(error)
    except Exception:  # an error that fails to tell about itself is a node's failure all the same
        text = f"{type(error).__name__} (it fails to say more)"
    return _beginning(_storable(text))


def _beginning(text: str) -> str:
    """Return a text, of a long one the beginning, and how much is missing."""
    left = len(text) - MAX_TEXT
    return text if left <= 0 else f"{text[:MAX_TEXT]} ... ({left} characters are left out)"


def _ending(text: str) -> str:
    """Return a text, of a long one the end: of a traceback what matters most."""
    left = len(text) - MAX_TEXT
    return text if left <= 0 else f"({left} characters are left out) ...{text[-MAX_TEXT:]}"


def _plain(arg: str | float | None) -> str | float | None:
    """Return an argument without its class, which the store need not know: members of an Enum, as a rule."""
    if arg is None:
        return None
    if isinstance(arg, str):
        return _beginning(_storable(str.__str__(arg)))
    if isinstance(arg, int):
        return arg if isinstance(arg, bool) else int(arg)
    return float(arg)


def _storable(text: str) -> str:
    """Return a text without lone surrogates, as in names of files that are no UTF-8: neither JSON nor Lua take them."""
    return text.encode("utf-8", "backslashreplace").decode()


def _known_class(failure: Failure) -> type[Exception] | None:
    source = next((source for source in _SOURCES if source.__name__ == failure.get("module")), object)
    cls = getattr(source, failure["type"], None)
    return cls if isinstance(cls, type) and issubclass(cls, Exception) else None


def _noted(cls: type[Exception], failure: Failure, thread_id: str, run_id: str) -> Exception:
    try:
        error = cls(*failure["args"])
    except TypeError:  # a class that wants other arguments than it keeps in args
        error = NodeFailed(thread_id, run_id, f"node {failure['node']!r} raised {failure['repr']}")
    error.add_note(
        f"In node {failure['node']!r} of thread {thread_id!r}, run {run_id}:\n{failure.get('traceback', '')}"
    )
    return error
