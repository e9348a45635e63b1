"""A function becomes a task: its name, what it is given, and where it may be called."""

from functools import partial
from typing import Any

import pytest

from graphs.context import StepContext, entered
from graphs.errors import InvalidGraph, OutsideOfStep
from graphs.retry import RetryPolicy
from graphs.runtime import Runtime
from graphs.task import task

OFFERED = {"config": "the config", "runtime": "the runtime", "store": "the store", "writer": "w", "previous": None}


def work(value: int, config: Any = None) -> Any:
    """Work."""
    return value, config


class Begun:
    """Takes what is called, and runs nothing."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def begin_task(self, *call: Any) -> str:
        self.calls.append(call)
        return "future"


def test_a_task_looks_like_its_function() -> None:
    made = task(work)

    assert (made.name, vars(made)["__name__"], made.__doc__) == ("work", "work", "Work.")


def test_a_task_is_named_as_it_says_or_after_the_function_of_a_partial() -> None:
    assert [task(work, name="other").name, task(name="other")(work).name, task(partial(work, 1)).name] == [
        *("other", "other", "work")
    ]


def test_calling_a_task_hands_it_to_the_step_that_runs() -> None:
    made, begun = task(work), Begun()

    with entered(StepContext({}, Runtime(), tasks=begun)):
        future = made(1, config=2)

    assert future == "future"  # type: ignore[comparison-overlap]
    assert begun.calls == [(made, (1,), {"config": 2})]


def test_outside_of_a_step_a_task_cannot_be_called() -> None:
    with pytest.raises(OutsideOfStep, match="Task 'work'"):
        task(work)(1)


@pytest.mark.parametrize(
    ("args", "kwargs", "value"),
    [((1,), {}, (1, "the config")), ((1, "own"), {}, (1, "own")), ((1,), {"config": None}, (1, None))],
)
def test_what_the_caller_gives_is_not_injected(args: Any, kwargs: Any, value: Any) -> None:
    assert task(work).call(args, kwargs, OFFERED) == value


def test_the_first_parameter_is_injected_too() -> None:
    def told(writer: Any) -> Any:
        return writer

    assert task(told).call((), {}, OFFERED) == "w"


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidGraph):
        task(work, name="a|b")
    with pytest.raises(InvalidGraph, match="only supported for async nodes"):
        task(work, timeout=1)
    with pytest.raises(InvalidGraph):
        task(work, retry_policy=3)  # type: ignore[call-overload]


def test_policies_are_kept() -> None:
    async def waits() -> None: ...

    made = task(waits, retry_policy=RetryPolicy(max_attempts=5), timeout=2)

    assert made.is_async
    assert made.retry[0].max_attempts == 5
    assert made.timeout is not None
    assert made.timeout.run_timeout_s == 2
