"""Waiting until replicas have what was written, before its success is told to anybody."""

import logging
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from .lua_files import load

logger = logging.getLogger(__name__)

#: The scripts whose success somebody counts on: a run that was begun, a step that is done, a state that was written.
_TOLD = (
    "call_frame",
    "commit_superstep",
    "delete_thread",
    "drain_run",
    "end_run",
    "hand_over_step",
    "put_call",
    "put_checkpoint",
    "put_result",
    "return_frame",
    "set_status",
    "start_run",
)
_TELL_EVERY_S = 1.0


class Replicas:
    """How many replicas are to have a write, and for how long they are waited for.

    Fewer are no error: the write stands, and whoever were told otherwise would do again what is done. It is logged,
    and counted in ``missed``. A Redis that shall refuse such writes before it makes them has min-replicas-to-write.
    """

    def __init__(self, wanted: int, wait_ms: int) -> None:
        #: How many writes had fewer copies when they were told of.
        self.missed = 0
        self._wanted = wanted
        self._wait_ms = wait_ms
        self._told_at = 0.0

    def question(self, command: Sequence[Any]) -> tuple[str, int, int] | None:
        """Return the command that follows another one and waits for its copies; None where nobody counts on them."""
        if command[0] not in ("EVALSHA", "EVAL") or command[1] not in _scripts():
            return None
        return "WAIT", self._wanted, self._wait_ms

    def note(self, copies: int) -> None:
        """Take the answer: how many replicas have the write."""
        if copies >= self._wanted:
            return
        self.missed += 1
        if time.monotonic() - self._told_at > _TELL_EVERY_S:
            self._told_at = time.monotonic()
            found = {"copies": copies, "wanted": self._wanted, "missed": self.missed}
            logger.warning("a write has %d of %d copies", copies, self._wanted, extra=found)


@cache
def _scripts() -> frozenset[str]:
    sources = [load(name) for name in _TOLD]
    return frozenset([*(source.sha for source in sources), *(source.text for source in sources)])
