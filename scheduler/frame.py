"""Where a graph runs: at the root of its thread, or inside of a step that called it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from graphs.commands import Interrupt
from graphs.lean_values import lean

from .failure import Failure

#: How a called graph gave control back: with its output, with questions, with a failure, or with a Command for the
#: graph above it.
OutcomeKind = Literal["finished", "interrupted", "failed", "command"]


@lean(frozen=True, slots=True)
class Frame:
    """One level of a thread's stack."""

    #: Its namespace; "" is the root's.
    ns: str = ""
    #: The step that called it; None at the root.
    caller: str | None = None
    #: The number of the checkpoint at which the call began; the recursion limit counts from there.
    first_number: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a called graph gave control back."""

    kind: OutcomeKind
    #: Where it stands.
    cursor: str = ""
    questions: tuple[Interrupt, ...] = ()
    failure: Failure | None = None
    #: The Command for the graph above: its ``updates``, one mapping for each batch, and its ``goto``.
    command: Mapping[str, Any] | None = None

    def record(self) -> dict[str, Any]:
        """Return the outcome as it is stored; the frame itself knows its cursor."""
        asked = [[question.value, question.id, question.response_schema] for question in self.questions]
        return {"kind": self.kind, "asked": asked, "failure": self.failure, "command": self.command}

    @classmethod
    def of(cls, record: Mapping[str, Any], cursor: str) -> "Outcome":
        """Return the outcome in a record."""
        asked = tuple(Interrupt(value, id_, schema) for value, id_, schema in record["asked"])
        return cls(record["kind"], cursor, asked, record["failure"], record["command"])
