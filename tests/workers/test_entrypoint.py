"""Functions as graphs: what they return, ask and show."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.func import entrypoint, task
from treadle.runtime import Runtime
from treadle.store.base import BaseStore
from treadle.store.memory import InMemoryStore
from treadle.types import Command, StateUpdate, StreamWriter, interrupt

CONFIG = {"thread_id": "t"}


@dataclass
class Point:
    x: int


@task
def double(number: int) -> int:
    return 2 * number


@task
def ask(question: str) -> Any:
    return interrupt(question)


# What it returns and keeps


def test_an_entrypoint_returns_what_its_function_returns(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(number: int) -> list[int]:
        return [number, double(number).result()]

    assert flow.invoke(2, CONFIG) == [2, 4]
    assert flow.get_state(CONFIG).values == [2, 4]
    assert flow.name == "flow"


def test_previous_is_what_the_last_run_returned(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def total(number: int, *, previous: int | None = None) -> int:
        return number + (previous or 0)

    assert [total.invoke(number, CONFIG) for number in (1, 2, 3)] == [1, 3, 6]


def test_final_says_apart_what_is_returned_and_what_is_saved(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(number: int, *, previous: Any) -> entrypoint.final[str, int]:
        return entrypoint.final(value=f"{previous} then {number}", save=number)

    assert [flow.invoke(number, CONFIG) for number in (1, 2)] == ["None then 1", "1 then 2"]
    assert flow.get_state(CONFIG).values == "1 then 2"


def test_without_a_checkpointer_nothing_is_kept() -> None:
    @entrypoint()
    def flow(number: int, *, previous: Any) -> Any:
        return previous, double(number).result()

    assert [flow.invoke(1), flow.invoke(1)] == [(None, 2), (None, 2)]


def test_update_state_needs_no_node_and_sets_previous(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(number: int, *, previous: Any) -> Any:
        return [previous, number]

    flow.update_state(CONFIG, "edited")

    assert flow.get_state(CONFIG).values == "edited"
    assert flow.invoke(1, CONFIG) == ["edited", 1]
    flow.update_state(CONFIG, {"any": "value"})
    assert flow.invoke(2, CONFIG) == [{"any": "value"}, 2]


def test_a_thread_without_a_result_shows_none_and_the_function_as_next(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(question: str) -> Any:
        return interrupt(question)

    flow.invoke("?", CONFIG)
    state = flow.get_state(CONFIG)

    assert (state.values, state.next) == (None, ("flow",))
    assert [snapshot.metadata["source"] for snapshot in flow.get_state_history(CONFIG) if snapshot.metadata] == [
        "input"
    ]


def test_any_value_is_an_input_and_a_result(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(point: Point) -> Point:
        return Point(point.x + 1)

    assert flow.invoke(Point(1), CONFIG) == Point(2)
    assert flow.get_state(CONFIG).values == Point(2)


def test_an_entrypoint_may_return_nothing(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(given: Any) -> None: ...

    assert flow.invoke([], CONFIG) is None
    assert flow.get_state(CONFIG).next == ()


def test_an_entrypoint_is_given_what_nodes_are_given() -> None:
    store = InMemoryStore()

    @entrypoint(checkpointer=MemorySaver(), store=store, context_schema=Point)
    def flow(key: str, config: dict[str, Any], runtime: Runtime[Point], store: BaseStore, writer: StreamWriter) -> Any:
        store.put(("a",), key, {"x": runtime.context.x})
        writer("written")
        return config["configurable"]["thread_id"]

    chunks = list(flow.stream("k", CONFIG, context={"x": 7}, stream_mode=["custom", "updates"]))

    assert chunks == [("custom", "written"), ("updates", {"flow": "t"})]
    assert store.get(("a",), "k").value == {"x": 7}  # type: ignore[union-attr]


# What it asks


def test_the_questions_of_parallel_tasks_are_all_pending_at_once(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(questions: list[str]) -> Any:
        futures = [ask(question) for question in questions]
        return [future.result() for future in futures]

    asked = flow.invoke(["a?", "b?", "c?"], CONFIG)
    ids = {question.value: question.id for question in asked["__interrupt__"]}
    some = flow.invoke(Command(resume={ids["b?"]: 2}), CONFIG)
    output = flow.invoke(Command(resume={ids["a?"]: 1, ids["c?"]: 3}), CONFIG)

    assert list(asked) == ["__interrupt__"]
    assert list(ids) == ["a?", "b?", "c?"]
    assert [question.value for question in some["__interrupt__"]] == ["a?", "c?"]
    assert output == [1, 2, 3]


def test_a_nested_question_and_one_of_the_function_are_asked_in_turn(saver: BaseCheckpointSaver) -> None:
    @task
    def outer(question: str) -> Any:
        return [ask(question).result(), interrupt(f"{question} again")]

    @entrypoint(checkpointer=saver)
    def flow(question: str) -> Any:
        return [*outer(question).result(), interrupt("last?")]

    outputs = [flow.invoke("first?", CONFIG), *(flow.invoke(Command(resume=answer), CONFIG) for answer in (1, 2, 3))]

    assert [output["__interrupt__"][0].value for output in outputs[:3]] == ["first?", "first? again", "last?"]
    assert outputs[3] == [1, 2, 3]


def test_a_question_that_nobody_waits_for_is_asked_all_the_same(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(question: str) -> str:
        ask(question)
        return "done"

    paused = flow.invoke("?", CONFIG)

    assert [question.value for question in paused["__interrupt__"]] == ["?"]
    assert flow.invoke(Command(resume="fine"), CONFIG) == "done"


def test_an_earlier_result_is_not_shown_with_a_question(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(question: str) -> Any:
        return {"answer": interrupt(question) if question else None}

    flow.invoke("", CONFIG)

    assert list(flow.invoke("?", CONFIG)) == ["__interrupt__"]


# What it shows


def test_streams_show_tasks_as_they_finish_and_only_the_result_as_values(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(number: int) -> list[Any]:
        return [double(double(number).result()).result(), interrupt("?")]

    first = list(flow.stream(1, CONFIG, stream_mode=["updates", "values"]))
    question = flow.get_state(CONFIG).interrupts[0]
    second = list(flow.stream(Command(resume="yes"), CONFIG, stream_mode=["updates", "values"]))

    asked = {"__interrupt__": (question,)}
    assert first == [("updates", {"double": 2}), ("updates", {"double": 4}), ("updates", asked), ("values", asked)]
    assert second == [("values", None), ("updates", {"flow": [4, "yes"]}), ("values", [4, "yes"])]


def test_the_tasks_stream_shows_where_tasks_begin_and_end(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(number: int) -> int:
        return double(number=number).result()

    chunks = list(flow.stream(3, CONFIG, stream_mode="tasks"))

    flow_id, task_id = chunks[0]["id"], chunks[1]["id"]
    done: dict[str, Any] = {"error": None, "interrupts": []}
    assert chunks == [
        {"id": flow_id, "name": "flow", "input": 3, "triggers": ("__start__",)},
        {"id": task_id, "name": "double", "input": ((), {"number": 3}), "triggers": ("__pregel_push",)},
        {"id": task_id, "name": "double", "result": {"__return__": 6}, **done},
        {"id": flow_id, "name": "flow", "result": {"__end__": 6}, **done},
    ]


def test_arguments_of_tasks_need_not_be_plain_data(saver: BaseCheckpointSaver) -> None:
    @task
    def call(function: Callable[[int], int]) -> int:
        return function(1)

    @entrypoint(checkpointer=saver)
    def flow(number: int) -> int:
        return call(lambda value: value + number).result()

    chunks = list(flow.stream(3, CONFIG, stream_mode=["tasks", "values"]))

    assert chunks[-1] == ("values", 4)
    assert "lambda" in chunks[1][1]["input"]


def test_the_log_names_the_tasks_and_who_called_them(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(number: int) -> int:
        return double(number).result()

    flow.invoke(1, CONFIG)
    entries = {entry.kind: entry.data for entry in saver.client.log.read("t")}

    assert (entries["task"]["node"], entries["task"]["caller"]) == ("double", entries["committed"]["step"])
    assert saver.client.log.verify("t") is None


def test_after_a_question_only_what_runs_anew_is_shown(saver: BaseCheckpointSaver) -> None:
    @task
    def outer(question: str) -> Any:
        return [double(1).result(), ask(question).result()]

    @entrypoint(checkpointer=saver)
    def flow(question: str) -> Any:
        futures = [outer(question), double(2)]
        return [future.result() for future in futures]

    first = list(flow.stream("?", CONFIG))
    second = list(flow.stream(Command(resume="yes"), CONFIG))

    assert sorted([*chunk.items()] for chunk in first[:-1]) == [[("double", 2)], [("double", 4)]]
    assert [question.value for question in first[-1]["__interrupt__"]] == ["?"]
    assert second == [{"ask": "yes"}, {"outer": [2, "yes"]}, {"flow": [[2, "yes"], 4]}]


def test_a_resumed_run_shows_first_what_the_last_one_returned(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(question: str) -> Any:
        return interrupt(question) if question else "earlier"

    flow.invoke("", CONFIG)
    flow.invoke("?", CONFIG)

    assert list(flow.stream(Command(resume="later"), CONFIG, stream_mode="values")) == ["earlier", "later"]


def test_a_plain_entrypoint_can_be_awaited(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(number: int) -> int:
        return double(number).result()

    async def use() -> list[Any]:
        return [chunk async for chunk in flow.astream(1, CONFIG)]

    assert asyncio.run(use()) == [{"double": 2}, {"flow": 2}]


def test_functions_that_are_objects_are_named_after_their_class(saver: BaseCheckpointSaver) -> None:
    class Worker:
        def __call__(self, number: int) -> int:
            return number + 1

    class Flow:
        def __call__(self, number: int) -> int:
            return task(Worker())(number).result()

    assert list(entrypoint(checkpointer=saver)(Flow()).stream(1, CONFIG)) == [{"Worker": 2}, {"Flow": 2}]


def test_several_supersteps_of_updates_set_previous(saver: BaseCheckpointSaver) -> None:
    @entrypoint(checkpointer=saver)
    def flow(number: int, *, previous: Any) -> Any:
        return [previous, number]

    flow.invoke(1, CONFIG)

    flow.bulk_update_state(CONFIG, [[StateUpdate(7)], [StateUpdate(8, "flow")]])

    history = list(flow.get_state_history(CONFIG))
    assert [state.metadata["source"] for state in history if state.metadata] == ["update", "update", "loop", "input"]
    assert [state.values for state in history[:3]] == [8, 7, [None, 1]]
    assert flow.invoke(2, CONFIG) == [8, 2]
