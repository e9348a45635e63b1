"""The leash of a child process: it ends when the process that holds it is gone, in whatever way that ended."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import click

_STDIN = 0


def leashed_option(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option --leashed, which says that this process is somebody's child."""
    told = "End when the standard input closes."
    return click.option("--leashed", is_flag=True, hidden=True, help=told)(callback)


def follow_parent() -> None:
    """End this process, as on SIGTERM, once its standard input closes.

    The parent keeps the other end of that pipe open and never writes. It closes with the parent, also when that was
    killed and could stop nobody.
    """
    threading.Thread(target=_wait, name="treadle-leash", daemon=True).start()


def _wait() -> None:
    # Not through sys.stdin: its lock would be held for ever, also in the copies of this process that a pool forks.
    while os.read(_STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
