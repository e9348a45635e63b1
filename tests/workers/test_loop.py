"""The event loops that async nodes run on."""

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from workers.loop import Abandoned, Calls, apart, run

WHO = ContextVar("WHO", default="nobody")


async def ident() -> int:
    return threading.get_ident()


async def who() -> str:
    return WHO.get()


class Waiting:
    """A coroutine that waits for ever, on a thread that waits for it."""

    def __init__(self, calls: Calls) -> None:
        self.began, self.ended = threading.Event(), threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(calls,))
        self._thread.start()
        assert self.began.wait(10)

    def join(self) -> None:
        self._thread.join(10)

    def _run(self, calls: Calls) -> None:
        try:
            calls.run(self._wait())
        except BaseException as error:
            self.error = error

    async def _wait(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended.set()


@pytest.fixture
def elsewhere() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_coroutines_of_all_threads_run_on_one_loop() -> None:
    assert run(ident()) == run(ident()) != threading.get_ident()


def test_a_coroutine_runs_in_its_callers_context() -> None:
    token = WHO.set("caller")

    value = run(who())

    WHO.reset(token)
    assert value == "caller"


def test_coroutines_run_on_the_loop_of_the_calls_around_them(elsewhere: asyncio.AbstractEventLoop) -> None:
    its_thread = asyncio.run_coroutine_threadsafe(ident(), elsewhere).result(10)

    with Calls(elsewhere), Calls():
        inside = run(ident())

    assert inside == its_thread


def test_what_runs_apart_has_left_the_calls_around_it(elsewhere: asyncio.AbstractEventLoop) -> None:
    with Calls(elsewhere):
        inside, apart_from_it = run(ident()), apart(lambda: run(ident()))

    assert inside != apart_from_it == run(ident())


def test_cancelled_coroutines_have_ended_when_cancel_returns() -> None:
    calls = Calls()
    waiting = Waiting(calls)

    calls.cancel()

    assert waiting.ended.is_set()
    waiting.join()
    assert isinstance(waiting.error, Abandoned)


def test_calls_inside_of_others_are_cancelled_with_them() -> None:
    with Calls() as outer, Calls() as inner:
        waiting = Waiting(inner)

    outer.cancel()

    assert waiting.ended.is_set()
    waiting.join()


def test_calls_around_others_outlive_them() -> None:
    with Calls() as outer, Calls() as inner:
        inner.cancel()

    assert isinstance(outer.run(ident()), int)


def test_nothing_begins_once_the_calls_are_cancelled() -> None:
    calls = Calls()
    calls.cancel()

    with pytest.raises(Abandoned):
        calls.run(ident())


def test_a_coroutine_that_cancels_itself_says_so() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(give_up())


def test_coroutines_that_block_the_loop_for_others_do_not_wait_for_ever() -> None:
    async def deeper(levels: int) -> int:
        return 1 + run(deeper(levels - 1)) if levels else 0

    assert run(deeper(3)) == 3


def test_plain_values_need_no_loop() -> None:
    assert run(7) == 7


def test_what_a_coroutine_raises_is_raised() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail())


def test_a_coroutine_that_exits_ends_itself_and_not_the_loop() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    async def nested() -> None:
        await asyncio.create_task(leave())

    for coroutine in (leave, nested):
        with pytest.raises(SystemExit):
            run(coroutine())

    assert run(asyncio.sleep(0, "alive")) == "alive"
