"""Whether a failed attempt is repeated, and after which pause."""

from typing import Any

import pytest

from graphs.errors import GraphRecursionError, InvalidGraph, InvalidUpdateError, NodeTimeoutError, TreadleError
from graphs.retry import RetryPolicy, default_retry_on, policies_of, retry_delay_s


class Response:
    def __init__(self, status_code: Any) -> None:
        self.status_code = status_code


class HTTPStatusError(Exception):
    """Carries its answer as httpx's error does."""

    def __init__(self, response: Any) -> None:
        super().__init__("failed")
        self.response = response


class RequestsHTTPError(OSError):
    """Carries its answer as the error of requests does, and is an OSError."""

    def __init__(self, response: Any) -> None:
        super().__init__("failed")
        self.response = response


class Flaky(Exception): ...


class Fatal(Flaky): ...


class StoreDown(TreadleError): ...


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(),
        ConnectionResetError(),
        BrokenPipeError(),
        NodeTimeoutError("a", 3),
        Exception("unknown"),
        Flaky(),
        StoreDown(),
        HTTPStatusError(Response(500)),
        HTTPStatusError(Response(503)),
        RequestsHTTPError(Response(502)),
        HTTPStatusError({"Error": "another library's answer"}),
    ],
)
def test_what_looks_transient_is_worth_another_attempt(error: Exception) -> None:
    assert default_retry_on(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        TypeError(),
        ZeroDivisionError(),
        ImportError(),
        KeyError(),
        IndexError(),
        NameError(),
        SyntaxError(),
        RuntimeError(),
        RecursionError(),
        ReferenceError(),
        StopIteration(),
        StopAsyncIteration(),
        OSError(),
        FileNotFoundError(),
        TimeoutError(),
        InvalidUpdateError(),
        GraphRecursionError(3),
        HTTPStatusError(Response(404)),
        HTTPStatusError(Response(429)),
        RequestsHTTPError(Response(400)),
        RequestsHTTPError(None),
    ],
)
def test_what_is_wrong_in_itself_is_not_tried_again(error: Exception) -> None:
    assert not default_retry_on(error)


@pytest.mark.parametrize(
    ("retry_on", "error", "matches"),
    [
        (Flaky, Flaky(), True),
        (Flaky, Fatal(), True),
        (Fatal, Flaky(), False),
        ((KeyError, Flaky), Fatal(), True),
        ([KeyError, ValueError], Flaky(), False),
        ((), Flaky(), False),
        (lambda error: "again" in str(error), Flaky("once again"), True),
        (lambda error: "again" in str(error), Flaky("never"), False),
    ],
)
def test_a_policy_covers_types_their_children_or_what_a_predicate_says(
    retry_on: Any, error: Exception, matches: bool
) -> None:
    assert RetryPolicy(retry_on=retry_on).matches(error) is matches


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (RetryPolicy(jitter=False), [0.5, 1.0, 2.0, 4.0]),
        (RetryPolicy(jitter=True), [0.75, 1.25, 2.25, 4.25]),
        (RetryPolicy(initial_interval=1, backoff_factor=10, max_interval=50, jitter=False), [1, 10, 50, 50]),
        (RetryPolicy(initial_interval=3, backoff_factor=1, jitter=False), [3, 3, 3, 3]),
        (RetryPolicy(initial_interval=0, jitter=False), [0, 0, 0, 0]),
    ],
)
def test_pauses_grow_by_the_factor_up_to_the_longest(policy: RetryPolicy, delays: list[float]) -> None:
    assert [policy.delay_s(attempt, 0.25) for attempt in (1, 2, 3, 4)] == delays


def test_the_default_pause_ends_at_128_seconds() -> None:
    assert RetryPolicy(jitter=False).delay_s(50, 0.0) == 128.0


def test_a_step_that_is_retried_for_days_still_has_a_pause() -> None:
    assert RetryPolicy(jitter=False, max_attempts=10**6).delay_s(5000, 0.0) == 128.0


FIRST = RetryPolicy(initial_interval=1, jitter=False, retry_on=Fatal, max_attempts=2)
SECOND = RetryPolicy(initial_interval=7, jitter=False, retry_on=Flaky, max_attempts=3)


@pytest.mark.parametrize(
    ("policies", "error", "attempt", "delay"),
    [
        ((), Flaky(), 1, None),
        ((SECOND,), ValueError(), 1, None),
        ((SECOND,), Flaky(), 1, 7),
        ((SECOND,), Flaky(), 2, 14),
        ((SECOND,), Flaky(), 3, None),
        ((SECOND,), Flaky(), 4, None),
        ((FIRST, SECOND), Fatal(), 1, 1),
        ((FIRST, SECOND), Fatal(), 2, None),
        ((FIRST, SECOND), Flaky(), 2, 14),
        ((SECOND, FIRST), Fatal(), 1, 7),
        ((RetryPolicy(max_attempts=1),), Flaky(), 1, None),
        ((RetryPolicy(max_attempts=0),), Flaky(), 1, None),
    ],
)
def test_the_first_policy_that_covers_the_error_decides(
    policies: Any, error: Exception, attempt: int, delay: float | None
) -> None:
    assert retry_delay_s(policies, error, attempt, 0.5) == delay


def test_by_default_three_attempts_are_made_in_all() -> None:
    delays = [retry_delay_s((RetryPolicy(),), Flaky(), attempt, 0.0) for attempt in (1, 2, 3)]

    assert delays == [0.5, 1.0, None]


@pytest.mark.parametrize(
    ("given", "policies"),
    [(None, ()), ((), ()), (FIRST, (FIRST,)), ([FIRST, SECOND], (FIRST, SECOND)), ((SECOND,), (SECOND,))],
)
def test_retries_may_be_one_policy_several_or_none(given: Any, policies: Any) -> None:
    assert policies_of(given) == policies


@pytest.mark.parametrize("given", [[FIRST, 3], ["often"], "often", 3])
def test_anything_else_as_a_retry_is_refused(given: Any) -> None:
    with pytest.raises(InvalidGraph, match="retry takes a RetryPolicy or a sequence of them"):
        policies_of(given)
