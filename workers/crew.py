"""The calls that a function has begun, each on a thread of its own, and how they end with it."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from graphs.interrupts import GraphInterrupt
from graphs.signals import ParentCommand
from graphs.sleeping import Asleep

from .loop import Calls, running_loop

T = TypeVar("T")
#: How a function ends that goes on later.
Signal = GraphInterrupt | Asleep

#: How many calls of one function run at the same time, unless the config says ``max_concurrency``.
_MAX_PARALLEL = 100


class CallFuture(Future[Any]):
    """What a call will return; it can be awaited as well."""

    def result(self, timeout: float | None = None) -> Any:
        """Return the call's value, or raise what it raised; waits so many seconds at the most.

        Raises:
            RuntimeError: it has not ended, and to wait for it would stop the event loop on which it may run.
        """
        if not self.done() and running_loop() is not None:
            raise RuntimeError("This task has not ended yet: in async code await it, instead of calling result().")
        return super().result(timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self).__await__()


class Crew:
    """Runs the calls of one function; a call that calls in turn has a crew of its own, so none waits for another.

    Args:
        limit: how many calls run at the same time; None: a hundred.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit or _MAX_PARALLEL
        self._pool: ThreadPoolExecutor | None = None
        self._futures: list[CallFuture] = []
        self._calls = Calls()

    def begin(self, call: Callable[[], Any]) -> CallFuture:
        """Begin a call, in the caller's context, and return its future."""
        self._pool = self._pool or ThreadPoolExecutor(self._limit, "treadle-task")
        future = CallFuture()
        self._futures.append(future)
        self._pool.submit(self._calls.context().run, _fulfil, future, call)
        return future

    def see_through(self, function: Callable[[], T]) -> T:
        """Call the function, let what it began come to its end, and return what it returned.

        Where it fails, what it began is called off as far as that goes: coroutines, and what waits for a thread.

        Raises:
            Asleep: it sleeps, or what it began sleeps: until the first of them is to be woken.
            GraphInterrupt: it asks, or what it began asks, or reached a limit: all that is asked, in the order of the
                calls.
        """
        try:
            result = function()
        except (GraphInterrupt, Asleep) as signal:
            raise self._merged(signal) from None
        except BaseException as error:
            self._dismiss()
            if isinstance(error, Exception | ParentCommand):
                wait(self._futures)  # what runs on may still finish, and then need not run again
            raise
        else:
            if self._signals():
                raise self._merged()
            return result
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=False)

    def _merged(self, *own: Signal) -> Signal:
        """Return what everything came to; who sleeps is woken before anybody is asked."""
        signals = [*self._signals(), *own]
        sleeping = [signal for signal in signals if isinstance(signal, Asleep)]
        if not sleeping:
            return self._asked([signal for signal in signals if isinstance(signal, GraphInterrupt)])
        moments = {id_: until for signal in sleeping for id_, until in signal.moments.items()}
        return Asleep(min(signal.until_ms for signal in sleeping), moments)

    @staticmethod
    def _asked(signals: Sequence[GraphInterrupt]) -> GraphInterrupt:
        """Return all that is asked, once each, when everything has come to its end or to a question.

        Of several deadlines the first one counts.
        """
        signals = sorted(signals, key=lambda signal: signal.deadline is None)
        asked = {question.id: question for signal in signals for question in signal.interrupts}
        refused = next((signal.refused for signal in signals if signal.refused is not None), None)
        breach = next((signal.breach for signal in signals if signal.breach), "")
        return GraphInterrupt(tuple(asked.values()), signals[0].deadline, refused, breach)

    def _signals(self) -> list[Signal]:
        if not self._futures:
            return []
        wait(self._futures)
        ended = [future.exception() for future in self._futures if not future.cancelled()]
        return [signal for signal in ended if isinstance(signal, GraphInterrupt | Asleep)]

    def _dismiss(self) -> None:
        for future in self._futures:
            future.cancel()
        self._calls.cancel()


def _fulfil(future: CallFuture, call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call())
    except BaseException as error:  # raised again by whoever waits for the result
        future.set_exception(error)
