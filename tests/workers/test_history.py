"""What is told of a thread: its state, its tasks and its history, while it runs well, asks and fails."""

import operator
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict
from uuid import UUID, uuid4

import pytest

from tests.workers.lines import CONFIG, line, single
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import EmptyInputError
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command, Interrupt, PregelTask, StateSnapshot, interrupt


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def asks(question: str) -> Any:
    return lambda state: {"log": [interrupt(question)]}


def fan(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Compile one step of four nodes: one writes, one writes nothing, two ask."""
    builder = StateGraph(State)
    for name, node in {"a": lambda _: {"log": ["a"]}, "n": lambda _: None, "q": asks("q"), "r": asks("r")}.items():
        builder.add_node(name, node).add_edge(START, name)
    return builder.compile(saver)


def told(shot: StateSnapshot) -> Iterator[tuple[str, Any, list[Any]]]:
    for task in shot.tasks:
        yield task.name, task.result, [question.value for question in task.interrupts]


def ids(shot: StateSnapshot) -> dict[Any, str]:
    return {question.value: question.id for question in shot.interrupts}


def test_snapshots_and_tasks_are_named_tuples() -> None:
    fields = ("values", "next", "config", "metadata", "created_at", "parent_config", "tasks", "interrupts")

    assert StateSnapshot._fields == fields
    assert PregelTask._fields == ("id", "name", "path", "error", "interrupts", "state", "result")


def test_every_checkpoint_of_a_run_is_told_the_newest_first(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a", "b")
    config = {"configurable": {"thread_id": "t", "user": "ada", "list": [1]}, "metadata": {"k": 1, "deep": {}}}
    graph.invoke({"trail": [0]}, {**config, "run_id": uuid4()})

    history = list(graph.get_state_history(CONFIG))

    user = {"user": "ada", "k": 1, "parents": {}}
    steps = [("loop", 2), ("loop", 1), ("loop", 0), ("input", -1)]
    assert [shot.metadata for shot in history] == [{**user, "source": name, "step": step} for name, step in steps]
    assert [shot.next for shot in history] == [(), ("b",), ("a",), ("__start__",)]
    assert [shot.values["trail"] for shot in history] == [[0, "a", "b"], [0, "a"], [0], []]
    assert [shot.parent_config for shot in history] == [*(shot.config for shot in history[1:]), None]
    assert all(
        shot.config["configurable"].keys() == {"thread_id", "checkpoint_ns", "checkpoint_id"} for shot in history
    )
    found = [shot.config["configurable"]["checkpoint_id"] for shot in history]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("thread_id", [7, UUID(int=7)])
def test_the_id_of_a_thread_becomes_text(saver: BaseCheckpointSaver, thread_id: Any) -> None:
    graph = line(saver, "a")
    graph.invoke({"trail": []}, {"configurable": {"thread_id": thread_id}})

    shot = graph.get_state({"configurable": {"thread_id": str(thread_id)}})

    assert shot.config["configurable"]["thread_id"] == str(thread_id)
    assert shot == graph.get_state({"configurable": {"thread_id": thread_id}})


def test_reading_needs_a_checkpointer_and_a_thread(saver: BaseCheckpointSaver) -> None:
    with pytest.raises(ValueError, match="No checkpointer set"):
        list(single(None, lambda _: None).get_state_history(CONFIG))
    with pytest.raises(ValueError, match="thread_id"):
        line(saver, "a").get_state({"configurable": {}})


def test_the_head_merges_what_is_finished_and_the_record_does_not(saver: BaseCheckpointSaver) -> None:
    graph = fan(saver)
    graph.invoke({"log": [0]}, CONFIG)
    graph.invoke(Command(resume={ids(graph.get_state(CONFIG))["q"]: 0}), CONFIG)

    head = graph.get_state(CONFIG)
    record = graph.get_state(head.config)

    done: list[Any] = [("a", {"log": ["a"]}, []), ("n", {}, [])]
    assert (head.values, head.next, list(ids(head))) == ({"log": [0, "a", 0]}, ("r",), ["r"])
    assert list(told(head)) == [*done, ("q", {"log": [0]}, []), ("r", None, ["r"])]
    assert (record.values, record.next, list(ids(record))) == ({"log": [0]}, ("a", "n", "q", "r"), ["q", "r"])
    assert list(told(record)) == [*done, ("q", {"log": [0]}, ["q"]), ("r", None, ["r"])]
    assert record == next(iter(graph.get_state_history(CONFIG)))


def test_no_input_on_an_interrupted_thread_asks_the_same_and_a_new_one_asks_anew(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, asks("q"), State)
    first: list[Interrupt] = graph.invoke({"log": [0]}, CONFIG)["__interrupt__"]

    again = graph.invoke(None, CONFIG)
    anew = graph.invoke({"log": [1]}, CONFIG)

    assert again == {"log": [0], "__interrupt__": first}
    assert anew["log"] == [0, 1]
    assert anew["__interrupt__"][0].id != first[0].id
    assert [(shot.metadata or {})["source"] for shot in graph.get_state_history(CONFIG)] == ["loop", "input"] * 2


def test_a_failed_task_shows_its_error_as_text(saver: BaseCheckpointSaver) -> None:
    def bad(state: State) -> None:
        raise RuntimeError("boo")

    graph = single(saver, bad, State)
    with pytest.raises(RuntimeError):
        graph.invoke({"log": [0]}, CONFIG)

    (task,) = graph.get_state(CONFIG).tasks

    assert (task.error, task.result, task.interrupts) == ("RuntimeError('boo')", None, ())


def test_no_input_on_a_finished_thread_returns_its_state_and_stores_nothing(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a")
    output = graph.invoke({"trail": []}, CONFIG)
    before = list(graph.get_state_history(CONFIG))

    assert graph.invoke(None, CONFIG) == output
    assert list(graph.get_state_history(CONFIG)) == before


def test_no_input_is_none_and_an_empty_one_is_an_input(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a")

    with pytest.raises(EmptyInputError, match="Received no input"):
        graph.invoke(None, CONFIG)

    assert graph.invoke({}, CONFIG) == {"trail": ["a"]}


def test_a_history_can_be_narrowed(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a")
    graph.invoke({"trail": []}, CONFIG)
    newest, second, *_ = graph.get_state_history(CONFIG)

    assert list(graph.get_state_history(CONFIG, limit=1)) == [newest]
    assert next(iter(graph.get_state_history(CONFIG, before=newest.config))) == second
    assert [shot.next for shot in graph.get_state_history(CONFIG, filter={"source": "input"})] == [("__start__",)]


def test_a_deleted_thread_has_neither_state_nor_history(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a")
    graph.invoke({"trail": []}, CONFIG)

    saver.delete_thread("t")

    assert graph.get_state(CONFIG).values == {}
    assert list(graph.get_state_history(CONFIG)) == []
