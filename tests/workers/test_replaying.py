"""Time travel with graphs inside of graphs: what runs again, what is asked again, and what the graphs inside knew."""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command, Send, StateSnapshot, interrupt

CONFIG = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    out: Any


class Own(TypedDict, total=False):
    own: Annotated[list[Any], operator.add]
    out: Any


class Out(TypedDict, total=False):
    out: Any


class Notes(list[str]):
    """What ran, in its order."""

    def node(self, name: str) -> Callable[[Any], Any]:
        def noted(state: Any) -> Any:
            self.append(name)
            return {"said": [name]} if name.isupper() else {"own": [name], "out": [*state.get("own", []), name]}

        return noted


def line(schema: Any, saver: Any, **nodes: Any) -> CompiledStateGraph:
    builder = StateGraph(schema)
    builder.add_sequence(list(nodes.items()))
    builder.add_edge(START, next(iter(nodes)))
    return builder.compile(saver)


def nested(saver: BaseCheckpointSaver, notes: Notes) -> CompiledStateGraph:
    """A graph in a graph in a graph, each with nodes before and after."""
    leaf = line(Own, None, a=notes.node("a"), b=notes.node("b"), c=notes.node("c"))
    middle = line(Own, None, x=notes.node("x"), leaf=leaf, y=notes.node("y"))
    return line(State, saver, A=notes.node("A"), middle=middle, B=notes.node("B"))


def shots(graph: CompiledStateGraph, config: dict[str, Any] = CONFIG) -> list[StateSnapshot]:
    return list(graph.get_state_history(config))


def due(graph: CompiledStateGraph, *nodes: str, config: dict[str, Any] = CONFIG) -> dict[str, Any]:
    """Return the config of the newest checkpoint at which nodes are due."""
    return next(shot.config for shot in shots(graph, config) if shot.next == nodes)


def below(graph: CompiledStateGraph, *way: str) -> dict[str, Any]:
    """Return the config of the frame to which nodes lead."""
    config = CONFIG
    for node in way:
        task = next(task for shot in shots(graph, config) for task in shot.tasks if task.name == node)
        assert isinstance(task.state, dict)
        config = task.state
    return config


def source_of(shot: StateSnapshot) -> Any:
    return shot.metadata and shot.metadata["source"]


def test_a_checkpoint_of_a_child_forks_the_parent_and_goes_on_into_it(saver: BaseCheckpointSaver) -> None:
    notes = Notes()
    graph = nested(saver, notes)
    output = graph.invoke({}, CONFIG)
    old, notes[:] = shots(graph), []

    replayed = graph.invoke(None, due(graph, "leaf", config=below(graph, "middle")))

    assert notes == ["a", "b", "c", "y", "B"]
    assert replayed == output
    fork = next(shot for shot in shots(graph) if source_of(shot) == "fork")
    assert fork.parent_config == next(shot.config for shot in old if shot.next == ("middle",))
    assert shots(graph)[-len(old) :] == old


def test_a_checkpoint_two_levels_down_forks_all_the_graphs_above(saver: BaseCheckpointSaver) -> None:
    notes = Notes()
    graph = nested(saver, notes)
    output = graph.invoke({}, CONFIG)
    old_frame = below(graph, "middle", "leaf")
    notes[:] = []

    replayed = graph.invoke(None, due(graph, "b", config=old_frame))

    assert notes == ["b", "c", "y", "B"]
    assert replayed == output
    new_frame = below(graph, "middle", "leaf")
    assert new_frame != old_frame
    assert [source_of(shot) for shot in shots(graph, new_frame)] == ["loop", "loop", "fork"]
    assert graph.get_state(new_frame).values == graph.get_state(old_frame).values


def test_the_last_checkpoint_of_a_child_goes_on_in_the_parent(saver: BaseCheckpointSaver) -> None:
    notes = Notes()
    graph = nested(saver, notes)
    output = graph.invoke({}, CONFIG)
    notes[:] = []

    replayed = graph.invoke(None, due(graph, config=below(graph, "middle")))

    assert (notes, replayed) == (["B"], output)


def test_the_first_checkpoint_of_a_child_takes_its_input_in_again(saver: BaseCheckpointSaver) -> None:
    notes = Notes()
    graph = nested(saver, notes)
    output = graph.invoke({}, CONFIG)
    notes[:] = []

    replayed = graph.invoke(None, due(graph, "__start__", config=below(graph, "middle")))

    assert (notes, replayed) == (["x", "a", "b", "c", "y", "B"], output)


def test_an_update_of_a_childs_old_checkpoint_can_be_gone_on_from(saver: BaseCheckpointSaver) -> None:
    notes = Notes()
    graph = nested(saver, notes)
    graph.invoke({}, CONFIG)
    notes[:] = []

    made = graph.update_state(due(graph, "b", config=below(graph, "middle", "leaf")), {"own": ["b by hand"]}, "b")
    graph.invoke(None, made)

    assert notes == ["c", "y", "B"]
    assert graph.get_state(below(graph, "middle", "leaf")).values["own"] == ["x", "a", "b by hand", "c"]


def test_of_tasks_side_by_side_only_the_one_that_is_named_begins_again_in_its_middle(
    saver: BaseCheckpointSaver,
) -> None:
    notes = Notes()
    child = line(Own, None, a=notes.node("a"), b=notes.node("b"))
    builder = StateGraph(State).add_node("child", child)
    builder.add_conditional_edges(START, lambda state: [Send("child", {"own": [1]}), Send("child", {"own": [2]})])
    graph = builder.compile(saver)
    with pytest.raises(Exception, match="At key 'out'"):
        graph.invoke({}, CONFIG)
    second = graph.get_state(CONFIG).tasks[1].state
    assert isinstance(second, dict)
    notes[:] = []

    with pytest.raises(Exception, match="At key 'out'"):
        graph.invoke(None, due(graph, "b", config=second))

    states = [graph.get_state(task.state).values["own"] for task in graph.get_state(CONFIG).tasks]
    assert states == [[1, "a", "b"], [2, "a", "b"]]
    assert sorted(notes) == ["a", "b", "b"]


def test_a_node_that_calls_a_graph_begins_again_and_the_graph_in_its_middle(saver: BaseCheckpointSaver) -> None:
    notes = Notes()
    child = line(Own, None, a=notes.node("a"), b=notes.node("b"))

    def body(state: Any) -> Any:
        notes.append("body")
        return {"said": child.invoke({})["own"]}

    graph = line(State, saver, body=body)
    graph.invoke({}, CONFIG)
    notes[:] = []

    output = graph.invoke(None, due(graph, "b", config=below(graph, "body")))

    assert (notes, output) == (["body", "b"], {"said": ["a", "b"]})


def asking(notes: Notes, keeps: bool | None = None) -> CompiledStateGraph:
    def ask(state: Any) -> Any:
        notes.append("ask")
        return {"own": [interrupt("Really?")]}

    builder = StateGraph(Own)
    builder.add_sequence([("a", notes.node("a")), ("ask", ask), ("b", notes.node("b"))])
    return builder.add_edge(START, "a").compile(keeps)


@pytest.mark.parametrize("keeps", [None, True], ids=["by call", "kept"])
def test_a_fork_inside_of_a_child_asks_again(saver: BaseCheckpointSaver, keeps: bool | None) -> None:
    notes = Notes()
    graph = line(State, saver, child=asking(notes, keeps), B=notes.node("B"))
    graph.invoke({}, CONFIG)
    first = graph.get_state(CONFIG).interrupts
    graph.invoke(Command(resume="yes"), CONFIG)
    notes[:] = []

    asked = graph.invoke(None, due(graph, "ask", config=below(graph, "child")))

    assert notes == ["ask"]
    (again,) = asked["__interrupt__"]
    assert (again.value, again.id != first[0].id) == ("Really?", True)
    graph.invoke(Command(resume="no"), CONFIG)
    assert notes == ["ask", "ask", "b", "B"]
    assert graph.get_state(below(graph, "child")).values["own"] == ["a", "no", "b"]


def test_what_finished_steps_of_the_old_run_wrote_is_not_used_on_a_fork(saver: BaseCheckpointSaver) -> None:
    notes = Notes()
    builder = StateGraph(State).add_node("A", notes.node("A")).add_node("asks", lambda state: {"out": interrupt("?")})
    graph = builder.add_edge(START, "A").add_edge(START, "asks").compile(saver)
    graph.invoke({}, CONFIG)

    graph.invoke(None, graph.get_state(CONFIG).config)

    assert notes == ["A", "A"]
    assert [task.result for task in graph.get_state(CONFIG).tasks] == [{"said": ["A"]}, None]


def test_a_fork_that_nobody_ran_to_its_end_still_knows_where_the_child_begins(saver: BaseCheckpointSaver) -> None:
    notes = Notes()
    graph = nested(saver, notes)
    output = graph.invoke({}, CONFIG)
    named = due(graph, "b", config=below(graph, "middle", "leaf"))
    client = saver.client
    started = client.start(graph.graph, graph._parsed(named), None)
    client.runs.cancel("t", started.run.id)
    notes[:] = []

    replayed = graph.invoke(None, CONFIG)

    assert (notes, replayed) == (["b", "c", "y", "B"], output)


def counting() -> CompiledStateGraph:
    """A graph that keeps its state: how often it was called."""
    return StateGraph(Own).add_node("count", _count).add_edge(START, "count").compile(True, name="counting")


def _count(state: Any) -> Any:
    called = len(state["own"])
    return {"own": [called], "out": called}


def as_node(child: CompiledStateGraph) -> Any:
    return child


def in_a_body(child: CompiledStateGraph) -> Any:
    return lambda state: {"out": child.invoke({})["out"]}


def in_a_graph_that_keeps_nothing(child: CompiledStateGraph) -> Any:
    return line(Out, None, inner=child)


def in_a_graph_that_keeps_its_state(child: CompiledStateGraph) -> Any:
    return line(Out, True, inner=child)


WAYS = pytest.mark.parametrize(
    "way", [as_node, in_a_body, in_a_graph_that_keeps_nothing, in_a_graph_that_keeps_its_state]
)


@WAYS
def test_a_graph_that_keeps_its_state_has_what_it_had_before_the_replayed_checkpoint(
    saver: BaseCheckpointSaver, way: Callable[[CompiledStateGraph], Any]
) -> None:
    graph = StateGraph(State).add_node("child", way(counting())).add_edge(START, "child").compile(saver)
    first, second, _ = (graph.invoke({}, CONFIG)["out"] for _ in range(3))
    before = [shot.config for shot in shots(graph) if shot.next == ("child",)]

    again = [graph.invoke(None, config)["out"] for config in reversed(before)]

    assert (first, second) == (0, 1)
    assert again == [0, 1, 2]


@WAYS
def test_later_runs_see_what_a_graph_kept_on_the_replayed_branch(
    saver: BaseCheckpointSaver, way: Callable[[CompiledStateGraph], Any]
) -> None:
    graph = StateGraph(State).add_node("child", way(counting())).add_edge(START, "child").compile(saver)
    for _ in range(3):
        graph.invoke({}, CONFIG)
    second = [shot.config for shot in shots(graph) if shot.next == ("child",)][1]

    graph.invoke(None, second)

    assert graph.invoke({}, CONFIG)["out"] == 2


@WAYS
def test_in_a_loop_a_graph_has_what_it_had_in_that_round(
    saver: BaseCheckpointSaver, way: Callable[[CompiledStateGraph], Any]
) -> None:
    builder = StateGraph(State).add_node("child", way(counting())).add_node("note", lambda s: {"said": [s["out"]]})
    builder.add_edge(START, "child").add_edge("child", "note")
    builder.add_conditional_edges("note", lambda state: "child" if len(state["said"]) < 3 else "__end__")
    graph = builder.compile(saver)
    output = graph.invoke({}, CONFIG)
    rounds = [shot.config for shot in shots(graph) if shot.next == ("child",)]

    replayed = [graph.invoke(None, config) for config in rounds]

    assert output == {"said": [0, 1, 2], "out": 2}
    assert replayed == [output, output, output]


def test_a_graph_that_keeps_nothing_starts_afresh_on_a_fork(saver: BaseCheckpointSaver) -> None:
    notes = Notes()
    graph = nested(saver, notes)
    output = graph.invoke({}, CONFIG)
    notes[:] = []

    assert graph.invoke(None, due(graph, "middle")) == output
    assert notes == ["x", "a", "b", "c", "y", "B"]


@pytest.mark.parametrize("which", [0, -1], ids=["the head", "an old one"])
def test_at_the_end_of_a_run_a_fork_runs_nothing(saver: BaseCheckpointSaver, which: int) -> None:
    notes = Notes()
    graph = line(State, saver, A=notes.node("A"))
    graph.invoke({}, CONFIG)
    graph.invoke({}, CONFIG)
    ends = [shot for shot in shots(graph) if not shot.next]
    before, notes[:] = shots(graph), []

    output = graph.invoke(None, ends[which].config)

    fork, *rest = shots(graph)
    assert (notes, output) == ([], ends[which].values)
    assert (source_of(fork), fork.values, fork.next) == ("fork", ends[which].values, ())
    assert (fork.parent_config, rest) == (ends[which].config, before)


def test_a_head_that_is_a_fork_is_gone_on_with_in_its_place(saver: BaseCheckpointSaver) -> None:
    graph = line(State, saver, A=Notes().node("A"), B=Notes().node("B"))
    graph.invoke({}, CONFIG)
    graph.update_state(due(graph, "B"), None, "__copy__")
    fork, *old = shots(graph)

    graph.invoke(None, fork.config)

    assert shots(graph)[1:] == [fork._replace(tasks=shots(graph)[1].tasks), *old]


def test_on_a_fork_all_questions_are_asked_again(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(State)
    for name in ("a", "b"):
        builder.add_node(name, lambda state, name=name: {"said": [interrupt(name)]}).add_edge(START, name)
    graph = builder.compile(saver)
    first, _ = graph.invoke({}, CONFIG)["__interrupt__"]
    graph.invoke(Command(resume={first.id: 1}), CONFIG)

    asked = graph.invoke(None, due(graph, "a", "b"))["__interrupt__"]

    assert [question.value for question in asked] == ["a", "b"]
