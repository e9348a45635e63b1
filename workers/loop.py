"""Where async nodes run: on the loop of whoever awaits their run, else on a loop of this process's own."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, Token, copy_context
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

_loops: list[asyncio.AbstractEventLoop] = []
_lock = threading.Lock()


class Abandoned(BaseException):
    """Nobody waits for this coroutine any more: it was cancelled from the outside, and nothing of it is stored."""


class Calls:
    """The coroutines of a run, or of the parallel steps of a superstep: where they run, and how they end together.

    What begins inside of others belongs to them and ends with them, on the same loop. A call that blocks a running loop
    gets another one, since its coroutines could not begin on that. As a context manager it takes in what begins inside,
    and cancels it when an exception leaves the block.

    Args:
        loop: where the coroutines run; None: as described.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        outer, blocked = _current.get(None), None if loop else running_loop()
        self._depth: int = outer._depth if outer else 0
        self._loop = loop
        self._lineage: tuple[Calls, ...] = (self,)
        if blocked is not None:
            self._depth = outer._depth + 1 if outer else int(blocked in _loops)
        elif loop is None and outer is not None:
            self._loop, self._lineage = outer._loop, (*outer._lineage, self)
        self._tasks: set[asyncio.Task[Any]] = set()  # touched on the loop's thread alone
        self._cancelled = False
        self._token: Token[Calls | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if error is not None:
            self.cancel()

    def context(self) -> Context:
        """Return a copy of the caller's context in which these calls take in what begins."""
        context = copy_context()
        context.run(_current.set, self)
        return context

    @property
    def cancelled(self) -> bool:
        """Whether these calls, or those around them, were cancelled."""
        return any(calls._cancelled for calls in self._lineage)

    @property
    def cancelled_from_above(self) -> bool:
        """Whether calls around these were cancelled."""
        return any(calls._cancelled for calls in self._lineage if calls is not self)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end and return its value, in the caller's context; an interrupted caller cancels it.

        Raises:
            Abandoned: these calls were cancelled.
            asyncio.CancelledError: the coroutine was cancelled in another way, as a rule by itself.
        """
        if self.cancelled:
            coroutine.close()
            raise Abandoned
        future = asyncio.run_coroutine_threadsafe(self._cancellable(coroutine), self._home())
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise asyncio.CancelledError from None
        except BaseException:
            future.cancel()
            raise

    def cancel(self) -> None:
        """Cancel what runs and wait until it has ended; what would begin later is abandoned at once."""
        self._cancelled = True
        if self._tasks:  # what is about to begin sees that it must not
            asyncio.run_coroutine_threadsafe(self._end(), self._home()).result()

    async def _cancellable(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = cast("asyncio.Task[Any]", asyncio.current_task())  # a coroutine runs in one
        for calls in self._lineage:
            calls._tasks.add(task)
        _current.set(self)  # in the task's own context
        try:
            if self.cancelled:
                coroutine.close()
                raise Abandoned
            return await coroutine
        except asyncio.CancelledError:
            if self.cancelled:
                raise Abandoned from None
            raise
        finally:
            for calls in self._lineage:
                calls._tasks.discard(task)

    async def _end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _home(self) -> asyncio.AbstractEventLoop:
        return self._loop or _own_loop(self._depth)


_current: ContextVar[Calls | None] = ContextVar("treadle_calls")


def call(function: Callable[[], Any]) -> Any:
    """Return what a function returns, awaiting it where it is async."""
    return run(function())


def run(value: Any) -> Any:
    """Return a value, awaiting it where it is a coroutine."""
    return Calls().run(value) if asyncio.iscoroutine(value) else value


def apart(call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Return what a call returns; the coroutines that it begins belong to no others, and outlive them."""
    context = copy_context()
    context.run(_current.set, None)
    return context.run(call, *args, **options)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _own_loop(depth: int) -> asyncio.AbstractEventLoop:
    """Return the process's loop; those of greater depth serve the calls that block the one before."""
    with _lock:
        while len(_loops) <= depth:
            _loops.append(asyncio.new_event_loop())
            threading.Thread(target=_serve, args=(_loops[-1],), name="treadle-loop", daemon=True).start()
        return _loops[depth]


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):  # a coroutine's own: it goes to whoever awaits that, not to the others
            continue
        return
