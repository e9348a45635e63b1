"""Calls that block, awaited: each on a thread of its own, so that no number of them can use up a pool."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_ENDED: Any = object()


def begin_aside(call: Callable[P, T], *args: P.args, **options: P.kwargs) -> "Future[T]":
    """Begin a call on a thread of its own, in the caller's context; the process does not wait for it when it ends."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from now on nobody can cancel it
    context = copy_context()

    def run() -> None:
        try:
            value = context.run(call, *args, **options)
        except StopIteration as error:  # no coroutine can raise it, and a future of asyncio's refuses it
            stopped = RuntimeError("The call raised StopIteration.")
            stopped.__cause__ = error
            future.set_exception(stopped)
        except BaseException as error:  # raised again by whoever asks for the value
            future.set_exception(error)
        else:
            future.set_result(value)

    threading.Thread(target=run, name="treadle-call", daemon=True).start()
    return future


async def aside(call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Return what a call returns, off the event loop's thread; it goes on where the caller is cancelled."""
    return await asyncio.wrap_future(begin_aside(call, *args, **options))


async def each_aside(iterator: Iterator[T]) -> AsyncIterator[T]:
    """Yield what an iterator yields, off the event loop's thread."""
    while (item := await aside(next, iterator, _ENDED)) is not _ENDED:
        yield item
