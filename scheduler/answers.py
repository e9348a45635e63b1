"""Which questions a person's answers are for."""

import re
from collections.abc import Mapping
from typing import Any

from graphs.commands import Interrupt

from .errors import AlreadyResumed, AmbiguousAnswer

_IS_ID = re.compile(r"[0-9a-f]{32}")

#: Step id -> the questions that it asks.
Pending = Mapping[str, tuple[Interrupt, ...]]


def assigned(thread_id: str, pending: Pending, resume: Any) -> dict[str, Any]:
    """Return the answer for each step that gets one; the questions of the others stay.

    Args:
        thread_id: whose questions they are.
        pending: what is asked.
        resume: the answer to the only question, or a dict of answers by the ids of their questions.

    Raises:
        AmbiguousAnswer: several questions wait, and it is not said which one the answer is for.
        AlreadyResumed: no question of this id waits any more, as when somebody else was faster.
    """
    waiting = {question.id: step_id for step_id, questions in pending.items() for question in questions}
    if _is_by_id(resume):
        answered = {waiting[id_]: answer for id_, answer in resume.items() if id_ in waiting}
        if not answered:
            raise AlreadyResumed(thread_id, tuple(resume))
        return answered
    if len(waiting) > 1:
        raise AmbiguousAnswer(thread_id, tuple(waiting))
    return dict.fromkeys(waiting.values(), resume)


def _is_by_id(resume: Any) -> bool:
    """Return whether answers are given by ids; a dict with other keys is itself an answer."""
    return (
        isinstance(resume, dict)
        and bool(resume)
        and all(isinstance(key, str) and _IS_ID.fullmatch(key) for key in resume)
    )
