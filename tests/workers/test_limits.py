"""Time limits that are kept inside the process."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from workers.limits import Clock, TimeUp, awaited, within

WHO = ContextVar("WHO", default="nobody")


def test_a_call_within_its_limit_returns_its_value_in_its_callers_context() -> None:
    token = WHO.set("caller")

    value = within(Clock(10), WHO.get)

    WHO.reset(token)
    assert value == "caller"


def test_what_a_limited_call_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        within(Clock(10), lambda: 1 // 0)


@pytest.mark.parametrize(("limits", "kind"), [((0.01, 10), "run"), ((10, 0.01), "idle")])
def test_the_caller_goes_on_when_the_time_is_up(limits: tuple[float, float], kind: str) -> None:
    never = threading.Event()

    with pytest.raises(TimeUp) as up:
        within(Clock(*limits), lambda: never.wait(30))

    never.set()
    assert up.value.kind == kind


def test_without_a_limit_the_call_stays_in_its_thread() -> None:
    assert within(Clock(), threading.get_ident) == threading.get_ident()


def test_a_sign_of_life_begins_the_idle_time_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("workers.limits.time.monotonic", lambda: now)
    clock = Clock(run_s=10, idle_s=2)

    now = 101.5
    clock.hear()
    now = 103.0
    lively = (clock.left_s(), clock.passed())
    now = 104.0
    silent = (clock.left_s(), clock.passed())

    assert lively == (0.5, None)
    assert silent == (-0.5, "idle")


@pytest.mark.parametrize(("limits", "kind"), [((0.01, 10), "run"), ((10, 0.01), "idle")])
def test_a_coroutine_is_cancelled_at_its_await_when_the_time_is_up(limits: tuple[float, float], kind: str) -> None:
    ended = []

    async def node() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")

    async def call() -> tuple[str, list[str]]:
        with pytest.raises(TimeUp) as up:
            await awaited(Clock(*limits), node())
        return up.value.kind, list(ended)  # before the loop itself ends what is left

    assert asyncio.run(call()) == (kind, ["cancelled"])


def test_a_coroutine_whose_caller_is_cancelled_is_cancelled_with_it() -> None:
    ended = []

    async def node() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")

    async def give_up() -> list[str]:
        task = asyncio.create_task(awaited(Clock(10), node()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return list(ended)

    assert asyncio.run(give_up()) == ["cancelled"]


def test_a_coroutine_within_its_limit_returns_its_value() -> None:
    async def node() -> str:
        return "value"

    assert asyncio.run(awaited(Clock(10), node())) == "value"
