"""The asynchronous face of a compiled graph: the same calls, off the event loop's thread."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from graphs.commands import StateUpdate
from graphs.outputs import GraphOutput
from scheduler.aside import aside, begin_aside, each_aside
from scheduler.handle import RunHandle
from scheduler.snapshots import StateSnapshot

from .execution import Execution
from .loop import Calls
from .nesting import BodyExecution
from .states import StateFace

Config = Mapping[str, Any] | None
#: A run, and its chunks as they come.
Streamed = tuple[Execution | BodyExecution, Iterator[Any]]

#: How long a cancelled caller waits for a run that has not begun, since it may wait for its turn on the thread.
_PATIENCE_S = 1.0


class AsyncFace(StateFace):
    """Adds ``ainvoke``, ``astream`` and their kin to a class that has the calls without the a.

    In this process, async nodes run on the caller's event loop. A run whose caller is cancelled is cancelled too where
    it runs in this process: its async nodes have ended when the caller goes on. On workers it goes on.
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
        if stream_mode != "values":
            options |= {"stream_mode": stream_mode, "version": version, "output_keys": output_keys}
            return [chunk async for chunk in self.astream(input, config, **options)]
        called = self._calling(config)  # here, where the order of calls is the caller's own
        begin = (
            partial(self._begin, input, config, heard=False, **options) if called is None else partial(called, input)
        )
        async with _begun(lambda: (begin(), iter(()))) as (execution, _):
            return self._returned(await aside(execution.output, output_keys), version)

    async def astream(self, input: Any, config: Config = None, **options: Any) -> AsyncIterator[Any]:
        """Yield as ``stream`` does."""
        async with _begun(partial(self._streamed, input, config, **options)) as (_, chunks):
            async for chunk in each_aside(chunks):
                yield chunk

    async def asubmit(self, input: Any, config: Config = None, **options: Any) -> RunHandle:
        """Begin a run as ``submit`` does; it outlives the caller, so its async nodes run on a loop of the process."""
        return await aside(self.submit, input, config, **options)

    async def aget_state(self, config: Config = None, **options: Any) -> StateSnapshot:
        """Return what ``get_state`` does."""
        return await aside(self.get_state, config, **options)

    async def aget_state_history(self, config: Config = None, **options: Any) -> AsyncIterator[StateSnapshot]:
        """Yield what ``get_state_history`` does."""
        async for snapshot in each_aside(self.get_state_history(config, **options)):
            yield snapshot

    async def aupdate_state(
        self, config: Config, values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> dict[str, Any]:
        """Write as ``update_state`` does."""
        return await self._updated(self.update_state, config, values, as_node, task_id)

    async def abulk_update_state(self, config: Config, supersteps: Sequence[Sequence[StateUpdate]]) -> dict[str, Any]:
        """Write as ``bulk_update_state`` does."""
        return await self._updated(self.bulk_update_state, config, supersteps)

    async def _updated(self, update: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
        with Calls(asyncio.get_running_loop()):
            updating = begin_aside(update, *args)
        return await asyncio.wrap_future(updating)

    async def aclear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget what ``clear_cache`` does."""
        await aside(self.clear_cache, nodes)

    @abstractmethod
    def _calling(self, config: Config) -> Callable[[Any], BodyExecution] | None:
        """Return what begins this graph where a node calls it."""

    @abstractmethod
    def _returned(self, output: GraphOutput[Any], version: str) -> Any:
        """Return a run's output in the form of a version."""

    @abstractmethod
    def submit(self, input: Any, config: Config = None, **options: Any) -> RunHandle:
        """Begin a run and return at once."""

    @abstractmethod
    def clear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget the kept results of nodes."""

    @abstractmethod
    def _begin(self, input: Any, config: Config, **options: Any) -> Execution | BodyExecution:
        """Store a run."""

    @abstractmethod
    def _streamed(self, input: Any, config: Config, **options: Any) -> Streamed:
        """Store a run, begin to execute it, and return its chunks as they come."""


@asynccontextmanager
async def _begun(begin: Callable[[], Streamed]) -> AsyncIterator[Streamed]:
    """Begin a run whose async nodes run on this loop, and give it up where its caller is cancelled or goes away."""
    with Calls(asyncio.get_running_loop()):
        beginning = begin_aside(begin)
    try:
        yield await asyncio.wrap_future(beginning)
    except (asyncio.CancelledError, GeneratorExit):
        giving_up = asyncio.wrap_future(begin_aside(_give_up, beginning))
        await asyncio.wait([giving_up], timeout=None if beginning.done() else _PATIENCE_S)
        raise


def _give_up(beginning: Future[Streamed]) -> None:
    if beginning.exception() is None:
        execution, _ = beginning.result()
        execution.abandon()
