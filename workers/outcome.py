"""What came of one attempt at a step, for whoever had it run."""

from graphs.lean_values import lean
from scheduler.claim import Claim, Progress
from scheduler.failure import Failure

from .sleepers import Rest


@lean(frozen=True, slots=True)
class Outcome:
    """What came of a step: the progress it made, and the exception where it failed."""

    progress: Progress
    error: BaseException | None = None
    #: The record of that failure; by its id a caller in the same process finds the very exception.
    failure: Failure | None = None
    #: Whether an error handler takes over, at once or after a breakpoint.
    handled: bool = False
    #: After how many seconds the step is to be tried again.
    retry_s: float | None = None
    #: How the step sleeps until its node is run again.
    rest: Rest | None = None
    #: The claim of an attempt that nobody waits for any more; nothing of it is stored.
    abandoned: Claim | None = None
    #: How it is told to Celery, and so shown in Flower: committed, interrupted, spent, called, closed, parked
    #: or slept.
    word: str = "committed"
