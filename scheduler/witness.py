"""Who is told how runs begin and end, by whichever process begins or ends them."""

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from .lifecycle import RunStatus
from .run import Run


class Begun(Protocol):
    """A run that was stored."""

    @property
    def run(self) -> Run:
        """The run."""


T = TypeVar("T", bound=Begun)


class Witness:
    """Listens to nobody."""

    def begin(
        self, graph: str, thread_id: str, start: Callable[[str | None], T], before: Callable[[T], Run | None]
    ) -> T:
        """Begin a run.

        Args:
            graph, thread_id: of what, and where.
            start: begins it, with the ``traceparent`` that it keeps.
            before: returns the run that the thread had before it.
        """
        return start(None)

    def ended(self, run: Callable[[], Run], status: RunStatus) -> None:
        """Hear that a run has ended.

        Args:
            run: returns it.
            status: how.
        """


#: Keeps nothing of what it hears.
NOBODY: Final = Witness()
