"""Flower as Treadle wants it: how it shows steps, and who may look."""

import ast
import os
import re
from collections.abc import Mapping
from typing import Any, Final

import click
from celery.events.state import Task

from .exits import Refused
from .json_logs import is_json, set_up

#: The name to log in with.
USER = "treadle"

#: The environment variable with the password to log in with.
PASSWORD = "TREADLE_FLOWER_PASSWORD"  # nosec B105  # the name of a variable

_LOOPBACK = "127.0.0.1"

#: What a step that ended well for Celery is shown as, by the word that it returned; else as a success.
_STATES: Final[Mapping[str, str]] = {
    "interrupted": "INTERRUPTED",
    "refused": "INTERRUPTED",
    "spent": "INTERRUPTED",
    "called": "CALLED",
    "parked": "PARKED",
    "slept": "ASLEEP",
    "limited": "LIMITED",
    "stale": "STALE",
    "lease lost": "LOST",
}
#: What a failure is shown as, by the class of its error.
_FAILURES: Final[Mapping[str, str]] = {
    "NodeTimeoutError": "TIMEOUT",
    "RunTimeout": "TIMEOUT",
    "SoftTimeLimitExceeded": "TIMEOUT",
    "TimeLimitExceeded": "TIMEOUT",
    "WorkerLostError": "LOST",
}
_INNER: Final = re.compile(r"NodeFailed\(.*?node \\?'[^']*' raised (.+?)(?:\\n|'\)|\"\)|$)", re.DOTALL)
#: An error that names thread and run, which the row has already.
_OF_RUN: Final = re.compile(r"(\w+)\('[^']*', '[0-9a-f]{32}', [\"'](.*)[\"']\)$", re.DOTALL)
#: As much of an error stands in a row; the task's own page has all of it.
_LONGEST_ERROR = 30
#: For how long events may be on their way, at the most.
_MOST_BUNCHED_S = 10


def options() -> dict[str, Any]:
    """Return Flower's options by name; what its command line says wins over them.

    Raises:
        Refused: the environment has no password, or one that Flower cannot compare.
    """
    return {
        "address": _LOOPBACK,  # Flower's own choice is every address of the machine
        "basic_auth": [_login()],
        "read_only": True,  # a step that is revoked here is only sent again; runs are cancelled with Treadle
        "max_tasks": 50_000,  # about 6 KB each; the oldest leave first
        "purge_offline_workers": 86_400,  # seconds; else every container that ever ran stays in the list
        "tasks_columns": "name,state,result,uuid,kwargs,runtime,received,worker",
        "format_task": format_task,
    }


def guard(**_: Any) -> None:
    """Let Flower log as it is told, and close one, started in Celery's own way, that would let in everybody.

    Raises:
        Refused: there is none.
    """
    starting = click.get_current_context(silent=True)
    if starting is None or starting.info_name != "flower":
        return  # somebody else whom Celery tells that it imports its modules
    if is_json():
        set_up("INFO", "")  # Flower leaves a log alone that somebody has set up
    from tornado.options import options as given  # here: it takes a worker 0.1 s

    if not (any(given.basic_auth) or given.auth):
        given.basic_auth = [_login()]
        given.address = given.address or _LOOPBACK
        given.read_only = True


def format_task(task: Task) -> Task:
    """Return a task as it is shown: attempt, step, run and thread in the words of Flower's search, and the outcome.

    A row has room for some forty letters of it, and the task's id begins with the thread. What reads ``thread=user-1``
    is found with ``kwargs:thread=user-1``: Flower searches what was sent, and shows what this returns. So
    ``state:SUCCESS`` also finds what is shown as interrupted, which ``result:interrupted`` does.
    """
    try:
        ids = ast.literal_eval(task.kwargs or "")
    except (ValueError, SyntaxError):
        return task
    if not isinstance(ids, dict) or not {"thread", "run", "attempt"} <= ids.keys():
        return task  # not a step of ours
    shown = ("attempt", "step", "run", "thread")
    task.kwargs = " ".join(f"{name}={ids[name]}" for name in shown if name in ids)
    task.state, task.result = outcome_of(task)
    # Flower makes a link of the root, to a task of that id; ours is a run, and there is none.
    task.root = task.root_id = None
    return task


def outcome_of(task: Task) -> tuple[str, str]:
    """Return the state that a step is shown in, and what came of it in words: for a failure, the node's own error."""
    if task.state == "SUCCESS":
        word = str(task.result or "").strip("'")
        return _STATES.get(word, "SUCCESS"), word
    if task.state in ("FAILURE", "RETRY"):
        error = _own_error(task.exception or "", task.traceback or "")
        task.exception = error
        kind = error.partition("(")[0].partition(":")[0]
        shown = error if len(error) <= _LONGEST_ERROR else f"{error[:_LONGEST_ERROR].rstrip()}…"
        return ("RETRY" if task.state == "RETRY" else _FAILURES.get(kind, "FAILURE")), shown
    if task.state in ("STARTED", "RECEIVED") and _is_lost(task):
        return "LOST", "its worker is gone; another attempt follows"
    return task.state, str(task.result or "")


def _own_error(exception: str, traceback: str) -> str:
    """Return what a node raised, and not what it came in.

    What comes of a graph inside is a ``NodeFailed`` that has it in its words; what befell a process of a pool is an
    ``ExceptionWithTraceback`` without any, and only the last line of the traceback says it.
    """
    if exception.startswith("ExceptionWithTraceback("):
        last = traceback.strip().rpartition("\n")[2]
        kind, colon, told = last.partition(": ")
        return f"{kind.rpartition('.')[2]}{colon}{told}" if last else exception
    inner = _INNER.search(exception)
    if inner is not None:
        return inner[1].strip()
    of_run = _OF_RUN.match(exception)
    return f"{of_run[1]}: {of_run[2]}" if of_run else exception


def _is_lost(task: Task) -> bool:
    """Return whether its worker is silent, or has said since the step began that it runs none."""
    worker = task.worker
    if worker is None or not worker.alive:
        return worker is not None
    silent_s = worker.heartbeats[-1] - (task.started or task.received or worker.heartbeats[-1])
    return bool(worker.active == 0 and silent_s > _MOST_BUNCHED_S)


def _login() -> str:
    password = os.environ.get(PASSWORD, "")
    if not password:
        raise Refused(
            f"{PASSWORD} is not set. Flower shows thread ids and the errors of nodes to everybody who reaches its "
            f"port, so it does not start without a password: set one, and log in as {USER!r}."
        )
    if not password.isascii():
        raise Refused(f"{PASSWORD} has characters outside of ASCII, with which no login would succeed.")
    return f"{USER}:{password}"
