"""The process's one event loop."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from workers.loop import EventLoop, run

WHO = ContextVar("WHO", default="nobody")


async def ident() -> int:
    return threading.get_ident()


async def who() -> str:
    return WHO.get()


def test_coroutines_of_all_threads_run_on_one_loop() -> None:
    loop = EventLoop()

    assert loop.run(ident()) == loop.run(ident()) != threading.get_ident()


def test_a_coroutine_runs_in_its_callers_context() -> None:
    token = WHO.set("caller")

    value = EventLoop().run(who())

    WHO.reset(token)
    assert value == "caller"


def test_a_cancelled_coroutine_ends_at_its_await() -> None:
    started, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        try:
            started.set()
            await asyncio.sleep(30)
        finally:
            ended.set()

    future = EventLoop().submit(wait())
    started.wait(5)

    future.cancel()

    assert ended.wait(5)


def test_plain_values_need_no_loop() -> None:
    assert run(7) == 7


def test_what_a_coroutine_raises_is_raised() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail())
