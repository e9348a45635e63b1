"""A run that this process began: see it through to its output, follow it, or give it up."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from graphs.frames import Root
from graphs.graph import Graph
from graphs.outputs import GraphOutput
from graphs.runtime import RunControl
from scheduler.aside import begin_aside
from scheduler.client import Client, Following
from scheduler.handle import RunHandle
from scheduler.parts import Part
from scheduler.storing import Started

from .attempt import Local
from .inline import InlineRunner
from .loop import Calls
from .succession import Succession


class Execution:
    """One run; inline, this process also executes it.

    Args:
        client: the store's.
        graph: what runs.
        started: the run, as it was stored.
        runner: executes it here; None where workers do.
        control: by what the caller may drain it.
        turns: begins here what waits for the run's end.
        ephemeral: whether its thread is deleted when it has ended, because nobody could come back to it.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is a thing of its own
        self,
        client: Client,
        graph: Graph,
        started: Started,
        runner: InlineRunner | None,
        control: RunControl,
        turns: Succession | None = None,
        *,
        ephemeral: bool = False,
    ) -> None:
        self._client = client
        self._graph = graph
        self._started = started
        self._runner = runner
        self._turns = turns
        self._ephemeral = ephemeral
        self._local = Local(control)
        self._background: Future[None] | None = None
        self._calls = Calls()

    @property
    def handle(self) -> RunHandle:
        """The run, to be followed from anywhere."""
        return RunHandle(self._client, self._graph, self._thread_id, self._run_id)

    def begin(self) -> None:
        """Execute an inline run on a thread of its own; workers need no such push."""
        if self._runner is not None:
            self._background = begin_aside(self._run_here)

    def output(self, keys: str | Sequence[str] | None = None) -> GraphOutput[Any]:
        """See the run through, in this thread where it has not begun on another, and return the graph's output.

        Raises:
            RunTimeout, RunCancelled, WorkerLost, GraphChanged: the run failed in that way; what a node raised comes
                back as itself (from a worker: where it is an error of Python's own or of Treadle's).
        """
        errors = self._local.errors
        try:
            self._see_through()
            failure = self._client.runs.get(self._thread_id, self._run_id).error if errors else None
            if failure is not None and failure["id"] in errors:
                raise errors[failure["id"]]  # the very exception: it was raised in this process
            return self._client.output(self._graph, self._thread_id, self._run_id, keys)
        finally:
            if self._ephemeral:
                self._client.threads.delete(self._thread_id)

    def parts(self, modes: Sequence[str], **look: Any) -> Iterator[Part]:
        """Yield what happens to the run, live, until it has ended; ``look`` is as for Following."""
        following = Following(self._graph, self._thread_id, self._run_id, modes, saved=not self._ephemeral, **look)
        with self._local.control.heard_by(self.handle.drain):
            yield from self._client.stream(following)

    def abandon(self) -> None:
        """Give the run up, since nobody waits for it any more; workers go on with it.

        Inline, its async nodes are cancelled and have ended when this returns; plain ones end alone.
        """
        if self._runner is not None:
            self._calls.cancel()
            self._client.runs.cancel(self._thread_id, self._run_id, "nobody waited for it any more")

    def _see_through(self) -> None:
        with self._local.control.heard_by(self.handle.drain):
            if self._background is not None:
                self._background.result()
            else:
                self._run_here()
            self._client.wait(self._thread_id, self._run_id)

    def _run_here(self) -> None:
        if self._runner is None:
            return
        try:
            if not self._started.queued:
                with self._calls:
                    self._runner.run(Root(self._graph), self._started, self._local)
        finally:
            if self._turns is not None:
                self._turns.go_on(self._thread_id)

    @property
    def _thread_id(self) -> str:
        return self._started.run.thread_id

    @property
    def _run_id(self) -> str:
        return self._started.run.id
