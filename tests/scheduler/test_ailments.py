"""Each error of a Redis that ails is told as what it is, whichever server and whichever redis-py says it."""

import pytest
from redis import exceptions

from scheduler.ailments import ailment_of
from scheduler.bytes_redis import available
from scheduler.errors import StoreUnavailable


def in_script(text: str) -> exceptions.ResponseError:
    """Return what a server before Redis 7 says of an error that a script met."""
    return exceptions.ResponseError(f"Error running script (call to f_a8e0): @user_script:9: @user_script: 9: -{text}")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (exceptions.OutOfMemoryError("command not allowed"), "full"),
        (in_script("OOM command not allowed when used memory > 'maxmemory'."), "full"),
        (exceptions.ReadOnlyError("You can't write"), "replica"),
        (in_script("READONLY You can't write against a read only replica."), "replica"),
        (exceptions.MasterDownError("Link with MASTER is down"), "lost its primary"),
        (exceptions.ClusterDownError("The cluster is down"), "cluster"),
        (exceptions.TryAgainError("Multiple keys request during rehashing of slot"), "moves"),
        (exceptions.BusyLoadingError("Redis is loading"), "loads"),
        (exceptions.ResponseError("BUSY Redis is busy running a script."), "busy"),
        (exceptions.ResponseError("MISCONF Errors writing to the AOF file"), "disk"),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), "replicas"),
        (exceptions.ConnectionError("refused"), "does not answer"),
        (exceptions.TimeoutError("Timeout reading"), "does not answer"),
    ],
)
def test_what_passes_is_worth_asking_again(error: Exception, told: str) -> None:
    ailment = ailment_of(error)

    assert ailment is not None
    assert told in ailment.told
    assert ailment.passes


@pytest.mark.parametrize(
    "error", [exceptions.AuthenticationError("invalid password"), exceptions.MovedError("5 127.0.0.1:7001")]
)
def test_what_does_not_pass_is_told_at_once(error: Exception) -> None:
    ailment = ailment_of(error)

    assert ailment is not None
    assert not ailment.passes


@pytest.mark.parametrize(
    "answer",
    [
        exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        exceptions.ResponseError("ERR value of OOM field"),
        exceptions.NoScriptError("No matching script."),
        ValueError("OOM "),
        b"OOM ",
    ],
)
def test_what_is_no_ailment_is_not_taken_for_one(answer: object) -> None:
    assert ailment_of(answer) is None


def test_the_error_says_what_could_not_be_done_why_and_what_to_do() -> None:
    told = r"could not start run, because it is full. Raise its maxmemory, .* `treadle delete THREAD`. \(no room\)"

    with pytest.raises(StoreUnavailable, match=told), available("start run"):
        raise exceptions.OutOfMemoryError("no room")
