"""Command and Send: nodes and callers that say where to go."""

import operator
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import InvalidUpdateError
from treadle.graph import END, START, CompiledStateGraph, StateGraph
from treadle.types import Command, Send

CONFIG = {"thread_id": "t"}


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


def append(item: Any) -> Any:
    return lambda state: {"trail": [item]}


def graph_of(saver: BaseCheckpointSaver, first: Any, **others: Any) -> CompiledStateGraph:
    """Compile a graph that begins with ``first``, whose other nodes nothing but steering leads to."""
    builder = StateGraph(Trail)
    builder.add_node("first", first)
    builder.set_entry_point("first")
    for name, node in others.items():
        builder.add_node(name, node)
    return builder.compile(saver)


@pytest.mark.parametrize(
    ("returned", "trail"),
    [
        (Command(update={"trail": ["first"]}, goto="b"), ["first", "b"]),
        (Command(goto=["b", "a"]), ["a", "b"]),
        (Command(goto=END, update={"trail": ["end"]}), ["end"]),
        (Command(update=[("trail", ["one"]), ("trail", ["two"])]), ["one", "two"]),
        ([Command(goto="a"), {"trail": ["first"]}], ["first", "a"]),
        ([{"trail": [1]}, Command(update={"trail": [2]})], [1, 2]),
        (Command(goto="nowhere"), []),
        (Command(goto=[Send("a", {}), Send("a", {})]), ["a", "a"]),
    ],
)
def test_a_node_writes_and_says_where_to_go(saver: BaseCheckpointSaver, returned: Any, trail: list[Any]) -> None:
    graph = graph_of(saver, lambda state: returned, a=append("a"), b=append("b"))

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": trail}


def test_a_send_gives_its_step_a_state_of_its_own(saver: BaseCheckpointSaver) -> None:
    graph = graph_of(
        saver,
        lambda state: Command(goto=[Send("item", {"n": number}) for number in range(12)]),
        item=lambda arg: {"trail": [arg["n"]]},
    )

    assert graph.invoke({"trail": ["kept"]}, CONFIG) == {"trail": ["kept", *range(12)]}


def test_sends_are_steps_of_their_own_in_the_state(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail).add_node("item", append("item")).add_node("plain", append("plain"))
    builder.add_conditional_edges(START, lambda state: ["plain", Send("item", 1), Send("item", 2)])
    graph = builder.compile(saver, interrupt_before=["item"])
    graph.invoke({"trail": []}, CONFIG)

    state = graph.get_state(CONFIG)

    assert state.next == ("item", "item", "plain")
    assert [task.path for task in state.tasks] == [
        ("__pregel_push", 0, False),
        ("__pregel_push", 1, False),
        ("__pregel_pull", "plain"),
    ]
    assert graph.invoke(None, CONFIG) == {"trail": ["plain", "item", "item"]}


def test_a_map_of_a_thousand_is_reduced_in_the_order_in_which_it_was_sent(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail).add_node("item", lambda arg: {"trail": [arg]}).add_node("sum", lambda state: None)
    builder.add_conditional_edges(START, lambda state: [Send("item", number) for number in range(1000)])
    graph = builder.add_edge("item", "sum").compile(saver)

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": list(range(1000))}


def test_a_send_to_the_end_is_refused(saver: BaseCheckpointSaver) -> None:
    with pytest.raises(InvalidUpdateError, match="END"):
        graph_of(saver, lambda state: Command(goto=Send(END, {}))).invoke({"trail": []}, CONFIG)


def test_a_caller_may_write_and_steer_when_a_thread_goes_on(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail).add_sequence([("a", append("a")), ("b", append("b"))]).set_entry_point("a")
    graph = builder.add_node("extra", append("extra")).compile(saver, interrupt_before=["b"])
    graph.invoke({"trail": []}, CONFIG)

    output = graph.invoke(Command(update={"trail": ["mine"]}, goto="extra"), CONFIG)

    assert output == {"trail": ["a", "mine", "b", "extra"]}


def test_a_command_shows_what_was_given(saver: BaseCheckpointSaver) -> None:
    assert repr(Command(goto=Send(node="2", arg=3))) == "Command(goto=Send(node='2', arg=3))"
    assert repr(Command(update={"a": 1}, resume=False)) == "Command(update={'a': 1}, resume=False)"
