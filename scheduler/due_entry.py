"""What an entry of a due set is about."""

from dataclasses import dataclass
from urllib.parse import unquote

from .connection import Connection
from .scripts import EXPIRY, NEXT, QUESTIONS, START, Place


@dataclass(frozen=True, slots=True)
class DueEntry:
    """What a due entry is about: a step, ``run:``, ``start:`` or ``hook:ID``, a thread's questions, inputs, or end."""

    member: str
    place: Place
    thread_id: str
    what: str

    @classmethod
    def of(cls, connection: Connection, member: str) -> "DueEntry":
        """Return what a member of a due set says."""
        return cls(member, *place_of(connection, member))

    @property
    def is_step(self) -> bool:
        """Whether it is about a step."""
        return self.what not in (QUESTIONS, NEXT, EXPIRY) and not self.what.startswith(("run:", "hook:", START))


def place_of(connection: Connection, member: str) -> tuple[Place, str, str]:
    """Return where an entry of a due set points: the thread's place, its id, and the step or ``run:ID``."""
    token, _, what = member.partition(" ")
    thread_id = unquote(token)
    run_id = what.removeprefix("run:") if what.startswith("run:") else ""
    return connection.place(thread_id, run_id), thread_id, what
