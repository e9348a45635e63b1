"""Which questions a person's answers are for."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from graphs.commands import Interrupt

from .errors import AlreadyResumed, AmbiguousAnswer, UnknownInterruptError

_IS_ID = re.compile(r"[0-9a-f]{32}")


def assigned(thread_id: str, pending: Sequence[Interrupt], resume: Any, *, strict: bool = False) -> dict[str, Any]:
    """Return the answers by the ids of their questions; the other questions stay.

    Args:
        thread_id: whose questions they are.
        pending: what is asked.
        resume: the answer to the only question, or a dict of answers by the ids of their questions; {} answers none.
        strict: whether an id that no question has is an error.

    Raises:
        AmbiguousAnswer: several questions wait, and it is not said which one the answer is for.
        AlreadyResumed: no question of this id waits any more, as when somebody else was faster.
        UnknownInterruptError: in strict mode, for any answer that is not for exactly one question that waits.
    """
    ids = [question.id for question in pending]
    if strict:
        _check(thread_id, ids, resume)
    if resume == {}:
        return {}
    if _is_by_id(resume):
        answered = {id_: answer for id_, answer in resume.items() if id_ in ids}
        if not answered:
            raise AlreadyResumed(thread_id, tuple(resume))
        return answered
    if len(ids) > 1:
        raise AmbiguousAnswer(thread_id, tuple(ids))
    return dict.fromkeys(ids, resume)


def _check(thread_id: str, pending_ids: Sequence[str], resume: Any) -> None:
    unknown = [id_ for id_ in resume if id_ not in pending_ids] if _is_by_id(resume) else []
    if unknown:
        raise UnknownInterruptError(thread_id, "not_pending", unknown, pending_ids)
    if resume == {}:
        raise UnknownInterruptError(thread_id, "empty_map", (), pending_ids)
    if len(pending_ids) > 1 and not _is_by_id(resume):
        raise UnknownInterruptError(thread_id, "ambiguous", (), pending_ids)


def _is_by_id(resume: Any) -> bool:
    """Return whether answers are given by ids; a dict with other keys is itself an answer."""
    return (
        isinstance(resume, Mapping)
        and bool(resume)
        and all(isinstance(key, str) and _IS_ID.fullmatch(key) for key in resume)
    )
