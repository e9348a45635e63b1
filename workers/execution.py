"""A run that this process began: see it through to its output, follow it, or give it up."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from graphs.graph import Graph
from scheduler.aside import begin_aside
from scheduler.client import Client, Following
from scheduler.handle import RunHandle
from scheduler.lifecycle import RunStatus
from scheduler.starting import Started
from scheduler.views import Part

from .inline import InlineRunner
from .loop import Calls


class Execution:
    """One run; inline, this process also executes it.

    Args:
        client: the store's.
        graph: what runs.
        started: the run, as it was stored.
        runner: executes it here; None where workers do.
        ephemeral: whether its thread is deleted when it has ended, because nobody could come back to it.
    """

    def __init__(
        self, client: Client, graph: Graph, started: Started, runner: InlineRunner | None, *, ephemeral: bool = False
    ) -> None:
        self._client = client
        self._graph = graph
        self._started = started
        self._runner = runner
        self._ephemeral = ephemeral
        self._background: Future[Exception | None] | None = None
        self._calls = Calls()

    @property
    def handle(self) -> RunHandle:
        """The run, to be followed from anywhere."""
        return RunHandle(self._client, self._graph, self._thread_id, self._run_id)

    def begin(self) -> None:
        """Execute an inline run on a thread of its own; workers need no such push."""
        if self._runner is not None:
            self._background = begin_aside(self._run_here)

    def output(self, keys: str | Sequence[str] | None = None) -> Any:
        """See the run through, in this thread where it has not begun on another, and return the graph's output.

        Raises:
            RunTimeout, RunCancelled, WorkerLost, GraphChanged: the run failed in that way; what a node raised comes
                back as itself (from a worker: where it is an error of Python's own or of Treadle's).
        """
        error = self._background.result() if self._background is not None else self._run_here()
        try:
            if self._client.wait(self._thread_id, self._run_id) in (RunStatus.ERROR, RunStatus.TIMEOUT) and error:
                raise error  # the very exception: it was raised in this process
            return self._client.output(self._graph, self._thread_id, self._run_id, keys)
        finally:
            if self._ephemeral:
                self._client.threads.delete(self._thread_id)

    def parts(self, modes: Sequence[str], keys: str | Sequence[str] | None = None) -> Iterator[Part]:
        """Yield what happens to the run, live, until it has ended."""
        return self._client.stream(Following(self._graph, self._thread_id, self._run_id, modes, keys))

    def abandon(self) -> None:
        """Give the run up, since nobody waits for it any more; workers go on with it.

        Inline, its async nodes are cancelled and have ended when this returns; plain ones end alone.
        """
        if self._runner is not None:
            self._calls.cancel()
            self._client.runs.cancel(self._thread_id, self._run_id, "nobody waited for it any more")

    def _run_here(self) -> Exception | None:
        if self._runner is None:
            return None
        with self._calls:
            return self._runner.run(self._graph, self._started)

    @property
    def _thread_id(self) -> str:
        return self._started.run.thread_id

    @property
    def _run_id(self) -> str:
        return self._started.run.id
