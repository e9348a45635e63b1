"""How an error that a person can do something about is told at the command line, and with which exit code."""

from dataclasses import dataclass
from typing import Any

import kombu.exceptions
import pydantic
import redis

from graphs.errors import TreadleError
from scheduler.absence import ArchiveBroken, ArchiveTooNew, ArchiveUnavailable
from scheduler.errors import (
    CursorMoved,
    EmbeddedRedisError,
    InputsWaiting,
    LeaseLost,
    RunFailed,
    StoreUnavailable,
    ThreadBusy,
    TransitionNotAllowed,
)
from scheduler.mistrust import HeadRefused, LogAltered, SealBroken

from .exits import ExitCode

#: The first that an error is an instance of decides.
_CODES: tuple[tuple[type[Exception], ExitCode], ...] = (
    (StoreUnavailable, ExitCode.UNAVAILABLE),
    (EmbeddedRedisError, ExitCode.UNAVAILABLE),
    (redis.RedisError, ExitCode.UNAVAILABLE),
    (kombu.exceptions.OperationalError, ExitCode.UNAVAILABLE),
    (ThreadBusy, ExitCode.BUSY),
    (InputsWaiting, ExitCode.BUSY),
    (TransitionNotAllowed, ExitCode.BUSY),
    (CursorMoved, ExitCode.BUSY),
    (RunFailed, ExitCode.FAILED),
    (LeaseLost, ExitCode.FAILED),
    (LogAltered, ExitCode.FAILED),
    (HeadRefused, ExitCode.FAILED),
    (SealBroken, ExitCode.FAILED),
    (ArchiveBroken, ExitCode.FAILED),
    (ArchiveTooNew, ExitCode.FAILED),
    (ArchiveUnavailable, ExitCode.UNAVAILABLE),
    (TreadleError, ExitCode.USAGE),
    (pydantic.ValidationError, ExitCode.USAGE),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error, told in its own words."""

    message: str
    code: ExitCode


def refusal_of(error: Exception) -> Refusal | None:
    """Return how an error is told; None for one that nobody expected: its traceback is wanted."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    return None if code is None else Refusal(_told(error), code)


def _told(error: Exception) -> str:
    if isinstance(error, redis.exceptions.NoPermissionError):
        role = "`treadle acl` says what each role may, and most commands are for the operator."
        return f"The user in TREADLE_REDIS_URL may not do this: {_sentence(error)} {role}"
    if isinstance(error, redis.RedisError):
        return f"Redis does not answer as it should: {_sentence(error)} Look with `treadle doctor`."
    if isinstance(error, kombu.exceptions.OperationalError):
        return f"The broker does not answer: {_sentence(error)} Look at TREADLE_BROKER_URL and with `treadle doctor`."
    if isinstance(error, pydantic.ValidationError):
        return "\n".join([f"{error.title} is not valid:", *map(_said, error.errors())])
    return str(error)


def _sentence(error: Exception) -> str:
    return f"{str(error).rstrip('.')}."


def _said(detail: Any) -> str:
    where = ".".join(map(str, detail["loc"]))
    return f"  {where}: {detail['msg']}" if where else f"  {detail['msg']}"
