"""Ids: new ones for runs and checkpoints, and what a thread id may look like."""

import os
import time
import uuid
from typing import Any

from graphs.checks import shown

from .errors import InvalidThreadId

_MAX_THREAD_ID_BYTES = 255
# Nineteen digits that fit Redis' 64-bit sequence numbers, so that the text of an id sorts as the id does.
_LOWEST, _SPAN = 10**18, 8 * 10**18
_TOO_MANY_DIGITS = 20
_RANDOM_BYTES = 8


def new_run_id() -> str:
    """Return a new run id."""
    return uuid.uuid4().hex


def new_checkpoint_id(after: str | None = None) -> str:
    """Return a new checkpoint id, ``milliseconds-random``: later than ``after`` even if this machine's clock is not."""
    now_ms = time.time_ns() // 1_000_000
    if after is not None:
        now_ms = max(now_ms, created_ms(after) + 1)
    return f"{now_ms:013d}-{_LOWEST + int.from_bytes(os.urandom(_RANDOM_BYTES)) % _SPAN}"


def created_ms(checkpoint_id: str) -> int:
    """Return when a checkpoint was made, in milliseconds since the epoch."""
    return int(checkpoint_id.partition("-")[0])


def is_checkpoint_id(text: str) -> bool:
    """Return whether a text has the form of a checkpoint id."""
    moment, _, sequence = text.partition("-")
    return all(part.isascii() and part.isdigit() and len(part) < _TOO_MANY_DIGITS for part in (moment, sequence))


def check_thread_id(value: Any) -> str:
    """Return a thread id as text; ints and UUIDs are welcome.

    Raises:
        InvalidThreadId: it is missing, empty, too long, or holds characters that nobody could see.
    """
    if value is None:
        raise InvalidThreadId(
            "This call needs a thread_id: pass config={'configurable': {'thread_id': ...}} or {'thread_id': ...}."
        )
    if isinstance(value, bool) or not isinstance(value, str | int | uuid.UUID):
        raise InvalidThreadId(f"A thread_id is a str, an int or a UUID, got {type(value).__name__}.")
    text = f"{value:x}" if isinstance(value, int) and value.bit_length() > _MAX_THREAD_ID_BYTES * 4 else str(value)
    if not text.strip() or not text.isprintable():
        raise InvalidThreadId(f"The thread_id {shown(text)} is empty or holds unprintable characters.")
    if len(text.encode("utf-8", "surrogatepass")) > _MAX_THREAD_ID_BYTES:
        raise InvalidThreadId(f"The thread_id {shown(text)} is longer than {_MAX_THREAD_ID_BYTES} bytes.")
    return text
