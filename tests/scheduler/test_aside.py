"""Calls that block, awaited."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from scheduler.aside import aside, each_aside

MANY = 100
WHO = ContextVar("WHO", default="nobody")


def test_any_number_of_calls_may_block_at_the_same_time() -> None:
    met = threading.Barrier(MANY)

    async def use() -> list[int]:
        return await asyncio.gather(*(aside(met.wait, 20) for _ in range(MANY)))

    assert sorted(asyncio.run(use())) == list(range(MANY))


def test_a_call_sees_its_callers_context() -> None:
    async def use() -> str:
        WHO.set("caller")
        return await aside(WHO.get)

    assert asyncio.run(use()) == "caller"


def test_what_a_call_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(aside(lambda: 1 // 0))


def test_a_call_that_raises_what_no_coroutine_can_raise_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(aside(lambda: next(iter(()))))


def test_a_cancelled_caller_does_not_wait_for_its_call() -> None:
    go_on = threading.Event()

    async def use() -> None:
        async with asyncio.timeout(0):
            await aside(go_on.wait, 20)

    with pytest.raises(TimeoutError):
        asyncio.run(use())

    assert not go_on.is_set()
    go_on.set()


def test_items_come_in_their_order() -> None:
    async def use() -> list[int]:
        return [item async for item in each_aside(iter([1, 2, 3]))]

    assert asyncio.run(use()) == [1, 2, 3]
