"""Flower as Treadle wants it: how it shows steps, and who may look."""

import ast
import os
from typing import Any

import click
from celery.events.state import Task

#: The name to log in with.
USER = "treadle"

#: The environment variable with the password to log in with.
PASSWORD = "TREADLE_FLOWER_PASSWORD"  # nosec B105  # the name of a variable

_LOOPBACK = "127.0.0.1"


def options() -> dict[str, Any]:
    """Return Flower's options by name; what its command line says wins over them.

    Raises:
        click.ClickException: the environment has no password, or one that Flower cannot compare.
    """
    return {
        "address": _LOOPBACK,  # Flower's own choice is every address of the machine
        "basic_auth": [_login()],
        "read_only": True,  # a step that is revoked here is only sent again; runs are cancelled with Treadle
        "max_tasks": 50_000,  # about 6 KB each; the oldest leave first
        "purge_offline_workers": 86_400,  # seconds; else every container that ever ran stays in the list
        "tasks_columns": "name,state,uuid,kwargs,received,runtime,worker",
        "format_task": format_task,
    }


def guard(**_: Any) -> None:
    """Close a Flower that was started in Celery's own way and would let in everybody, from every address.

    Raises:
        click.ClickException: there is none.
    """
    starting = click.get_current_context(silent=True)
    if starting is None or starting.info_name != "flower":
        return  # somebody else whom Celery tells that it imports its modules
    from tornado.options import options as given  # here: it takes a worker 0.1 s

    if not (any(given.basic_auth) or given.auth):
        given.basic_auth = [_login()]
        given.address = given.address or _LOOPBACK
        given.read_only = True


def format_task(task: Task) -> Task:
    """Return a task as it is shown: the thread, the attempt and the run of its step, in the words of Flower's search.

    A row that reads ``thread=user-1`` is found with ``kwargs:thread=user-1``: Flower searches what was sent, and shows
    what this returns.
    """
    try:
        ids = ast.literal_eval(task.kwargs or "")
    except (ValueError, SyntaxError):
        return task
    if not isinstance(ids, dict) or not {"thread", "run", "attempt"} <= ids.keys():
        return task  # not a step of ours
    task.kwargs = f"thread={ids['thread']} attempt={ids['attempt']} run={ids['run']}"
    # Flower makes a link of the root, to a task of that id; ours is a run, and there is none.
    task.root = task.root_id = None
    return task


def _login() -> str:
    password = os.environ.get(PASSWORD, "")
    if not password:
        raise click.ClickException(
            f"{PASSWORD} is not set. Flower shows thread ids and the errors of nodes to everybody who reaches its "
            f"port, so it does not start without a password: set one, and log in as {USER!r}."
        )
    if not password.isascii():
        raise click.ClickException(f"{PASSWORD} has characters outside of ASCII, with which no login would succeed.")
    return f"{USER}:{password}"
