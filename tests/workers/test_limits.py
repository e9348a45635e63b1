"""Time limits that are kept inside the process."""

import threading
from contextvars import ContextVar

import pytest

from workers.limits import TimeUp, within

WHO = ContextVar("WHO", default="nobody")


def test_a_call_within_its_limit_returns_its_value_in_its_callers_context() -> None:
    token = WHO.set("caller")

    value = within(10, WHO.get)

    WHO.reset(token)
    assert value == "caller"


def test_what_a_limited_call_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        within(10, lambda: 1 // 0)


def test_the_caller_goes_on_when_the_time_is_up() -> None:
    never = threading.Event()

    with pytest.raises(TimeUp):
        within(0.01, lambda: never.wait(30))

    never.set()


def test_without_a_limit_the_call_stays_in_its_thread() -> None:
    assert within(None, threading.get_ident) == threading.get_ident()
