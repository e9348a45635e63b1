"""Asking a person from inside a node: the question is recorded, the worker is free, the answer replays the node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xxhash import xxh3_128_hexdigest

from .commands import Interrupt


class GraphInterrupt(BaseException):
    """A node waits for an answer; a signal, so that a node's own ``except Exception`` cannot swallow it."""

    def __init__(self, interrupts: Sequence[Interrupt] = ()) -> None:
        self.interrupts = tuple(interrupts)
        super().__init__(self.interrupts)


@dataclass(slots=True)
class Questions:
    """The questions of one attempt at a step, in the order in which it asks: that gives each its id."""

    #: What the ids of the questions are made from: the step's place in its thread.
    ns: str
    #: Question id -> its answer.
    answers: Mapping[str, Any] = field(default_factory=dict)
    _asked: int = field(default=0, repr=False)

    def ask(self, value: Any) -> Any:
        """Return the answer to the next question.

        Raises:
            GraphInterrupt: nobody has answered it yet.
        """
        question = Interrupt(value, question_id(self.ns, self._asked))
        self._asked += 1
        if question.id in self.answers:
            return self.answers[question.id]
        raise GraphInterrupt([question])


def question_id(ns: str, index: int) -> str:
    """Return the id of a step's question: the first one's follows from the step alone."""
    return xxh3_128_hexdigest((ns if index == 0 else f"{ns}|{index}").encode())
