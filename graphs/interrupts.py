"""Asking a person from inside a node: the question is recorded, the worker is free, the answer replays the node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from xxhash import xxh3_128_hexdigest

from .checks import LONGEST_S, is_number
from .checks import shown as told
from .commands import Interrupt
from .errors import InvalidQuestion, as_invalid_resume
from .responses import fitting, shown


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when a question waits, and the answer that counts from then on."""

    #: How long after it was first asked, or the very moment.
    at: timedelta | datetime
    default: Any


class GraphInterrupt(BaseException):
    """A node waits for an answer; a signal, so that a node's own ``except Exception`` cannot swallow it.

    Args:
        interrupts: what it asks; nothing where a graph that it called stands at a breakpoint, or a limit is reached.
        deadline: until when the one question waits.
        refused: why the answer that it had does not fit.
        breach: which limits the run has reached, as JSON, so that it calls no more tasks.
    """

    def __init__(
        self,
        interrupts: Sequence[Interrupt] = (),
        deadline: Deadline | None = None,
        refused: BaseException | None = None,
        breach: str = "",
    ) -> None:
        self.interrupts = tuple(interrupts)
        self.deadline = deadline
        self.refused = refused
        self.breach = breach
        super().__init__(self.interrupts, deadline, refused, breach)


@dataclass(slots=True)
class Questions:
    """The questions of one attempt at a step, in the order in which it asks: that gives each its id."""

    #: What the ids of the questions are made from: the step's place in its thread.
    ns: str
    #: Question id -> its answer.
    answers: Mapping[str, Any] = field(default_factory=dict)
    _asked: int = field(default=0, repr=False)

    def ask(self, value: Any, schema: Any = None, deadline: Deadline | None = None) -> Any:
        """Return the answer to the next question, as an instance of its response schema.

        Raises:
            GraphInterrupt: nobody has answered it yet, or the answer does not fit the schema.
            InvalidQuestion: the schema is none, or the default answer does not fit it.
        """
        question = Interrupt(value, question_id(self.ns, self._asked), shown(schema))
        self._asked += 1
        if question.id not in self.answers:
            raise GraphInterrupt([question], _checked(deadline, schema))
        try:
            return fitting(schema, self.answers[question.id])
        except ValueError as error:  # pydantic's ValidationError is one
            raise GraphInterrupt([question], deadline, as_invalid_resume(error)) from error


def deadline_of(at: float | timedelta | datetime | None, default: Any) -> Deadline | None:
    """Return a question's deadline; a number is seconds.

    Raises:
        InvalidQuestion: there is only one of deadline and default, the moment has no time zone, or it is none.
    """
    if (at is None) != (default is ...):
        raise InvalidQuestion("A deadline needs the answer that counts when it passes, and a default its deadline.")
    if at is None:
        return None
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise InvalidQuestion(f"The deadline {at} has no time zone: datetime.now(UTC) + ... has one.")
        return Deadline(at, default)
    seconds = at.total_seconds() if isinstance(at, timedelta) else at
    if not is_number(seconds) or abs(seconds) > LONGEST_S:
        raise InvalidQuestion(
            f"A deadline is a number of seconds (up to {LONGEST_S:g}), a timedelta or a datetime, got {told(at)}."
        )
    return Deadline(timedelta(seconds=seconds), default)


def question_id(ns: str, index: int) -> str:
    """Return the id of a step's question: the first one's follows from the step alone."""
    return xxh3_128_hexdigest((ns if index == 0 else f"{ns}|{index}").encode())


def _checked(deadline: Deadline | None, schema: Any) -> Deadline | None:
    """Return a deadline whose default answer fits: nobody would be there to be told that it does not."""
    if deadline is not None:
        try:
            fitting(schema, deadline.default)
        except ValueError as error:
            raise InvalidQuestion(f"The default answer {deadline.default!r:.80} does not fit: {error}") from error
    return deadline
