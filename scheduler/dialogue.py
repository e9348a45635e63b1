"""What a step has asked so far, and what it was answered: kept with the step's result, whatever becomes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphs.commands import Interrupt


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Questions in the order in which they were asked, and the answers to the first of them."""

    asked: tuple[Interrupt, ...] = ()
    answers: tuple[Any, ...] = ()

    @classmethod
    def of(cls, known: Mapping[str, Any]) -> "Dialogue":
        """Return the dialogue in what is known of a step."""
        asked = tuple(Interrupt(value, id_, schema) for value, id_, schema in known.get("asked", ()))
        return cls(asked, tuple(known.get("answers", ())))

    @property
    def pending(self) -> tuple[Interrupt, ...]:
        """The questions that nobody has answered yet."""
        return self.asked[len(self.answers) :]

    def asking(self, questions: Sequence[Interrupt]) -> "Dialogue":
        """Return the dialogue with the questions that an attempt ended with; those asked again count once."""
        return replace(self, asked=(*self.asked[: len(self.answers)], *questions))

    def answered(self, answer: Any) -> "Dialogue":
        """Return the dialogue with the next answer."""
        return replace(self, answers=(*self.answers, answer))

    def record(self) -> dict[str, Any]:
        """Return the dialogue as it is kept; nothing for a step that asked nothing."""
        if not self.asked:
            return {}
        asked = [[question.value, question.id, question.response_schema] for question in self.asked]
        return {"asked": asked, "answers": list(self.answers)}


def waiting(known: Mapping[str, Any]) -> tuple[Interrupt, ...]:
    """Return the questions that a step waits for, from what is known of it; none once it has finished."""
    return () if "updates" in known else Dialogue.of(known).pending
