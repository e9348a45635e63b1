"""How a client waits for a Redis that ails: it asks again, ever more slowly, until it has no patience left."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

from .ailments import ailment_of

logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

#: For a Redis that never answered: as a rule its address is wrong, or nobody has started it.
_FOR_STRANGERS_S = 0.5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0


class Patience:
    """How long one client waits for its Redis.

    What is asked must do no harm when it is sent twice: the scripts are made for that, each knows its own repetition.

    Args:
        seconds: for how long; 0: what fails has failed.
    """

    def __init__(self, seconds: float = 0) -> None:
        self._seconds = seconds
        self._has_answered = False

    def see_through(self, ask: Callable[[], _Answer]) -> _Answer:
        """Return an answer, asked for again while Redis ails and patience lasts; then raise what it said last."""
        try:
            answer = ask()
        except Exception as error:
            if not self._seconds or not _passes(error):
                raise
        else:
            self._has_answered = True
            return answer
        return self._asked_again(ask)

    def _asked_again(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask again, at once where a connection may just have been an old one, and then after pauses."""
        seconds = self._seconds if self._has_answered else min(self._seconds, _FOR_STRANGERS_S)
        asking = Retrying(
            retry=retry_if_exception(_passes),
            stop=stop_before_delay(seconds),
            wait=wait_random_exponential(multiplier=_FIRST_PAUSE_S, max=_LONGEST_PAUSE_S),
            before_sleep=_tell_once,
            reraise=True,
        )
        answer = asking(ask)
        self._has_answered = True
        return answer


def _passes(error: BaseException) -> bool:
    ailment = ailment_of(error)
    return ailment is not None and ailment.passes


def _tell_once(state: RetryCallState) -> None:
    outcome: Any = state.outcome
    if state.attempt_number == 1:
        logger.warning("waiting for the store: %s", outcome.exception())
