"""Graphs inside of graphs, as a person reads and writes them: snapshots of frames, and updates inside of a pause."""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import InvalidUpdateError
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command, StateSnapshot, interrupt

CONFIG = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]


class Own(TypedDict, total=False):
    own: Annotated[list[Any], operator.add]


def says(name: str) -> Callable[[Any], Any]:
    return lambda state: {"said": [name]}


def asks(state: Any) -> Any:
    return {"own": [interrupt("Really?")]}


def inner(keeps: bool | None = None) -> CompiledStateGraph:
    """A graph with keys of its own, that says something, and then asks."""
    builder = StateGraph(Own)
    builder.add_sequence([("first", lambda state: {"own": ["first"]}), ("ask", asks)])
    builder.add_edge(START, "first")
    return builder.compile(keeps, name="inner")


def outer(keeps: bool | None = None, of_inner: bool | None = None) -> CompiledStateGraph:
    builder = StateGraph(State)
    builder.add_sequence([("inner", inner(of_inner)), ("said", says("outer"))])
    return builder.add_edge(START, "inner").compile(keeps, name="outer")


def root(saver: BaseCheckpointSaver, child: Any) -> CompiledStateGraph:
    builder = StateGraph(State)
    builder.add_sequence([("before", says("before")), ("child", child), ("end", says("end"))])
    return builder.add_edge(START, "before").compile(saver)


def calling(child: CompiledStateGraph) -> Callable[[Any], Any]:
    """Return a node that calls a graph in its body."""
    return lambda state: {"said": child.invoke({})["own"]}


def config_of(snapshot: StateSnapshot, index: int = 0) -> dict[str, Any]:
    state = snapshot.tasks[index].state
    assert isinstance(state, dict)
    return state


def snapshot_of(snapshot: StateSnapshot, index: int = 0) -> StateSnapshot:
    state = snapshot.tasks[index].state
    assert isinstance(state, StateSnapshot)
    return state


def source_and_step(snapshot: StateSnapshot) -> tuple[str, int]:
    assert snapshot.metadata is not None
    return snapshot.metadata["source"], snapshot.metadata["step"]


def id_of(snapshot: StateSnapshot) -> str:
    return str(snapshot.config["configurable"]["checkpoint_id"])


def ns_of(config: dict[str, Any]) -> str:
    return str(config["configurable"]["checkpoint_ns"])


CHILDREN = pytest.mark.parametrize("child", [inner(), calling(inner())], ids=["as a node", "called in a body"])


@CHILDREN
def test_the_task_of_a_graph_names_its_frame(saver: BaseCheckpointSaver, child: Any) -> None:
    graph = root(saver, child)
    graph.invoke({}, CONFIG)

    head = graph.get_state(CONFIG)

    (task,) = head.tasks
    assert task.state == {"configurable": {"thread_id": "t", "checkpoint_ns": f"child:{task.id}"}}
    assert [question.value for question in head.interrupts] == ["Really?"]
    assert [task.state for shot in graph.get_state_history(CONFIG) for task in shot.tasks] == [task.state, None, None]


@CHILDREN
def test_a_frame_is_read_by_its_config_and_as_a_part_of_its_parent(saver: BaseCheckpointSaver, child: Any) -> None:
    graph = root(saver, child)
    graph.invoke({}, CONFIG)
    head = graph.get_state(CONFIG)
    ns = ns_of(config_of(head))

    below = graph.get_state(config_of(head))

    assert (below.values, below.next) == ({"own": ["first"]}, ("ask",))
    assert below.interrupts == head.interrupts
    assert below.metadata == {"source": "loop", "step": 1, "parents": {"": id_of(head)}}
    assert below.config == {
        "configurable": {
            "thread_id": "t",
            "checkpoint_ns": ns,
            "checkpoint_id": id_of(below),
            "checkpoint_map": {"": id_of(head), ns: id_of(below)},
        }
    }
    assert graph.get_state(CONFIG, subgraphs=True) == head._replace(tasks=(head.tasks[0]._replace(state=below),))


def test_the_history_of_a_frame_is_its_own(saver: BaseCheckpointSaver) -> None:
    graph = root(saver, inner())
    graph.invoke({}, CONFIG)
    config = config_of(graph.get_state(CONFIG))

    shots = list(graph.get_state_history(config))

    assert [(shot.next, *source_and_step(shot)) for shot in shots] == [
        (("ask",), "loop", 1),
        (("first",), "loop", 0),
        (("__start__",), "input", -1),
    ]
    assert [shot.parent_config for shot in shots] == [shots[1].config, shots[2].config, None]
    assert list(graph.get_state_history(config, limit=1)) == shots[:1]
    assert list(graph.get_state_history(config, before=shots[0].config)) == shots[1:]
    assert list(graph.get_state_history(config, filter={"source": "input"})) == shots[2:]
    assert [graph.get_state(shot.config) for shot in shots] == shots


@pytest.mark.parametrize(
    ("kept", "way"), [(None, ("child:", "|inner:")), (True, ("child", "|inner"))], ids=["by call", "kept"]
)
def test_snapshots_reach_every_depth(saver: BaseCheckpointSaver, kept: bool | None, way: tuple[str, str]) -> None:
    graph = root(saver, outer(kept, kept))
    graph.invoke({}, CONFIG)

    head = graph.get_state(CONFIG, subgraphs=True)

    middle = snapshot_of(head)
    leaf = snapshot_of(middle)
    assert (middle.next, leaf.values, leaf.next) == (("inner",), {"own": ["first"]}, ("ask",))
    middle_ns, leaf_ns = ns_of(middle.config), ns_of(leaf.config)
    assert middle_ns.startswith(way[0])
    assert leaf_ns.startswith(middle_ns + way[1])
    assert leaf.metadata is not None
    assert leaf.metadata["parents"] == {"": id_of(head), middle_ns: id_of(middle)}
    assert leaf.config["configurable"]["checkpoint_map"] == {**leaf.metadata["parents"], leaf_ns: id_of(leaf)}
    assert [question.value for question in head.interrupts] == ["Really?"]


def test_a_graph_that_was_not_called_yet_has_no_state(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(State).add_node("child", inner()).add_edge(START, "child")
    graph = builder.compile(saver, interrupt_before=["child"])
    graph.invoke({}, CONFIG)

    below = snapshot_of(graph.get_state(CONFIG, subgraphs=True))

    config = config_of(graph.get_state(CONFIG))
    assert below == StateSnapshot({}, (), config, None, None, None, ())
    with pytest.raises(InvalidUpdateError, match="has not been called yet"):
        graph.update_state(config, {"own": ["x"]}, "first")


def test_a_graph_without_state_is_not_told_of(saver: BaseCheckpointSaver) -> None:
    graph = root(saver, outer(False))
    graph.invoke({}, CONFIG)

    assert graph.get_state(CONFIG).tasks[0].state is None


def test_a_frame_that_is_not_declared_is_read_by_its_parents_keys_and_not_written(saver: BaseCheckpointSaver) -> None:
    hidden = {"child": outer()}
    graph = root(saver, lambda state: {"said": hidden["child"].invoke({})["said"]})
    graph.invoke({}, CONFIG)
    (task,) = graph.get_state(CONFIG).tasks
    config = {"configurable": {"thread_id": "t", "checkpoint_ns": f"child:{task.id}"}}

    below = graph.get_state(config)

    assert (task.state, below.values, below.next) == (None, {"said": []}, ("inner",))
    with pytest.raises(ValueError, match=rf"Subgraph child:{task.id} not found"):
        graph.update_state(config, {"said": ["x"]}, "said")


def test_a_state_that_is_updated_inside_of_a_pause_is_gone_on_with(saver: BaseCheckpointSaver) -> None:
    graph = root(saver, outer())
    graph.invoke({}, CONFIG)
    config = snapshot_of(graph.get_state(CONFIG, subgraphs=True)).config

    made = graph.update_state(config, {"said": ["by hand"]}, "inner")

    below = snapshot_of(graph.get_state(CONFIG, subgraphs=True))
    assert (below.values["said"], below.next, below.config) == (["before", "by hand"], ("said",), made)
    assert source_and_step(below) == ("update", 1)
    assert below.parent_config == config
    assert graph.threads.get("t").status == "paused"
    assert graph.invoke(None, CONFIG) == {"said": ["before", "before", "by hand", "outer", "end"]}


@CHILDREN
def test_the_question_of_a_child_is_asked_again_after_an_update_of_its_state(
    saver: BaseCheckpointSaver, child: Any
) -> None:
    graph = root(saver, child)
    graph.invoke({}, CONFIG)

    graph.update_state(config_of(graph.get_state(CONFIG)), {"own": ["by hand"]}, "first")
    graph.invoke(None, CONFIG)

    assert snapshot_of(graph.get_state(CONFIG, subgraphs=True)).values == {"own": ["first", "by hand"]}
    assert [question.value for question in graph.get_state(CONFIG).interrupts] == ["Really?"]
    graph.invoke(Command(resume="yes"), CONFIG)
    assert graph.get_state(CONFIG).next == ()


def counting() -> CompiledStateGraph:
    """A graph that keeps its state: how often it was called."""
    builder = StateGraph(Own).add_node("count", lambda state: {"own": [len(state["own"])]}).add_edge(START, "count")
    return builder.compile(True, name="counting")


def test_the_state_that_a_graph_keeps_can_be_updated_while_it_rests(saver: BaseCheckpointSaver) -> None:
    graph = root(saver, counting())
    graph.invoke({}, CONFIG)
    kept = {"configurable": {"thread_id": "t", "checkpoint_ns": "child"}}

    graph.update_state(kept, {"own": ["by hand"]}, "count")
    graph.invoke({}, CONFIG)

    assert graph.get_state(kept).values == {"own": [0, "by hand", 2]}
    assert graph.threads.get("t").status == "idle"


@pytest.mark.parametrize("child", [counting(), calling(counting())], ids=["as a node", "called in a body"])
def test_a_graph_keeps_its_state_over_runs(saver: BaseCheckpointSaver, child: Any) -> None:
    graph = root(saver, child)

    for _ in range(3):
        graph.invoke({}, CONFIG)

    assert graph.get_state({"configurable": {"thread_id": "t", "checkpoint_ns": "child"}}).values == {"own": [0, 1, 2]}


def test_a_graph_keeps_its_state_inside_of_one_that_does_not(saver: BaseCheckpointSaver) -> None:
    middle = StateGraph(State).add_node("inner", counting()).add_edge(START, "inner").compile()
    graph = root(saver, middle)

    for _ in range(3):
        graph.invoke({}, CONFIG)

    kept = {"configurable": {"thread_id": "t", "checkpoint_ns": "child|inner"}}
    assert graph.get_state(kept).values == {"own": [0, 1, 2]}


def test_a_graph_that_pauses_before_its_first_node_pauses_its_parent(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(State).add_node("first", says("first")).add_edge(START, "first")
    graph = root(saver, builder.compile(interrupt_before=["first"]))

    paused = graph.invoke({}, CONFIG)

    assert (paused, snapshot_of(graph.get_state(CONFIG, subgraphs=True)).next) == ({"said": ["before"]}, ("first",))
    assert graph.invoke(None, CONFIG) == {"said": ["before", "before", "first", "end"]}
