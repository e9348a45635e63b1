"""Errors of the floor: one root, one sentence each, ids that survive the way to another process."""

import inspect
import pickle

import pytest
from pydantic import TypeAdapter, ValidationError

from graphs import errors
from graphs.errors import (
    EmptyInputError,
    GraphDrained,
    GraphRecursionError,
    InvalidDestination,
    InvalidGraph,
    InvalidInput,
    InvalidUpdateError,
    NodeCancelledError,
    NodeExitedError,
    NodeTimeoutError,
    NoStore,
    OutsideOfStep,
    TreadleError,
    UnknownGraph,
    UnknownKey,
    UnknownNode,
    UnmappedAnswer,
    as_invalid_resume,
    is_invalid_resume,
)

ALL = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, Exception)]

EXAMPLES = [
    InvalidGraph("no entry"),
    InvalidUpdateError("At key 'k'"),
    EmptyInputError("nothing"),
    InvalidInput("wrong"),
    UnknownGraph("g", ["b", "a"]),
    UnknownNode("n", "g", ["b", "a"]),
    UnknownKey("k", ["a"]),
    InvalidDestination("route", "None"),
    UnmappedAnswer("route", "'x'", ["a"]),
    GraphRecursionError(25),
    NodeTimeoutError("n", 2.5),
    NodeTimeoutError("n", 9, 2.5, "idle", 3.1),
    NodeCancelledError("n"),
    NodeExitedError("n", "SystemExit(3)"),
    GraphDrained("shutdown"),
    OutsideOfStep("get_config()"),
    NoStore(),
]


@pytest.mark.parametrize("cls", ALL)
def test_every_error_has_the_root_and_says_in_one_sentence_what_it_is(cls: type[Exception]) -> None:
    assert issubclass(cls, TreadleError)
    assert cls.__doc__ is not None
    assert cls.__doc__.endswith(".")
    assert "\n" not in cls.__doc__


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_is_the_same_after_pickling(error: TreadleError) -> None:
    copied = pickle.loads(pickle.dumps(error))

    assert (type(copied), str(copied), vars(copied)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidGraph("x"), ValueError),
        (InvalidInput("x"), ValueError),
        (UnknownGraph("g"), ValueError),
        (UnknownGraph("g"), KeyError),
        (UnknownNode("n", "g"), ValueError),
        (UnknownKey("k"), ValueError),
        (InvalidDestination("b", "x"), ValueError),
        (UnmappedAnswer("b", "x"), KeyError),
        (GraphRecursionError(1), RecursionError),
        (OutsideOfStep("x"), RuntimeError),
        (NoStore(), RuntimeError),
    ],
)
def test_an_error_is_also_the_builtin_that_callers_look_for(error: Exception, builtin: type[Exception]) -> None:
    assert isinstance(error, builtin)


def test_a_time_limit_is_not_the_builtin_timeout() -> None:
    assert not isinstance(NodeTimeoutError("n", 1), TimeoutError)


def test_a_time_limit_tells_which_of_the_two_was_passed_and_what_both_are() -> None:
    run, idle = NodeTimeoutError("n", 9.0, 2.5, elapsed=9.1), NodeTimeoutError("n", 9.0, 2.5, "idle", 3.1)

    assert (run.kind, run.timeout, run.timeout_s, run.elapsed) == ("run", 9.0, 9.0, 9.1)
    assert (idle.kind, idle.timeout, idle.run_timeout, idle.idle_timeout) == ("idle", 2.5, 9.0, 2.5)
    assert str(run) == "Node 'n' ran longer than its time limit of 9 s."
    assert str(idle) == "Node 'n' gave no sign of life for longer than its time limit of 2.5 s."


def test_an_answer_that_does_not_fit_is_told_from_other_validation_errors() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(int).validate_python("many")

    assert not is_invalid_resume(caught.value)
    assert is_invalid_resume(as_invalid_resume(caught.value))
