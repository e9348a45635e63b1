"""The asynchronous face of a compiled graph: the same calls, off the event loop's thread."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from graphs.context import CallsGraphs
from graphs.outputs import GraphOutput
from scheduler.handle import RunHandle
from scheduler.snapshots import StateSnapshot

from .execution import Execution

Config = Mapping[str, Any] | None

_ENDED = object()


class AsyncFace(ABC):
    """Adds ``ainvoke``, ``astream`` and their kin to a class that has the calls without the a.

    A run whose caller is cancelled is cancelled too where it runs in this process; on workers it goes on.
    """

    async def ainvoke(
        self,
        input: Any,
        config: Config = None,
        *,
        stream_mode: str | Sequence[str] = "values",
        output_keys: str | Sequence[str] | None = None,
        version: str = "v1",
        **options: Any,
    ) -> Any:
        """Run as ``invoke`` does."""
        if self._calling(config) is not None:
            return await asyncio.to_thread(self.invoke, input, config, **options)
        if stream_mode != "values":
            options |= {"stream_mode": stream_mode, "version": version, "output_keys": output_keys}
            return [chunk async for chunk in self.astream(input, config, **options)]
        execution = await asyncio.to_thread(self._begin, input, config, **options)
        try:
            return self._returned(await asyncio.to_thread(execution.output, output_keys), version)
        except asyncio.CancelledError:
            await asyncio.to_thread(execution.abandon)
            raise

    async def astream(self, input: Any, config: Config = None, **options: Any) -> AsyncIterator[Any]:
        """Yield as ``stream`` does."""
        execution, chunks = await asyncio.to_thread(self._streamed, input, config, **options)
        try:
            async for chunk in _off_the_loop(chunks):
                yield chunk
        except (asyncio.CancelledError, GeneratorExit):
            await asyncio.to_thread(execution.abandon)
            raise

    async def asubmit(self, input: Any, config: Config = None, **options: Any) -> RunHandle:
        """Begin a run as ``submit`` does."""
        return await asyncio.to_thread(self.submit, input, config, **options)

    async def aget_state(self, config: Config = None, **options: Any) -> StateSnapshot:
        """Return what ``get_state`` does."""
        return await asyncio.to_thread(self.get_state, config, **options)

    async def aget_state_history(self, config: Config = None, **options: Any) -> AsyncIterator[StateSnapshot]:
        """Yield what ``get_state_history`` does."""
        async for snapshot in _off_the_loop(self.get_state_history(config, **options)):
            yield snapshot

    async def aupdate_state(self, config: Config, values: Any, as_node: str | None = None) -> dict[str, Any]:
        """Write as ``update_state`` does."""
        return await asyncio.to_thread(self.update_state, config, values, as_node)

    @abstractmethod
    def invoke(self, input: Any, config: Config = None, **options: Any) -> Any:
        """Run the graph and return its output."""

    @abstractmethod
    def _returned(self, output: GraphOutput[Any], version: str) -> Any:
        """Return a run's output in the form of a version."""

    @abstractmethod
    def _calling(self, config: Config) -> CallsGraphs | None:
        """Return what runs this graph where a node calls it."""

    @abstractmethod
    def submit(self, input: Any, config: Config = None, **options: Any) -> RunHandle:
        """Begin a run and return at once."""

    @abstractmethod
    def get_state(self, config: Config = None, *, subgraphs: bool = False) -> StateSnapshot:
        """Return where a thread stands."""

    @abstractmethod
    def get_state_history(
        self,
        config: Config = None,
        *,
        filter: Mapping[str, Any] | None = None,
        before: Config = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """Yield a thread's checkpoints."""

    @abstractmethod
    def update_state(self, config: Config, values: Any, as_node: str | None = None) -> dict[str, Any]:
        """Write to a thread's state."""

    @abstractmethod
    def _begin(self, input: Any, config: Config, **options: Any) -> Execution:
        """Store a run."""

    @abstractmethod
    def _streamed(self, input: Any, config: Config, **options: Any) -> tuple[Execution, Iterator[Any]]:
        """Store a run, begin to execute it, and return its chunks as they come."""


async def _off_the_loop(iterator: Iterator[Any]) -> AsyncIterator[Any]:
    while (item := await asyncio.to_thread(next, iterator, _ENDED)) is not _ENDED:
        yield item
