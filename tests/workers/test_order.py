"""What makes nodes due, in which order they take their turn, and where Commands and routers lead."""

import operator
import threading
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest

from tests.workers.lines import CONFIG
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import GraphRecursionError, InvalidUpdateError, ParentCommand
from treadle.func import entrypoint, task
from treadle.graph import END, START, StateGraph
from treadle.types import Command, Send


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    x: Any


def nodes(*names: str, **more: Callable[[Any], Any]) -> StateGraph:
    """Return a builder with nodes that log their names, and others as given."""
    builder = StateGraph(State)
    for name in names:
        builder.add_node(name, lambda _, name=name: {"log": [name]})
    for name, node in more.items():
        builder.add_node(name, node)
    return builder


def triggers(graph: Any, given: Any) -> dict[str, Any]:
    return {c["name"]: c["triggers"] for c in graph.stream(given, CONFIG, stream_mode="tasks") if "input" in c}


def test_a_node_names_all_that_can_trigger_it(saver: BaseCheckpointSaver) -> None:
    builder = nodes("r", "a", "b", "j").add_edge(START, "r").add_edge("r", "a").add_edge("r", "b")
    graph = builder.add_edge(["a", "b"], "j").add_edge("r", "j").compile(saver)

    assert triggers(graph, {}) == {
        "r": ("branch:to:r",),
        "a": ("branch:to:a",),
        "b": ("branch:to:b",),
        "j": ("branch:to:j", "join:a+b:j"),
    }


def test_entrypoints_and_tasks_have_triggers_of_their_own(saver: BaseCheckpointSaver) -> None:
    @task
    def add(number: int) -> int:
        return number + 1

    @entrypoint(checkpointer=saver)
    def work(number: int) -> int:
        return add(number).result()

    assert triggers(work, 1) == {"work": ("__start__",), "add": ("__pregel_push",)}


def test_a_join_fires_in_every_full_round_also_where_another_edge_has_triggered_its_node() -> None:
    builder = nodes("r", "a", "b", "j").add_edge(START, "r").add_edge("r", "a").add_edge("r", "b").add_edge("r", "j")
    builder.add_edge(["a", "b"], "j")
    builder.add_conditional_edges("j", lambda state: "r" if len(state["log"]) < 5 else END)

    assert builder.compile().invoke({})["log"] == [
        *["r", "a", "b", "j"],  # j by the edge from r
        *["j", "r"],  # j by the join, beside the next round
        *["a", "b", "j", "j"],
    ]


def test_a_deferred_node_waits_until_nothing_else_is_due() -> None:
    builder = nodes("a", "b", "c").add_node("last", lambda _: {"log": ["last"]}, defer=True)
    builder.add_edge(START, "a").add_edge("a", "last").add_edge("a", "b").add_edge("b", "c")

    assert builder.compile().invoke({})["log"] == ["a", "b", "c", "last"]


def test_a_snapshot_shows_sends_first_and_then_nodes_as_they_were_added(saver: BaseCheckpointSaver) -> None:
    builder = nodes("begin", "z", "b", "sent").add_edge(START, "begin")
    builder.add_conditional_edges("begin", lambda _: ["b", "z", Send("sent", {})])
    graph = builder.compile(saver, interrupt_after=["begin"])
    graph.invoke({}, CONFIG)

    state = graph.get_state(CONFIG)

    paths = [("__pregel_push", 0, False), ("__pregel_pull", "z"), ("__pregel_pull", "b")]
    assert state.next == tuple(task.name for task in state.tasks) == ("sent", "z", "b")
    assert [task.path for task in state.tasks] == paths
    assert [task.id for task in graph.get_state(CONFIG).tasks] == [task.id for task in state.tasks]


@pytest.mark.parametrize(("limit", "together"), [(None, True), (100, True), (99, False)])
def test_a_hundred_steps_run_at_a_time_unless_the_config_says_less(limit: int | None, together: bool) -> None:
    meeting = threading.Barrier(100)

    def node(_: Any) -> dict[str, Any]:
        try:
            return {"log": [meeting.wait(10 if together else 0.5) >= 0]}
        except threading.BrokenBarrierError:
            return {"log": [False]}

    graph = nodes(a=node).add_conditional_edges(START, lambda _: [Send("a", {}) for _ in range(100)]).compile()

    assert graph.invoke({}, {"max_concurrency": limit})["log"] == [together] * 100


def test_too_many_steps_leave_the_last_checkpoint_shown_and_saved(saver: BaseCheckpointSaver) -> None:
    graph = nodes("a").add_edge(START, "a").add_edge("a", "a").compile(saver)
    chunks: list[Any] = []

    with pytest.raises(GraphRecursionError):
        for chunk in graph.stream({}, {**CONFIG, "recursion_limit": 2}, stream_mode="values"):
            chunks.append(chunk)

    assert issubclass(GraphRecursionError, RecursionError)
    assert chunks[-1] == graph.get_state(CONFIG).values == {"log": ["a", "a"]}


@pytest.mark.parametrize(
    ("answer", "path_map", "log"),
    [
        ("b", None, ["a", "b"]),
        (END, None, ["a"]),
        (["b", Send("c", {})], None, ["a", "b", "c"]),
        ("yes", {"yes": "b", "no": END}, ["a", "b"]),
        ("b", ["b", END], ["a", "b"]),
        ("nowhere", None, ["a"]),
        (Send("nowhere", {}), None, ["a"]),
    ],
)
def test_a_router_leads_where_it_says(answer: Any, path_map: Any, log: list[str]) -> None:
    builder = nodes("a", "b", "c").add_edge(START, "a").add_conditional_edges("a", lambda _: answer, path_map)

    assert builder.compile().invoke({})["log"] == log


@pytest.mark.parametrize(
    ("answer", "path_map", "error"),
    [(None, None, ValueError), ("maybe", {"yes": "a"}, KeyError), (Send(END, {}), None, InvalidUpdateError)],
)
def test_a_router_that_leads_nowhere_is_the_nodes_failure(answer: Any, path_map: Any, error: type[Exception]) -> None:
    builder = nodes("a").add_edge(START, "a").add_conditional_edges("a", lambda _: answer, path_map)

    with pytest.raises(error):
        builder.compile().invoke({})


@pytest.mark.parametrize("goto", ["nowhere", Send("nowhere", {})])
def test_a_command_to_an_unknown_node_writes_and_leads_nowhere(goto: Any) -> None:
    graph = nodes(a=lambda _: Command(goto=goto, update={"x": 1})).add_edge(START, "a").compile()

    assert graph.invoke({}) == {"log": [], "x": 1}


def test_a_command_as_input_is_applied_before_the_next_step(saver: BaseCheckpointSaver) -> None:
    graph = nodes("a", b=lambda state: {"log": ["b", state["x"]]}).add_edge(START, "a").compile(saver)
    graph.invoke({"x": 0}, CONFIG)

    output = graph.invoke(Command(goto="b", update={"x": 7}), CONFIG)

    assert output == {"log": ["a", "b", 7], "x": 7}


def test_a_command_for_the_parent_of_the_root_is_raised_with_itself() -> None:
    command = Command(graph=Command.PARENT, update={"x": 1})

    with pytest.raises(ParentCommand) as raised:
        nodes(a=lambda _: command).add_edge(START, "a").compile().invoke({})

    assert raised.value.args[0] == command
