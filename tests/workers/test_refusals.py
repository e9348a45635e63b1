"""Which errors are told in a sentence, and with which exit code."""

import kombu.exceptions
import pytest
import redis
from pydantic import BaseModel, ValidationError

from graphs.errors import EmptyInputError, InvalidGraph, UnknownGraph
from scheduler.errors import (
    CursorMoved,
    EmbeddedRedisError,
    GraphChanged,
    InvalidThreadId,
    RunNotFound,
    RunTimeout,
    StoreUnavailable,
    ThreadBusy,
    ThreadNotFound,
    TransitionNotAllowed,
)
from workers.exits import ExitCode
from workers.refusals import refusal_of


class Model(BaseModel):
    folder: str


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RunTimeout("t", "r", "It took too long."), ExitCode.FAILED),
        (GraphChanged("t", "r", "Deploy it."), ExitCode.FAILED),
        (UnknownGraph("g"), ExitCode.USAGE),
        (InvalidGraph("no"), ExitCode.USAGE),
        (EmptyInputError("no"), ExitCode.USAGE),
        (InvalidThreadId("no"), ExitCode.USAGE),
        (ThreadNotFound("t"), ExitCode.USAGE),
        (RunNotFound("t", "r"), ExitCode.USAGE),
        (StoreUnavailable("no"), ExitCode.UNAVAILABLE),
        (EmbeddedRedisError("no"), ExitCode.UNAVAILABLE),
        (redis.ConnectionError("refused"), ExitCode.UNAVAILABLE),
        (kombu.exceptions.OperationalError("refused"), ExitCode.UNAVAILABLE),
        (ThreadBusy("t", "r", [], 0), ExitCode.BUSY),
        (TransitionNotAllowed("t", "archived", "start"), ExitCode.BUSY),
        (CursorMoved("t"), ExitCode.BUSY),
    ],
)
def test_an_error_has_a_code_and_its_own_words(error: Exception, code: ExitCode) -> None:
    refusal = refusal_of(error)

    assert refusal is not None
    assert refusal.code is code
    assert str(error) in refusal.message


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), OSError("x"), RuntimeError("x")])
def test_an_error_that_nobody_expected_is_not_told(error: Exception) -> None:
    assert refusal_of(error) is None


def test_what_does_not_fit_a_model_is_told_key_by_key() -> None:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"folder": 3})

    refusal = refusal_of(caught.value)

    assert refusal is not None
    assert refusal.message == "Model is not valid:\n  folder: Input should be a valid string"
