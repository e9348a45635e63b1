"""What code inside a node finds out about the step that is running, and that it finds nothing outside."""

from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any

import pytest

from graphs.context import (
    StepContext,
    entered,
    get_config,
    get_runtime,
    get_store,
    get_stream_writer,
    push_message,
)
from graphs.errors import NoStore, OutsideOfStep
from graphs.runtime import ExecutionInfo, Runtime, no_writer
from graphs.store import BaseStore, Op, Result


class NoOpStore(BaseStore):
    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return []

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return []


STORE = NoOpStore()
STEP = StepContext({"configurable": {"thread_id": "t"}}, Runtime(context="C", store=STORE, stream_writer=print))
OTHER = StepContext({"configurable": {"thread_id": "u"}}, Runtime())

HELPERS: list[Callable[[], Any]] = [get_config, get_runtime, get_store, get_stream_writer]


def test_inside_of_a_step_everything_is_found() -> None:
    with entered(STEP):
        found = (get_config(), get_runtime(), get_store(), get_stream_writer())

    assert found == (STEP.config, STEP.runtime, STORE, print)


def test_a_context_schema_changes_nothing_about_the_runtime() -> None:
    with entered(STEP):
        assert get_runtime(str) is STEP.runtime


@pytest.mark.parametrize("helper", HELPERS)
def test_outside_of_a_step_a_helper_says_where_it_belongs(helper: Callable[[], Any]) -> None:
    name = helper.__name__

    with pytest.raises(OutsideOfStep, match=rf"^{name}\(\) was used outside of a node: use it in code that") as caught:
        helper()

    assert (caught.value.name, isinstance(caught.value, RuntimeError)) == (f"{name}()", True)


def test_outside_of_a_step_no_message_can_be_pushed() -> None:
    with pytest.raises(OutsideOfStep, match=r"^push_message\(\) was used outside of a node"):
        push_message({"role": "user", "content": "hi", "id": "1"})


def test_a_pushed_message_goes_where_the_step_takes_it() -> None:
    pushed: list[Any] = []
    step = StepContext({}, Runtime(), push=lambda *given: pushed.append(given))

    with entered(step):
        push_message({"role": "user", "content": "hi", "id": "1"}, state_key="chat")

    assert pushed == [({"role": "user", "content": "hi", "id": "1"}, "chat")]


def test_after_a_step_there_is_none_also_when_it_failed() -> None:
    with pytest.raises(ZeroDivisionError), entered(STEP):
        raise ZeroDivisionError

    with pytest.raises(OutsideOfStep):
        get_config()


def test_a_step_inside_of_a_step_hides_the_outer_one_while_it_runs() -> None:
    with entered(STEP):
        with entered(OTHER):
            inner = get_config()
        outer = get_config()

    assert (inner, outer) == (OTHER.config, STEP.config)


def test_a_copied_context_keeps_the_step_it_was_copied_in() -> None:
    with entered(STEP):
        copied = copy_context()

    assert copied.run(get_config) is STEP.config


def test_a_graph_without_a_store_says_how_to_get_one() -> None:
    with entered(OTHER), pytest.raises(NoStore, match="compile it with store="):
        get_store()


def test_a_runtime_without_listeners_writes_to_nobody() -> None:
    runtime: Runtime[Any] = Runtime()

    runtime.stream_writer("unheard")

    assert runtime.stream_writer is no_writer


def test_the_idempotency_key_is_the_same_in_every_attempt_at_a_step() -> None:
    first: Runtime[Any] = Runtime(execution_info=ExecutionInfo("t", "r", "c", "", "task-1", node_attempt=1))
    third: Runtime[Any] = Runtime(execution_info=ExecutionInfo("t", "r", "c", "", "task-1", node_attempt=3))

    assert first.idempotency_key == third.idempotency_key == "task-1"
    assert (first.attempt, third.attempt) == (1, 3)


def test_a_runtime_of_no_step_is_at_its_first_attempt_and_has_no_idempotency_key() -> None:
    runtime: Runtime[Any] = Runtime()

    assert runtime.attempt == 1
    with pytest.raises(OutsideOfStep, match=r"^runtime\.idempotency_key was used outside of a node"):
        _ = runtime.idempotency_key
