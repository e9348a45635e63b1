"""A run in the hand: ask for its status, wait for it, follow it, cancel it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from graphs.checks import shown, text
from graphs.graph import Graph

from .arguments import patience
from .aside import aside, each_aside
from .client import Client, Following
from .errors import InvalidConfig
from .lifecycle import RunStatus
from .parts import check_modes, retracting


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
            InvalidConfig: the timeout is no number of 0 or more.
            TimeoutError: the run is still active; it goes on.
        """
        return self._client.wait(self.thread_id, self.id, patience(timeout))

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the run's end and return the graph's output.

        Raises:
            TimeoutError: the run is still active; it goes on.
            RunTimeout, RunCancelled, WorkerLost, GraphChanged, NodeFailed: it failed; an error of Python's own or of
                Treadle's that a node raised comes back as itself.
        """
        self.wait(timeout)
        return self._client.result(self._graph, self.thread_id, self.id)

    def stream(
        self,
        stream_mode: str | Sequence[str] | None = None,
        *,
        subgraphs: bool = False,
        after: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the run's parts, live: ``{"type", "ns", "data", "id"}``, as version 2 of ``stream`` does.

        Args:
            stream_mode: one or several of values, updates (the default), custom, messages, tasks, checkpoints,
                debug.
            subgraphs: whether the parts of the graphs inside are yielded, with ``ns`` saying where.
            after: the id of the last part that the reader has seen: it goes on after that.
        """
        modes = retracting(check_modes(stream_mode))
        following = Following(self._graph, self.thread_id, self.id, modes, subgraphs=subgraphs)
        yield from (part.typed() for part in self._client.stream(following, after))

    def drain(self, reason: str = "shutdown") -> None:
        """Let the run stop between two steps; whoever waits for it gets GraphDrained, where work is left."""
        self._client.runs.drain(self.thread_id, self.id, text(reason, "The reason", InvalidConfig))

    def cancel(self, reason: str = "") -> bool:
        """Cancel the run, durably; return whether it was still active. Its thread can be taken up again."""
        if not isinstance(reason, str):
            raise InvalidConfig(f"The reason is a str, got {shown(reason)}.")
        return self._client.runs.cancel(self.thread_id, self.id, reason)

    async def await_end(self, timeout: float | None = None) -> RunStatus:
        """Wait as ``wait`` does, and leave the event loop to others."""
        return await aside(self.wait, timeout)

    async def aresult(self, timeout: float | None = None) -> Any:
        """Return what ``result`` does."""
        return await aside(self.result, timeout)

    async def astream(
        self, stream_mode: str | Sequence[str] | None = None, *, after: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield what ``stream`` does."""
        async for part in each_aside(self.stream(stream_mode, after=after)):
            yield part

    async def acancel(self, reason: str = "") -> bool:
        """Cancel the run as ``cancel`` does."""
        return await aside(self.cancel, reason)
