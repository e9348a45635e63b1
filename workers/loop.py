"""The process's one event loop, on a thread of its own: where async nodes run."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any


class EventLoop:
    """Runs coroutines from any thread; the loop starts with the first one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Begin a coroutine, in the caller's context; cancelling the future cancels it at its next await."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._running())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end and return its value; an interrupted caller cancels it."""
        future = self.submit(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="treadle-loop", daemon=True).start()
            return self._loop


_loop = EventLoop()


def call(function: Callable[[], Any]) -> Any:
    """Return what a function returns, awaiting it where it is async."""
    return run(function())


def run(value: Any) -> Any:
    """Return a value, awaiting it on the process's loop where it is a coroutine."""
    return _loop.run(value) if asyncio.iscoroutine(value) else value
