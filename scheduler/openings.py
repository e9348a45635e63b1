"""A superstep that is taken up again: which of its steps are due, with the answers that came in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphs.checkpoint import Checkpoint, Step
from graphs.commands import Interrupt
from graphs.frames import step_ns
from graphs.interrupts import question_id

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


def asked_again(known: Known) -> Known:
    """Return of steps that run again on another branch what is asked of a person: what waits, else what came first."""
    said = {id_: (waiting(result), Dialogue.of(result)) for id_, result in known.items() if result.get("asked")}
    return {id_: (one if waits else Dialogue(one.asked[:1])).record() for id_, (waits, one) in said.items()}


def carried(ns: str, steps: Sequence[Step], again: Sequence[Step], known: Known) -> Known:
    """Return the dialogues of steps as those of the steps that stand for them on another branch.

    What graphs inside of them ask is left out: on the new branch those begin anew.
    """
    moved = {}
    for old, new in zip(steps, again, strict=False):  # an input that is taken in again leads to other steps
        said = Dialogue.of(known.get(old.id, {}))
        before, after = step_ns(ns, old.node, old.id), step_ns(ns, new.node, new.id)
        ids = {question_id(before, nth): question_id(after, nth) for nth in range(len(said.asked))}
        asked = tuple(replace(question, id=ids[question.id]) for question in said.asked if question.id in ids)
        answers = {ids[id_]: answer for id_, answer in said.answers.items() if id_ in ids}
        moved[new.id] = Dialogue(asked, answers).record()
    return {id_: said for id_, said in moved.items() if said}


def pending(known: Known) -> list[Interrupt]:
    """Return the questions that wait."""
    return [question for result in known.values() for question in waiting(result)]


def is_open(known: Known, step: Step) -> bool:
    """Return whether a step has not finished."""
    return "updates" not in known.get(step.id, {})


def replaying(known: Known, steps: Sequence[Step]) -> frozenset[str]:
    """Return the ids of the steps that have answers, or sleeps, to be replayed."""
    return frozenset(step.id for step in steps if _said(known.get(step.id, {})))


def _said(known: Mapping[str, Any]) -> bool:
    return bool(known.get("answers") or known.get("slept"))
