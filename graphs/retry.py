"""Whether a failed attempt is worth another one, and after how long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .checks import LONGEST_S, is_number, shown, whole
from .errors import GraphError, InvalidGraph, NodeTimeoutError

_NOT_WORTH_IT: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    ArithmeticError,
    ImportError,
    LookupError,
    NameError,
    SyntaxError,
    RuntimeError,
    ReferenceError,
    StopIteration,
    StopAsyncIteration,
    OSError,
    GraphError,  # a wrong update, answer or key is as wrong the second time
)

_SERVER_ERROR = 500


def default_retry_on(error: Exception) -> bool:
    """Return whether an error looks transient: a lost connection, a server's fault, a time limit."""
    if isinstance(error, ConnectionError | NodeTimeoutError):
        return True
    response = getattr(error, "response", None)  # httpx and requests both hang the answer on their HTTP errors
    status = getattr(response, "status_code", None)
    if isinstance(status, int):
        return status >= _SERVER_ERROR
    return not isinstance(error, _NOT_WORTH_IT)


RetryOn = type[Exception] | Sequence[type[Exception]] | Callable[[Exception], bool]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and after which pauses, a node that failed is tried again; times in seconds.

    The pause before attempt n+1 is ``initial_interval * backoff_factor ** (n - 1)``, at most ``max_interval``,
    plus up to a second of jitter, so that a crowd of failed steps does not come back as one.

    Raises:
        InvalidGraph: a number is none or negative, or ``retry_on`` says nothing about errors.
    """

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    #: Attempts in all, the first included.
    max_attempts: int = 3
    jitter: bool = True
    #: Error types, or a predicate, that are worth another attempt.
    retry_on: RetryOn = default_retry_on

    def __post_init__(self) -> None:
        for name in ("initial_interval", "backoff_factor", "max_interval"):
            value = getattr(self, name)
            if not is_number(value) or not 0 <= value <= LONGEST_S:
                raise InvalidGraph(
                    f"The {name} of a RetryPolicy is a number from 0 to {LONGEST_S:g}, got {shown(value)}."
                )
        whole(self.max_attempts, "The max_attempts of a RetryPolicy", InvalidGraph)
        if not _tells_errors(self.retry_on):
            raise InvalidGraph(
                "The retry_on of a RetryPolicy is an exception class, a list of them, or a function of an exception, "
                f"got {shown(self.retry_on)}."
            )

    def matches(self, error: Exception) -> bool:
        """Return whether this policy covers the error."""
        if isinstance(self.retry_on, type):
            return isinstance(error, self.retry_on)
        if isinstance(self.retry_on, Sequence):
            return isinstance(error, tuple(self.retry_on))
        return self.retry_on(error)

    def delay_s(self, attempt: int, noise: float) -> float:
        """Return the pause after a failed attempt (counted from 1); noise is a random number in [0, 1)."""
        pause = min(self.max_interval, self._interval_s(attempt))
        return pause + noise if self.jitter else pause

    def _interval_s(self, attempt: int) -> float:
        try:
            return self.initial_interval * float(self.backoff_factor) ** (attempt - 1)
        except OverflowError:  # some thousand attempts later the power is more than a float holds
            return self.max_interval


def retry_delay_s(policies: Sequence[RetryPolicy], error: Exception, attempt: int, noise: float) -> float | None:
    """Return the pause before the next attempt, or None when there shall be none.

    The first policy that covers the error decides.
    """
    policy = next((policy for policy in policies if policy.matches(error)), None)
    if policy is None or attempt >= policy.max_attempts:
        return None
    return policy.delay_s(attempt, noise)


def _tells_errors(retry_on: object) -> bool:
    if isinstance(retry_on, list | tuple):
        return all(_is_error_class(kind) for kind in retry_on)
    return _is_error_class(retry_on) if isinstance(retry_on, type) else callable(retry_on)


def _is_error_class(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


#: What a node may be given as its retries.
Retry = RetryPolicy | Sequence[RetryPolicy] | None


def policies_of(retry: Retry) -> tuple[RetryPolicy, ...]:
    """Return retries given as one policy, several, or none.

    Raises:
        InvalidGraph: something among them is no policy.
    """
    if retry is None:
        return ()
    policies = [retry] if isinstance(retry, RetryPolicy) else retry
    if not isinstance(policies, list | tuple) or not all(isinstance(policy, RetryPolicy) for policy in policies):
        raise InvalidGraph(f"retry takes a RetryPolicy or a sequence of them, got {shown(retry)}.")
    return tuple(policies)
