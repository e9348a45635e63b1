"""The process that runs steps, as far as an executor has to know it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .turns import Turns
from .versioning import IsNewer, never


def always(error: BaseException) -> bool:
    """Return True: what ends the interpreter ends the process of whoever called."""
    return True


@dataclass(frozen=True, slots=True)
class Host:
    """A process that runs steps; without more, the one of the caller."""

    #: Whether the executor keeps the time limits; False where the pool does (prefork).
    limits: bool = True
    #: What the pool raises in a node whose soft time limit is up.
    time_limit_errors: tuple[type[Exception], ...] = ()
    #: Whether a SystemExit or KeyboardInterrupt ends this process, and was not the node's own idea.
    is_ending: Callable[[BaseException], bool] = always
    #: Whether this process's version of a graph came after that of a run.
    is_newer: IsNewer = never
    #: How many workers a step may take down with it; before the last one it runs alone. None: it never does.
    max_attempts: int | None = None
    #: Which steps run at the same time.
    turns: Turns = field(default_factory=Turns)

    def suspects(self, losses: int) -> bool:
        """Return whether a step that lost so many workers has one chance left, and must not be blamed for others."""
        return self.max_attempts is not None and 0 < losses == self.max_attempts - 1
