"""The asynchronous face of a compiled graph: the same calls, off the event loop's thread."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from scheduler.handle import RunHandle
from scheduler.snapshots import StateSnapshot

Config = Mapping[str, Any] | None

_ENDED = object()


class AsyncFace:
    """Adds ``ainvoke``, ``astream`` and their kin to a class that has the calls without the a."""

    submit: Callable[..., RunHandle]
    stream: Callable[..., Iterator[Any]]
    get_state: Callable[..., StateSnapshot]
    get_state_history: Callable[..., Iterator[StateSnapshot]]
    update_state: Callable[..., dict[str, Any]]
    invoke: Callable[..., Any]

    async def ainvoke(self, input: Any, config: Config = None, **options: Any) -> Any:
        """Run as ``invoke`` does; cancelling the awaiting task cancels the run."""
        return await asyncio.to_thread(self.invoke, input, config, **options)

    async def astream(self, input: Any, config: Config = None, **options: Any) -> AsyncIterator[Any]:
        """Yield as ``stream`` does."""
        async for chunk in _off_the_loop(self.stream(input, config, **options)):
            yield chunk

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


async def _off_the_loop(iterator: Iterator[Any]) -> AsyncIterator[Any]:
    try:
        while (item := await asyncio.to_thread(next, iterator, _ENDED)) is not _ENDED:
            yield item
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            await asyncio.to_thread(close)
