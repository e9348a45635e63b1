"""A person's hand on states: updates by supersteps, copies, inputs and ends, and a run rebuilt from its history."""

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import InvalidUpdateError
from treadle.graph import END, START, CompiledStateGraph, StateGraph
from treadle.types import Send, StateSnapshot, StateUpdate

CONFIG = {"configurable": {"thread_id": "t"}}
COPY = {"configurable": {"thread_id": "copy"}}


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    answer: Any


def says(name: str) -> Callable[[State], State]:
    return lambda state: {"said": [name]}


def line(saver: BaseCheckpointSaver, **options: Any) -> CompiledStateGraph:
    builder = StateGraph(State).add_sequence([("a", says("a")), ("b", says("b")), ("c", says("c"))])
    return builder.add_edge(START, "a").compile(saver, **options)


def fan(saver: BaseCheckpointSaver, **options: Any) -> CompiledStateGraph:
    """Two nodes side by side and their join; then a task for every item."""
    builder = StateGraph(State)
    for name in ("a", "b", "join", "item"):
        builder.add_node(name, says(name))
    builder.add_edge(START, "a").add_edge(START, "b")
    builder.add_edge(["a", "b"], "join")
    builder.add_conditional_edges("join", lambda state: [Send("item", {}), Send("item", {})])
    return builder.compile(saver, **options)


def history(graph: CompiledStateGraph, config: dict[str, Any] = CONFIG) -> list[StateSnapshot]:
    return list(graph.get_state_history(config))


def step_of(shot: StateSnapshot) -> int:
    assert shot.metadata is not None
    return int(shot.metadata["step"])


def source_of(shot: StateSnapshot) -> str:
    assert shot.metadata is not None
    return str(shot.metadata["source"])


def told(shot: StateSnapshot) -> Any:
    """Return what a rebuilt run must have in common with the one it was built from."""
    return shot.values, shot.next, step_of(shot), [(task.name, task.path, task.result) for task in shot.tasks]


def updates_of(shots: list[StateSnapshot]) -> list[list[StateUpdate]]:
    """Return the supersteps that rebuild a history."""
    supersteps: list[list[StateUpdate]] = []
    for shot in reversed(shots):
        if source_of(shot) == "input":
            supersteps.append([StateUpdate(shot.tasks[0].result, "__input__")])
        supersteps.append([StateUpdate(task.result, task.name) for task in shot.tasks])
    return [superstep for superstep in supersteps if superstep]


@pytest.mark.parametrize("build", [line, fan])
def test_a_run_that_is_rebuilt_by_updates_has_the_same_history(
    saver: BaseCheckpointSaver, build: Callable[[BaseCheckpointSaver], CompiledStateGraph]
) -> None:
    graph = build(saver)
    graph.invoke({"said": ["one"]}, CONFIG)
    graph.invoke({"said": ["two"]}, CONFIG)
    original = history(graph)

    graph.bulk_update_state(COPY, updates_of(original))

    assert [told(shot) for shot in history(graph, COPY)] == [told(shot) for shot in original]
    assert graph.get_state(COPY).values == graph.get_state(CONFIG).values
    assert {source_of(shot) for shot in history(graph, COPY)} == {"input", "update"}


def test_a_rebuilt_run_goes_on_where_the_rebuilding_ended(saver: BaseCheckpointSaver) -> None:
    graph = line(saver)
    supersteps = [[StateUpdate({"said": ["hi"]}, "__input__")], [StateUpdate({"said": ["hi"]}, "__start__")]]

    made = graph.bulk_update_state(CONFIG, [*supersteps, [StateUpdate({"said": ["a by hand"]}, "a")]])

    assert made == graph.get_state(CONFIG).config
    assert graph.invoke(None, CONFIG) == {"said": ["hi", "a by hand", "b", "c"]}


def test_several_updates_of_one_node_stand_for_its_tasks_in_their_order(saver: BaseCheckpointSaver) -> None:
    graph = fan(saver, interrupt_before=["item"])
    graph.invoke({}, CONFIG)
    first, second = graph.get_state(CONFIG).tasks

    graph.bulk_update_state(
        CONFIG, [[StateUpdate({"said": [2]}, "item", second.id), StateUpdate({"said": [1]}, "item", first.id)]]
    )

    assert graph.get_state(CONFIG).values["said"][-2:] == [1, 2]
    assert [task.result for task in history(graph)[1].tasks] == [{"said": [1]}, {"said": [2]}]


@pytest.mark.parametrize(
    ("supersteps", "error", "message"),
    [
        ([], ValueError, "No supersteps provided"),
        ([[]], ValueError, "No updates provided"),
        ([[StateUpdate({}, "a")], []], ValueError, "No updates provided"),
        ([[StateUpdate({}, "a"), StateUpdate({})]], InvalidUpdateError, "each is as a node, got None"),
        ([[StateUpdate({}, "a"), StateUpdate(None, END)]], InvalidUpdateError, "got '__end__'"),
        ([[StateUpdate({}, "a"), StateUpdate(None, "__copy__")]], InvalidUpdateError, "got '__copy__'"),
        ([[StateUpdate({}, "a"), StateUpdate({}, "__input__")]], InvalidUpdateError, "got '__input__'"),
        ([[StateUpdate({}, "nobody")]], InvalidUpdateError, "Node 'nobody' does not exist"),
        ([[StateUpdate({"said": [1]}, END)]], InvalidUpdateError, "as END writes nothing"),
        ([[StateUpdate(None, "__input__")]], InvalidUpdateError, "as __input__ is an input"),
        ([[StateUpdate({"said": [1]}, "a")], [StateUpdate({}, "nobody")]], InvalidUpdateError, "nobody"),
    ],
)
def test_supersteps_that_make_no_sense_have_written_nothing(
    saver: BaseCheckpointSaver, supersteps: Any, error: type[Exception], message: str
) -> None:
    graph = line(saver)
    graph.invoke({}, CONFIG)
    before = history(graph)

    with pytest.raises(error, match=message):
        graph.bulk_update_state(CONFIG, supersteps)

    assert history(graph) == before


def test_without_a_checkpointer_there_is_nothing_to_update() -> None:
    with pytest.raises(ValueError, match="No checkpointer set"):
        StateGraph(State).add_sequence([("a", says("a"))]).add_edge(START, "a").compile().bulk_update_state(CONFIG, [])


def test_none_keeps_the_state_and_what_is_due_runs_anew(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, interrupt_before=["b"])
    graph.invoke({}, CONFIG)
    before = graph.get_state(CONFIG)

    made = graph.update_state(CONFIG, None)

    after = graph.get_state(CONFIG)
    assert (after.config, after.values, after.next, after.parent_config) == (made, before.values, ("b",), before.config)
    assert (source_of(after), step_of(after)) == ("update", step_of(before) + 1)
    assert graph.invoke(None, CONFIG) == {"said": ["a", "b", "c"]}


def test_as_end_nothing_is_due_any_more(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, interrupt_before=["b"])
    graph.invoke({}, CONFIG)

    graph.update_state(CONFIG, None, END)

    after = graph.get_state(CONFIG)
    assert (after.values, after.next, source_of(after)) == ({"said": ["a"]}, (), "update")
    assert graph.invoke(None, CONFIG) == {"said": ["a"]}


def test_a_copy_stands_beside_its_checkpoint(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, interrupt_before=["b"])
    graph.invoke({}, CONFIG)
    before = graph.get_state(CONFIG)

    graph.update_state(CONFIG, None, "__copy__")

    after = graph.get_state(CONFIG)
    assert (after.values, after.next, after.parent_config) == (before.values, ("b",), before.parent_config)
    assert (source_of(after), step_of(after)) == ("fork", step_of(before) + 1)
    assert after.tasks[0].id != before.tasks[0].id
    assert graph.invoke(None, CONFIG) == {"said": ["a", "b", "c"]}


def test_a_copy_with_updates_has_them_as_results(saver: BaseCheckpointSaver) -> None:
    graph = fan(saver)
    graph.invoke({}, CONFIG)
    forked = next(shot for shot in history(graph) if shot.next == ("a", "b"))

    graph.update_state(
        forked.config, [StateUpdate({"said": ["b!"]}, "b"), StateUpdate({"said": ["a!"]}, "a")], "__copy__"
    )

    head, copy, *_ = history(graph)
    assert [task.result for task in copy.tasks] == [{"said": ["a!"]}, {"said": ["b!"]}]
    assert (copy.parent_config, source_of(copy)) == (forked.parent_config, "fork")
    assert (head.values, head.next, head.parent_config, source_of(head)) == (
        {"said": ["a!", "b!"]},
        ("join",),
        copy.config,
        "update",
    )


def test_an_input_can_arrive_by_hand_and_a_run_takes_it_in(saver: BaseCheckpointSaver) -> None:
    graph = line(saver)
    graph.invoke({"said": ["one"]}, CONFIG)

    graph.update_state(CONFIG, {"said": ["two"]}, "__input__")

    arrived = history(graph)[0]
    assert (arrived.next, arrived.values, source_of(arrived)) == (("__start__",), {"said": ["one", *"abc"]}, "input")
    assert graph.invoke(None, CONFIG) == {"said": ["one", *"abc", "two", *"abc"]}


def test_an_input_that_waits_is_replaced_and_not_added_to(saver: BaseCheckpointSaver) -> None:
    graph = line(saver)
    graph.update_state(CONFIG, {"said": ["one"]}, "__input__")

    graph.update_state(CONFIG, {"said": ["two"]}, "__start__")

    assert graph.get_state(CONFIG).values == {"said": ["two"]}
    assert [step_of(shot) for shot in history(graph)] == [0, -1]


def test_bulk_updates_have_an_asynchronous_form(saver: BaseCheckpointSaver) -> None:
    graph = line(saver)

    made = asyncio.run(graph.abulk_update_state(CONFIG, [[StateUpdate({"said": ["x"]}, "a")]]))

    assert graph.get_state(made).values == {"said": ["x"]}
