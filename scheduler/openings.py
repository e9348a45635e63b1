"""A superstep that is taken up again: which of its steps are due, with the answers that came in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphs.checkpoint import Checkpoint, Step
from graphs.commands import Interrupt

from .checkpoints import Encoded, in_place
from .connection import Connection
from .dialogue import Dialogue, waiting
from .lifecycle import ThreadEvent

#: Step id -> what is known of its outcome: ``updates`` and ``goto``, an ``error``, ``asked``, ``answers``.
Known = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is stored with a run when it begins."""

    encoded: Sequence[Encoded]
    results: Mapping[str, bytes]
    head: Checkpoint
    steps: Sequence[Step]
    event: ThreadEvent
    #: Whether all steps have their results, and only the superstep waits to be closed.
    done: bool = False
    #: Those of the steps that have answers to be replayed.
    resumed: frozenset[str] = field(default_factory=frozenset)
    #: The ids of the questions that are answered with it.
    answered: Sequence[str] = ()
    #: Whether their deadlines have answered them, and nobody else.
    late: bool = False


def reopened(connection: Connection, head: Checkpoint, known: Known, answers: Mapping[str, Any]) -> Beginning:
    """Open what is unfinished; where answers came in, the questions that got none go on waiting.

    Args:
        connection: the store.
        head: where the frame stands.
        known: what is known of the outcomes of its steps.
        answers: by the ids of their questions.
    """
    given = answered(known, answers)
    answered_here = {id_ for id_ in known if given[id_] is not known[id_]}
    unanswered = {id_ for id_, result in given.items() if answers and waiting(result)} - answered_here
    steps = in_place(head.steps, given)
    due = [step for step in steps if is_open(given, step) and step.id not in unanswered]
    if not due:  # nothing is due, or all has finished and was never closed: then any step leads there
        return Beginning([], {}, head, head.steps[:1], ThreadEvent.RESUME, done=True)
    results = {id_: connection.checkpoints.encode_known(given[id_], "The answers") for id_ in answered_here}
    return Beginning([], results, head, due, ThreadEvent.RESUME, resumed=replaying(given, due), answered=tuple(answers))


def answered(known: Known, answers: Mapping[str, Any]) -> Known:
    """Return what is known of steps with the answers that came in: an answered question is none any more."""
    given = {id_: Dialogue.of(result).answered(answers) for id_, result in known.items() if waiting(result)}
    return {**known, **{id_: said.record() for id_, said in given.items() if said.answers.keys() & answers.keys()}}


def pending(known: Known) -> list[Interrupt]:
    """Return the questions that wait."""
    return [question for result in known.values() for question in waiting(result)]


def is_open(known: Known, step: Step) -> bool:
    """Return whether a step has not finished."""
    return "updates" not in known.get(step.id, {})


def replaying(known: Known, steps: Sequence[Step]) -> frozenset[str]:
    """Return the ids of the steps that have answers to be replayed."""
    return frozenset(step.id for step in steps if known.get(step.id, {}).get("answers"))
