"""The shapes of streams: what each mode shows of a run, in which order, in both versions."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel

from tests.workers.lines import CONFIG, single
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command, Send, interrupt


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    x: Any
    y: Any


def one(node: Callable[..., Any], state: Any = State, saver: Any = None) -> CompiledStateGraph:
    return single(saver, node, state)


def twice(saver: Any = None) -> CompiledStateGraph:
    """Two nodes, of which the second writes one key only."""
    builder = StateGraph(State).add_node("a", lambda _: {"x": 1, "y": 1}).add_node("b", lambda _: {"y": 2})
    return builder.add_edge(START, "a").add_edge("a", "b").compile(saver)


def writes(update: Any) -> Callable[[Any], Any]:
    return lambda state: update


UPDATES: list[tuple[Any, Any]] = [
    (None, None),
    ({}, None),
    ({"unknown": 1}, None),
    (Command(update={}), None),
    ({"x": 2, "y": 3}, {"x": 2, "y": 3}),
    ([Command(update={"log": [1]}), {"x": 2}], {"log": [1], "x": 2}),
    ([Command(update={"log": [1], "x": 4}), {"log": [2]}], [{"log": [1]}, {"x": 4}, {"log": [2]}]),
    (Command(update=[("log", [1]), ("log", [2])]), [{"log": [1]}, {"log": [2]}]),
]


@pytest.mark.parametrize(("returned", "shown"), UPDATES)
def test_updates_show_what_was_written_by_node(returned: Any, shown: Any) -> None:
    assert list(one(writes(returned)).stream({"x": 0})) == [{"node": shown}]


@pytest.mark.parametrize("returned", [None, {}, {"unknown": 1}, Command(update={})])
def test_a_step_that_writes_nothing_shows_no_values(returned: Any) -> None:
    assert list(one(writes(returned)).stream({"x": 0}, stream_mode="values")) == [{"log": [], "x": 0}]


def test_the_updates_of_sends_to_one_node_are_chunks_of_their_own() -> None:
    builder = StateGraph(State).add_node("a", lambda item: {"log": [item]})
    graph = builder.add_conditional_edges(START, lambda _: [Send("a", 1), Send("a", 2)]).compile()

    chunks = list(graph.stream({"x": 0}))

    assert sorted(chunks, key=str) == [{"a": {"log": [1]}}, {"a": {"log": [2]}}]


SHAPES: list[tuple[dict[str, Any], list[Any]]] = [
    ({}, [{"node": {"x": 1}}]),
    ({"stream_mode": "updates"}, [{"node": {"x": 1}}]),
    ({"stream_mode": ["updates"]}, [("updates", {"node": {"x": 1}})]),
    ({"subgraphs": True}, [((), {"node": {"x": 1}})]),
    ({"stream_mode": ["updates"], "subgraphs": True}, [((), "updates", {"node": {"x": 1}})]),
    ({"stream_mode": "custom"}, []),
    ({"stream_mode": "tools"}, []),
    ({"stream_mode": "not a mode"}, []),
    ({"stream_mode": "checkpoints"}, []),
]


@pytest.mark.parametrize(("options", "chunks"), SHAPES)
def test_a_chunk_is_bare_or_after_its_mode_and_its_namespace(options: dict[str, Any], chunks: list[Any]) -> None:
    assert list(one(writes({"x": 1})).stream({"x": 0}, **options)) == chunks


@pytest.mark.parametrize(("mode", "chunks"), [(shape["stream_mode"], chunks) for shape, chunks in SHAPES[1:3]])
def test_invoke_with_another_mode_returns_the_chunks(mode: Any, chunks: list[Any]) -> None:
    assert one(writes({"x": 1})).invoke({"x": 0}, stream_mode=mode) == chunks


def test_the_namespace_of_a_chunk_names_nodes_and_tasks() -> None:
    graph = single(None, one(writes({"x": 1})), State)

    namespaces = [ns for ns, _ in graph.stream({"x": 0}, subgraphs=True)]

    assert [len(ns) for ns in namespaces] == [1, 0]
    assert namespaces[0][0].startswith("node:")


@pytest.mark.parametrize(
    ("keys", "mode", "chunks"),
    [
        ("x", "values", [0, 1]),
        (["x"], "values", [{"x": 0}, {"x": 1}]),
        ("x", "updates", [{"a": 1}, {"b": None}]),
        (["x"], "updates", [{"a": {"x": 1}}, {"b": None}]),
    ],
)
def test_output_keys_narrow_a_stream(keys: Any, mode: str, chunks: list[Any]) -> None:
    assert list(twice().stream({"x": 0}, stream_mode=mode, output_keys=keys)) == chunks


def test_output_schemas_narrow_the_output_and_no_stream() -> None:
    class Output(TypedDict):
        y: int

    builder = StateGraph(State, output_schema=Output).add_node("a", writes({"x": 1, "y": 2})).add_edge(START, "a")

    assert builder.compile().invoke({"x": 0}) == {"y": 2}
    assert list(builder.compile().stream({"x": 0}, stream_mode="values"))[-1] == {"log": [], "x": 1, "y": 2}


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        ({"x": 1}, {"x": 1}),
        (None, {}),
        (Command(update=[("log", [1]), ("log", [2])]), {"log": {"$writes": [[1], [2]]}}),
    ],
)
def test_a_task_shows_its_start_and_its_end(returned: Any, result: Any) -> None:
    start, end = one(writes(returned)).stream({"x": 0}, stream_mode="tasks")

    id_ = start["id"]
    assert start == {"id": id_, "name": "node", "input": {"log": [], "x": 0}, "triggers": ("branch:to:node",)}
    assert end == {"id": id_, "name": "node", "error": None, "result": result, "interrupts": []}


def test_the_task_of_a_bare_state_shows_it_under_a_key() -> None:
    graph = one(lambda state: [len(state)], Annotated[list[int], operator.add])

    assert [chunk["result"] for chunk in graph.stream([7], stream_mode="tasks") if "result" in chunk] == [
        {"__root__": [1]}
    ]


def test_a_task_that_asks_shows_its_questions_as_dicts(saver: BaseCheckpointSaver) -> None:
    graph = one(lambda state: {"x": interrupt("sure?")}, saver=saver)

    end = list(graph.stream({"x": 0}, CONFIG, stream_mode="tasks"))[-1]

    (question,) = graph.get_state(CONFIG).interrupts
    assert (end["result"], end["error"]) == ({}, None)
    assert end["interrupts"] == [{"value": "sure?", "id": question.id, "response_schema": None}]


def test_a_task_that_fails_shows_its_error_before_the_run_raises() -> None:
    chunks: list[Any] = []

    with pytest.raises(ValueError, match="no"):
        for chunk in one(lambda state: int("no")).stream({"x": 0}, stream_mode="tasks"):
            chunks.append(chunk)

    assert isinstance(chunks[-1]["error"], ValueError)


def test_tasks_are_shown_as_they_start_sends_first_then_nodes_by_name(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(State).add_node("begin", writes(None)).add_edge(START, "begin")
    for name in ("z", "b", "m", "c"):
        builder.add_node(name, lambda given, name=name: {"log": [given if isinstance(given, int) else name]})
    builder.add_conditional_edges("begin", lambda _: ["z", Send("m", 1), "b", Send("c", 2), Send("m", 3)])
    graph = builder.compile(saver)

    chunks = list(graph.stream({"x": 0}, CONFIG, stream_mode=["tasks", "checkpoints"]))

    names = ["m", "c", "m", "b", "z"]
    checkpoint = next(chunk for mode, chunk in chunks if mode == "checkpoints" and chunk["metadata"]["step"] == 1)
    assert [chunk["name"] for mode, chunk in chunks if mode == "tasks" and "input" in chunk] == ["begin", *names]
    assert (checkpoint["next"], [task["name"] for task in checkpoint["tasks"]]) == (names, names)
    assert [shot.next for shot in graph.get_state_history(CONFIG)][1] == ("m", "c", "m", "z", "b")
    assert graph.get_state(CONFIG).values["log"] == ["b", "z", 1, 2, 3]


def test_without_a_checkpointer_no_checkpoints_are_shown() -> None:
    assert [chunk["type"] for chunk in twice().stream({"x": 0}, stream_mode="debug")] == ["task", "task_result"] * 2


def test_debug_shows_when_and_at_which_step(saver: BaseCheckpointSaver) -> None:
    chunks = list(one(writes({"x": 1}), saver=saver).stream({"x": 0}, CONFIG, stream_mode="debug"))

    kinds = ["checkpoint", "checkpoint", "task", "task_result", "checkpoint"]
    assert [(chunk["step"], chunk["type"]) for chunk in chunks] == list(zip((-1, 0, 1, 1, 1), kinds, strict=True))
    assert all(chunk.keys() == {"step", "timestamp", "type", "payload"} for chunk in chunks)


def test_a_run_that_goes_on_shows_the_checkpoint_from_which_it_does(saver: BaseCheckpointSaver) -> None:
    graph = one(lambda state: {"x": interrupt("sure?")}, saver=saver)
    graph.invoke({"x": 0}, CONFIG)

    modes = ["values", "updates", "tasks", "checkpoints"]
    chunks = list(graph.stream(Command(resume=1), CONFIG, stream_mode=modes))

    assert [mode for mode, _ in chunks] == [
        *["values", "checkpoints", "tasks", "updates", "tasks", "values", "checkpoints"]
    ]
    assert (chunks[0][1], chunks[1][1]["next"]) == ({"log": [], "x": 0}, ["node"])


# Version 2


class Model(BaseModel):
    a: int
    b: str


@dataclass
class Record:
    a: int
    b: str


@pytest.mark.parametrize("kind", [Model, Record])
@pytest.mark.parametrize("mode", ["checkpoints", "debug"])
def test_the_values_of_checkpoints_are_instances_once_they_are_complete(kind: Any, mode: str) -> None:
    graph = one(writes({"b": "B"}), kind, MemorySaver())

    parts = list(graph.stream({"a": 1, "b": "x"}, CONFIG, stream_mode=[mode], version="v2"))

    shown = [part["data"].get("payload", part["data"]) for part in parts]
    values = [one["values"] for one in shown if "values" in one]
    assert values == [{}, kind(a=1, b="x"), kind(a=1, b="B")]


@pytest.mark.parametrize("kind", [Model, Record])
def test_values_and_outputs_are_instances_and_updates_stay_dicts(kind: Any) -> None:
    graph = one(writes({"b": "B"}), kind)

    output = graph.invoke({"a": 1, "b": "x"}, version="v2")
    parts = list(graph.stream({"a": 1, "b": "x"}, stream_mode=["values", "updates"], version="v2"))

    assert (output.value, output["b"], "__interrupt__" in output) == (kind(a=1, b="B"), "B", False)
    assert [part["data"] for part in parts] == [kind(a=1, b="x"), {"node": {"b": "B"}}, kind(a=1, b="B")]


@pytest.mark.parametrize("subgraphs", [False, True])
def test_every_part_has_its_type_its_namespace_and_its_data(subgraphs: bool) -> None:
    graph = one(writes({"x": 1}))

    parts = list(graph.stream({"x": 0}, stream_mode=["values", "updates"], version="v2", subgraphs=subgraphs))

    assert [(part["type"], part["ns"]) for part in parts] == [("values", ()), ("updates", ()), ("values", ())]
    assert [part.get("interrupts") for part in parts] == [(), None, ()]


def test_open_questions_stand_beside_the_values(saver: BaseCheckpointSaver) -> None:
    graph = one(lambda state: {"x": interrupt("sure?")}, saver=saver)

    output = graph.invoke({"x": 0}, CONFIG, version="v2")
    parts = list(graph.stream(None, CONFIG, stream_mode="values", version="v2"))

    assert output["__interrupt__"] == output.interrupts == parts[-1]["interrupts"]
    assert output.value == parts[-1]["data"] == {"log": [], "x": 0}


def test_invoke_with_another_mode_returns_parts() -> None:
    (part,) = one(writes({"x": 1})).invoke({"x": 0}, stream_mode="updates", version="v2")

    assert (part["type"], part["data"]) == ("updates", {"node": {"x": 1}})
