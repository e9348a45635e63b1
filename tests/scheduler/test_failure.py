"""How failures travel: nothing that a node raises is too strange to be recorded, and what comes back says enough."""

import json
import pickle
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from graphs import errors as graph_errors
from graphs.errors import GraphDrained, GraphRecursionError, NodeTimeoutError
from scheduler import errors as scheduler_errors
from scheduler.errors import (
    CheckpointNotFound,
    CursorMoved,
    GraphChanged,
    LeaseLost,
    NodeFailed,
    NotSerializable,
    RunCancelled,
    RunNotFound,
    RunTimeout,
    SchedulerError,
    ThreadBusy,
    ThreadNotFound,
    TransitionNotAllowed,
    WorkerLost,
)
from scheduler.excess import StateTooLarge
from scheduler.failure import (
    MAX_TEXT,
    cancelled,
    describe,
    drained,
    lost,
    overran,
    parked,
    refused,
    revived,
    status_of,
    timed_out,
)
from scheduler.lifecycle import RunStatus
from scheduler.serde import Serde


class Colour(StrEnum):
    RED = "red"


class Code(IntEnum):
    NOT_FOUND = 404


class TheirError(Exception):
    """An error of the user's own, which no other process need know."""


class Mute(Exception):
    """An error that fails to tell about itself."""

    def __str__(self) -> str:
        raise AttributeError("response")

    __repr__ = __str__


def sent(failure: Any) -> Any:
    """Return a failure as it comes out of the store."""
    serde = Serde()
    return serde.loads(serde.dumps(failure))


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_an_error_of_pythons_own_comes_back_as_itself_with_a_note() -> None:
    failure = sent(describe(raised(ValueError("bad", 3)), "review"))

    error = revived(failure, "t", "r")

    assert (type(error), error.args) == (ValueError, ("bad", 3))
    assert "In node 'review' of thread 't', run r" in error.__notes__[0]
    assert "in raised" in error.__notes__[0]


@pytest.mark.parametrize(
    "error", [GraphRecursionError(25), NotSerializable("Key 'x'", "socket", "no."), StateTooLarge("x", 2, 1)]
)
def test_an_error_of_treadles_own_comes_back_as_itself(error: Exception) -> None:
    again = revived(sent(describe(error)), "t", "r")

    assert (type(again), str(again)) == (type(error), str(error))


def test_an_error_of_the_users_own_comes_back_as_a_failure_that_tells_of_it() -> None:
    error = revived(sent(describe(raised(TheirError("their words")), "review")), "t", "r")

    assert isinstance(error, NodeFailed)
    assert "node 'review' raised TheirError: their words" in str(error)
    assert "Traceback" in str(error)


def test_nothing_is_imported_or_called_to_bring_an_error_back() -> None:
    failure = describe(ValueError("x")) | {"module": "os", "type": "system", "args": ["exit 1"]}
    not_an_error = describe(ValueError("x")) | {"module": "builtins", "type": "print", "args": ["x"]}
    no_exception = describe(ValueError("x")) | {"module": "builtins", "type": "SystemExit", "args": []}

    assert [type(revived(one, "t", "r")) for one in (failure, not_an_error, no_exception)] == [NodeFailed] * 3


def test_an_error_that_needs_more_than_was_kept_of_it_comes_back_as_a_failure() -> None:
    error = raised(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"))

    again = revived(sent(describe(error, "read")), "t", "r")

    assert isinstance(again, NodeFailed)
    assert "UnicodeDecodeError" in str(again)


@pytest.mark.parametrize(
    ("error", "args"),
    [
        (ValueError(Colour.RED), ("red",)),
        (ValueError(Code.NOT_FOUND, True), (404, True)),
        (ValueError("file caf\udce9"), ("file caf\\udce9",)),
        (ValueError(object(), "kept"), ("kept",)),
        (ValueError(2**100), (2**100,)),
    ],
    ids=["enum", "int enum", "surrogate", "object", "large"],
)
def test_whatever_an_error_holds_it_can_be_recorded(error: Exception, args: tuple[Any, ...]) -> None:
    again = revived(sent(describe(error)), "t", "r")

    assert (type(again), again.args) == (ValueError, args)
    assert [type(arg) for arg in again.args] == [type(arg) for arg in args]


def test_an_error_that_fails_to_tell_about_itself_can_be_recorded() -> None:
    failure = sent(describe(raised(Mute()), "a"))

    assert failure["message"] == failure["repr"] == "Mute (it fails to say more)"


def test_an_error_that_says_too_much_is_cut_short() -> None:
    failure = describe(raised(ValueError("x" * 1_000_000)))

    cut = [failure[key] for key in ("message", "repr", "traceback")] + failure["args"]
    assert all(len(text) <= MAX_TEXT + 50 and "characters are left out" in text for text in cut)
    assert failure["message"].endswith("x ... (984000 characters are left out)")


def test_a_nodes_time_limit_comes_back_as_the_nodes_and_a_runs_as_the_runs() -> None:
    given = NodeTimeoutError("a", 60.0, 2.5, "idle", 9.5)
    of_node = revived(sent(overran(given)), "t", "r")
    of_run = revived(timed_out("The run", 60), "t", "r")

    assert isinstance(of_node, NodeTimeoutError) and of_node.args == given.args
    assert isinstance(of_run, RunTimeout) and isinstance(of_run, TimeoutError)
    assert "The run ran longer than its time limit of 60 s." in str(of_run)


@pytest.mark.parametrize(
    ("failure", "error", "status", "words"),
    [
        (lost("a", 3), WorkerLost, RunStatus.ERROR, "lost its worker 3 times"),
        (parked("No graph here."), GraphChanged, RunStatus.INTERRUPTED, "No graph here."),
        (cancelled("enough"), RunCancelled, RunStatus.CANCELLED, r"cancelled \(enough\)"),
        (cancelled(""), RunCancelled, RunStatus.CANCELLED, "It was cancelled\\."),
        (timed_out("The run", 1), RunTimeout, RunStatus.TIMEOUT, "time limit of 1 s"),
        (drained("deploy"), GraphDrained, RunStatus.INTERRUPTED, r"drained \(deploy\)"),
        (describe(ValueError("bad")), ValueError, RunStatus.ERROR, "bad"),
    ],
)
def test_a_kind_of_failure_is_an_end_of_the_run_and_an_error_for_its_caller(
    failure: Any, error: type[Exception], status: RunStatus, words: str
) -> None:
    assert status_of(failure) is status
    with pytest.raises(error, match=words):
        raise revived(sent(failure), "t", "r")


@pytest.mark.parametrize(
    "error",
    [
        ThreadNotFound("t"),
        RunNotFound("t", "r"),
        CheckpointNotFound("t", "1-1"),
        ThreadBusy("t", "r", ["a"], 1),
        TransitionNotAllowed("t", "terminated", "start"),
        LeaseLost("t", "s"),
        CursorMoved("t"),
        NotSerializable("x", "y", "z."),
        StateTooLarge("x", 2, 1),
        WorkerLost("t", "r", "why."),
        RunTimeout("t", "r", "why."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_all_errors_of_the_floor_have_its_root_and_say_in_a_sentence_what_they_are() -> None:
    found = [one for one in vars(scheduler_errors).values() if isinstance(one, type)]
    own = [one for one in found if one.__module__ == scheduler_errors.__name__]

    assert all(issubclass(one, SchedulerError) and issubclass(one, graph_errors.TreadleError) for one in own)
    assert all((one.__doc__ or "").rstrip().endswith(".") for one in own)


def test_a_refused_answer_travels_with_everything_that_is_wrong_with_it() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, int]).validate_python({"a": "{many}", "b": object()})

    record = json.loads(json.dumps(refused(caught.value, "ask")))
    again = revived(record, "t", "r")

    assert isinstance(again, ValidationError)
    assert graph_errors.is_invalid_resume(again)
    assert (again.title, status_of(record)) == (caught.value.title, RunStatus.INTERRUPTED)
    assert [(line["type"], line["loc"], line["msg"]) for line in again.errors()] == [
        (line["type"], line["loc"], line["msg"]) for line in caught.value.errors()
    ]
