"""What history shows of runs by their durability: all of their checkpoints, or where they ended."""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import InvalidConfig
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command, StateSnapshot, interrupt

CONFIG = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]


class Own(TypedDict, total=False):
    own: Annotated[list[Any], operator.add]


def says(name: str) -> Callable[[Any], Any]:
    return lambda state: {"said": [name]}


def fails(state: Any) -> None:
    raise ZeroDivisionError


def line(saver: BaseCheckpointSaver, **nodes: Any) -> CompiledStateGraph:
    builder = StateGraph(State)
    builder.add_sequence(list(nodes.items()))
    return builder.add_edge(START, next(iter(nodes))).compile(saver)


def shots(graph: CompiledStateGraph, config: Any = CONFIG, **options: Any) -> list[StateSnapshot]:
    return list(graph.get_state_history(config, **options))


@pytest.mark.parametrize("durability", [None, "sync", "async"])
def test_history_shows_every_checkpoint_of_a_run(saver: BaseCheckpointSaver, durability: Any) -> None:
    graph = line(saver, a=says("a"), b=says("b"))

    graph.invoke({}, CONFIG, durability=durability)

    assert [shot.next for shot in shots(graph)] == [(), ("b",), ("a",), ("__start__",)]


def test_with_exit_history_shows_where_each_run_ended(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, a=says("a"), b=says("b"))

    for value in ("one", "two"):
        graph.invoke({"said": [value]}, CONFIG, durability="exit")

    newest, first = shots(graph)
    assert (newest.values, first.values) == ({"said": ["one", *"ab", "two", *"ab"]}, {"said": ["one", *"ab"]})
    assert (newest.parent_config, first.parent_config) == (first.config, None)
    assert (graph.get_state(CONFIG), graph.get_state(first.config)) == (newest, first)
    assert shots(graph, limit=1) == [newest]
    assert shots(graph, filter={"source": "input"}) == []


def test_runs_of_both_kinds_share_a_history(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, a=says("a"))
    graph.invoke({}, CONFIG)
    graph.invoke({}, CONFIG, durability="exit")
    graph.invoke({}, CONFIG)

    history = shots(graph)

    assert [shot.metadata["step"] for shot in history if shot.metadata] == [7, 6, 5, 4, 1, 0, -1]
    assert [shot.parent_config for shot in history] == [*(shot.config for shot in history[1:]), None]


def test_with_exit_a_run_that_failed_shows_where_it_failed_and_can_be_gone_on_with(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, a=says("a"), b=fails)

    with pytest.raises(ZeroDivisionError):
        graph.invoke({}, CONFIG, durability="exit")

    (shot,) = shots(graph)
    assert (shot.values, shot.next, shot.parent_config) == ({"said": ["a"]}, ("b",), None)
    assert line(saver, a=says("a"), b=says("b")).invoke(None, CONFIG) == {"said": ["a", "b"]}


def test_with_exit_an_interrupted_run_shows_where_it_asks(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, a=says("a"), b=lambda state: {"said": [interrupt("?")]})
    graph.invoke({}, CONFIG, durability="exit")

    graph.invoke(Command(resume="yes"), CONFIG, durability="exit")

    ended, asked = shots(graph)
    assert (asked.next, asked.parent_config) == (("b",), None)
    assert (ended.values, ended.parent_config) == ({"said": ["a", "yes"]}, asked.config)


@pytest.mark.parametrize("keeps", [None, True], ids=["by call", "kept"])
def test_with_exit_a_graph_inside_shows_only_where_it_asks(saver: BaseCheckpointSaver, keeps: bool | None) -> None:
    builder = StateGraph(Own)
    builder.add_sequence([("a", lambda state: {"own": ["a"]}), ("b", lambda state: {"own": [interrupt("?")]})])
    graph = line(saver, child=builder.add_edge(START, "a").compile(keeps))
    graph.invoke({}, CONFIG, durability="exit")
    config = graph.get_state(CONFIG).tasks[0].state

    asked = shots(graph, config)
    graph.invoke(Command(resume="yes"), CONFIG, durability="exit")

    assert [(shot.next, shot.parent_config) for shot in asked] == [(("b",), None)]
    assert shots(graph, config) == [asked[0]._replace(tasks=shots(graph, config)[0].tasks)]


def test_with_exit_a_graph_inside_that_ended_shows_nothing(saver: BaseCheckpointSaver) -> None:
    child = StateGraph(Own).add_node("a", lambda state: {"own": ["a"]}).add_edge(START, "a").compile(True)
    graph = line(saver, child=child)

    graph.invoke({}, CONFIG, durability="exit")

    config = {"configurable": {"thread_id": "t", "checkpoint_ns": "child"}}
    assert (shots(graph, config), graph.get_state(config).values) == ([], {"own": ["a"]})


def test_with_exit_the_debug_stream_shows_every_step(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, a=says("a"), b=says("b"))

    parts = list(graph.stream({}, CONFIG, stream_mode="debug", durability="exit"))

    assert [part["step"] for part in parts if part["type"] == "checkpoint"] == [-1, 0, 1, 2]


def test_a_durability_that_is_not_known_is_refused(saver: BaseCheckpointSaver) -> None:
    with pytest.raises(InvalidConfig, match="durability is 'async' or 'sync' or 'exit', got 'never'"):
        line(saver, a=says("a")).invoke({}, CONFIG, durability="never")
