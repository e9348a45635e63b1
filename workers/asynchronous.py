"""The asynchronous face of a compiled graph: the same calls, off the event loop's thread."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from graphs.commands import StateUpdate
from graphs.context import CallsGraphs
from scheduler.handle import RunHandle
from scheduler.snapshots import StateSnapshot

from .execution import Execution
from .states import StateFace

Config = Mapping[str, Any] | None

_ENDED = object()


class AsyncFace(StateFace):
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
        **options: Any,
    ) -> Any:
        """Run as ``invoke`` does."""
        if self._calling(config) is not None:
            return await asyncio.to_thread(self.invoke, input, config, **options)
        if stream_mode != "values":
            return [chunk async for chunk in self.astream(input, config, stream_mode=stream_mode, **options)]
        execution = await asyncio.to_thread(self._begin, input, config, **options)
        try:
            return await asyncio.to_thread(execution.output, output_keys)
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

    async def aupdate_state(
        self, config: Config, values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> dict[str, Any]:
        """Write as ``update_state`` does."""
        return await asyncio.to_thread(self.update_state, config, values, as_node, task_id)

    async def abulk_update_state(self, config: Config, supersteps: Sequence[Sequence[StateUpdate]]) -> dict[str, Any]:
        """Write as ``bulk_update_state`` does."""
        return await asyncio.to_thread(self.bulk_update_state, config, supersteps)

    @abstractmethod
    def invoke(self, input: Any, config: Config = None, **options: Any) -> Any:
        """Run the graph and return its output."""

    @abstractmethod
    def _calling(self, config: Config) -> CallsGraphs | None:
        """Return what runs this graph where a node calls it."""

    @abstractmethod
    def submit(self, input: Any, config: Config = None, **options: Any) -> RunHandle:
        """Begin a run and return at once."""

    @abstractmethod
    def _begin(self, input: Any, config: Config, **options: Any) -> Execution:
        """Store a run."""

    @abstractmethod
    def _streamed(self, input: Any, config: Config, **options: Any) -> tuple[Execution, Iterator[Any]]:
        """Store a run, begin to execute it, and return its chunks as they come."""


async def _off_the_loop(iterator: Iterator[Any]) -> AsyncIterator[Any]:
    while (item := await asyncio.to_thread(next, iterator, _ENDED)) is not _ENDED:
        yield item
