"""A run in the hand: ask for its status, wait for it, follow it, cancel it."""

from collections.abc import Iterator, Sequence
from typing import Any

from graphs.graph import Graph

from .client import Client, Following
from .lifecycle import RunStatus
from .views import check_modes


class RunHandle:
    """One run, followed from any process; keeping it keeps nothing alive."""

    def __init__(self, client: Client, graph: Graph, thread_id: str, run_id: str) -> None:
        self._client = client
        self._graph = graph
        self.thread_id = thread_id
        #: The run's id.
        self.id = run_id

    def __repr__(self) -> str:
        return f"RunHandle(thread_id={self.thread_id!r}, id={self.id!r})"

    @property
    def status(self) -> RunStatus:
        """The run's status, asked for now."""
        return self._client.runs.status(self.thread_id, self.id)

    def wait(self, timeout: float | None = None) -> RunStatus:
        """Wait for the run's end, at the most for ``timeout`` seconds, and return its status.

        Raises:
            TimeoutError: the run is still active; it goes on.
        """
        return self._client.wait(self.thread_id, self.id, timeout)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the run's end and return the graph's output.

        Raises:
            TimeoutError: the run is still active; it goes on.
            RunTimeout, RunCancelled, WorkerLost, GraphChanged, NodeFailed: it failed; an error of Python's own or of
                Treadle's that a node raised comes back as itself.
        """
        self.wait(timeout)
        return self._client.output(self._graph, self.thread_id, self.id)

    def stream(
        self,
        stream_mode: str | Sequence[str] | None = None,
        *,
        after: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the run's parts, live: ``{"type", "ns", "data", "id"}``.

        Args:
            stream_mode: one or several of values, updates (the default), custom, tasks, checkpoints, debug.
            after: the id of the last part that the reader has seen: it goes on after that.

        Raises:
            InvalidConfig: a mode is not known.
        """
        following = Following(self._graph, self.thread_id, self.id, check_modes(stream_mode))
        for part in self._client.stream(following, after):
            yield {"type": part.mode, "ns": part.ns, "data": part.data, "id": part.id}

    def drain(self, reason: str = "shutdown") -> None:
        """Let the run stop between two steps; whoever waits for it gets GraphDrained, where work is left."""
        self._client.runs.drain(self.thread_id, self.id, reason)

    def cancel(self, reason: str = "") -> bool:
        """Cancel the run, durably; return whether it was still active. Its thread can be taken up again."""
        return self._client.runs.cancel(self.thread_id, self.id, reason)
