"""What a step, or what it called, has asked so far, what it was answered, and how it slept: kept whatever happens."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from graphs.commands import Interrupt
from graphs.lean_values import lean


@lean(frozen=True, slots=True)
class Dialogue:
    """Questions in the order in which they were asked, and the answers by the ids of their questions."""

    asked: tuple[Interrupt, ...] = ()
    answers: Mapping[str, Any] = field(default_factory=dict)
    #: Until when it sleeps, or slept: sleep id -> milliseconds since the epoch.
    slept: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, known: Mapping[str, Any]) -> "Dialogue":
        """Return the dialogue in what is known of a step."""
        asked = tuple(Interrupt(value, id_, schema) for value, id_, schema in known.get("asked", ()))
        return cls(asked, known.get("answers", {}), known.get("slept", {}))

    @property
    def pending(self) -> tuple[Interrupt, ...]:
        """The questions that nobody has answered yet."""
        return tuple(question for question in self.asked if question.id not in self.answers)

    def asking(self, questions: Sequence[Interrupt]) -> "Dialogue":
        """Return the dialogue with the questions that an attempt ended with; those asked again count once.

        An answer that one of them had is dropped: it did not fit.
        """
        again = {question.id for question in questions}
        answers = {id_: answer for id_, answer in self.answers.items() if id_ not in again}
        asked = (*(question for question in self.asked if question.id in answers), *questions)
        return replace(self, asked=asked, answers=answers)

    def answered(self, answers: Mapping[str, Any]) -> "Dialogue":
        """Return the dialogue with those of the answers that are for its questions."""
        asked = {question.id for question in self.pending}
        return replace(self, answers={**self.answers, **{id_: answers[id_] for id_ in answers if id_ in asked}})

    def sleeping(self, moments: Mapping[str, int]) -> "Dialogue":
        """Return the dialogue with the sleeps that an attempt ended with."""
        return replace(self, slept={**self.slept, **moments})

    def record(self) -> dict[str, Any]:
        """Return the dialogue as it is kept; nothing for a step that asked nothing and never slept."""
        slept = {"slept": dict(self.slept)} if self.slept else {}
        if not self.asked:
            return slept
        asked = [[question.value, question.id, question.response_schema] for question in self.asked]
        return {"asked": asked, "answers": dict(self.answers), **slept}


def waiting(known: Mapping[str, Any]) -> tuple[Interrupt, ...]:
    """Return the questions that a step waits for, from what is known of it; none once it has finished."""
    return () if "updates" in known else Dialogue.of(known).pending
