"""Which questions a person's answers are for."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from graphs.commands import Interrupt

from .errors import AlreadyResumed, AmbiguousAnswer

_IS_ID = re.compile(r"[0-9a-f]{32}")


def assigned(thread_id: str, pending: Sequence[Interrupt], resume: Any) -> dict[str, Any]:
    """Return the answers by the ids of their questions; the other questions stay.

    Args:
        thread_id: whose questions they are.
        pending: what is asked.
        resume: the answer to the only question, or a dict of answers by the ids of their questions.

    Raises:
        AmbiguousAnswer: several questions wait, and it is not said which one the answer is for.
        AlreadyResumed: no question of this id waits any more, as when somebody else was faster.
    """
    ids = [question.id for question in pending]
    if _is_by_id(resume):
        answered = {id_: answer for id_, answer in resume.items() if id_ in ids}
        if not answered:
            raise AlreadyResumed(thread_id, tuple(resume))
        return answered
    if len(ids) > 1:
        raise AmbiguousAnswer(thread_id, tuple(ids))
    return dict.fromkeys(ids, resume)


def _is_by_id(resume: Any) -> bool:
    """Return whether answers are given by ids; a dict with other keys is itself an answer."""
    return (
        isinstance(resume, Mapping)
        and bool(resume)
        and all(isinstance(key, str) and _IS_ID.fullmatch(key) for key in resume)
    )
