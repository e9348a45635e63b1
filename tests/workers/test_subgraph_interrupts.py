"""Questions and breakpoints inside of graphs inside of graphs: they come up, and the answers go down."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.errors import AmbiguousAnswer
from treadle.graph import START, StateGraph
from treadle.types import Command, Send, interrupt

from .nests import CONFIG, Trail, asked, chain, says, side_by_side


def asks(*questions: Any) -> Any:
    """Return a node that asks, and writes what it was answered."""
    return lambda state: {"trail": [interrupt(question) for question in questions]}


@pytest.mark.parametrize("keeps", [None, True, False])
@pytest.mark.parametrize("called", ["node", "body"])
@pytest.mark.parametrize("depth", [1, 3])
def test_a_question_comes_up_and_its_answer_goes_down(
    saver: BaseCheckpointSaver, keeps: bool | None, called: str, depth: int
) -> None:
    child: Any = asks("name?")
    for _ in range(depth):
        inner = chain(keeps, ask=child)
        child = inner if called == "node" else lambda state, inner=inner: inner.invoke({"trail": []})
    graph = chain(saver, child=child, after=says("after"))

    paused = graph.invoke({"trail": []}, CONFIG)
    again = graph.invoke(None, CONFIG)
    output = graph.invoke(Command(resume="ada"), CONFIG)

    assert list(asked(paused)) == list(asked(again)) == ["name?"]
    assert output == {"trail": ["ada", "after"]}


def test_a_graph_asks_one_question_after_the_other(saver: BaseCheckpointSaver) -> None:
    ran: list[str] = []
    child = chain(first=asks("1?", "2?"), between=lambda state: ran.append("between"), second=asks("3?"))
    graph = chain(saver, child=chain(inside=child))

    outputs = [graph.invoke({"trail": []}, CONFIG), *(graph.invoke(Command(resume=n), CONFIG) for n in (1, 2, 3))]

    assert [list(asked(output)) for output in outputs[:3]] == [["1?"], ["2?"], ["3?"]]
    assert outputs[3] == {"trail": [1, 2, 3]}
    assert ran == ["between"]


def test_two_questions_in_one_graph_are_answered_by_id_in_any_number_of_turns(saver: BaseCheckpointSaver) -> None:
    graph = chain(saver, child=side_by_side(a=asks("a?"), b=asks("b?")))
    ids = asked(graph.invoke({"trail": []}, CONFIG))
    with pytest.raises(AmbiguousAnswer, match="multiple pending interrupts"):
        graph.invoke(Command(resume="both"), CONFIG)

    some = graph.invoke(Command(resume={ids["b?"]: 2}), CONFIG)
    output = graph.invoke(Command(resume={ids["a?"]: 1}), CONFIG)

    assert asked(some) == {"a?": ids["a?"]}
    assert output == {"trail": [1, 2]}


def test_two_graphs_side_by_side_ask_each_their_own(saver: BaseCheckpointSaver) -> None:
    ran: list[str] = []
    work = chain(work=lambda state: ran.append("work"))
    graph = side_by_side(saver, left=chain(ask=asks("left?")), right=chain(ask=asks("right?")), work=work)
    ids = asked(graph.invoke({"trail": []}, CONFIG))

    some = graph.invoke(Command(resume={ids["right?"]: "r"}), CONFIG)
    output = graph.invoke(Command(resume={ids["left?"]: "l"}), CONFIG)

    assert list(asked(some)) == ["left?"]
    assert output == {"trail": ["l", "r"]}
    assert ran == ["work"]


def test_the_sends_to_a_graph_ask_each_their_own(saver: BaseCheckpointSaver) -> None:
    child = chain(ask=lambda state: {"trail": [interrupt(state["trail"][0])]})
    builder = StateGraph(Trail).add_node("child", child)
    builder.add_conditional_edges(START, lambda state: [Send("child", {"trail": [n]}) for n in range(3)], ["child"])
    graph = builder.compile(saver)

    ids = asked(graph.invoke({"trail": []}, CONFIG))
    output = graph.invoke(Command(resume={ids[n]: n * 10 for n in range(3)}), CONFIG)

    assert output == {"trail": [0, 0, 1, 10, 2, 20]}


def test_a_body_that_calls_twice_is_asked_by_both_and_repeats_neither(saver: BaseCheckpointSaver) -> None:
    ran: list[Any] = []

    def note(state: Trail) -> None:
        ran.append(state["trail"][0])

    child = chain(note=note, ask=asks("?"))
    graph = chain(saver, node=lambda state: {"trail": [child.invoke({"trail": [n]})["trail"] for n in range(2)]})

    outputs = [graph.invoke({"trail": []}, CONFIG), *(graph.invoke(Command(resume=n), CONFIG) for n in ("a", "b"))]

    assert [list(asked(output)) for output in outputs[:2]] == [["?"], ["?"]]
    assert outputs[0]["__interrupt__"] != outputs[1]["__interrupt__"]
    assert outputs[2] == {"trail": [[0, "a"], [1, "b"]]}
    assert ran == [0, 1]


def test_graphs_that_a_body_calls_side_by_side_keep_their_places(saver: BaseCheckpointSaver) -> None:
    child = chain(ask=asks("?"))

    async def node(state: Trail) -> dict[str, Any]:
        outputs = await asyncio.gather(*(child.ainvoke({"trail": [n]}) for n in range(4)))
        return {"trail": [output["trail"] for output in outputs]}

    graph = chain(saver, node=node)
    output = graph.invoke({"trail": []}, CONFIG)
    while "__interrupt__" in output:
        output = graph.invoke(Command(resume="!"), CONFIG)

    assert output == {"trail": [[n, "!"] for n in range(4)]}


@pytest.mark.parametrize("nested", [False, True], ids=["node", "graph"])
def test_an_answer_may_come_with_an_update_and_with_another_way(saver: BaseCheckpointSaver, nested: bool) -> None:
    node = chain(ask=asks("?")) if nested else asks("?")
    builder = StateGraph(Trail).add_node("ask", node).add_node("beside", says("beside")).add_edge(START, "ask")
    graph = builder.compile(saver)
    graph.invoke({"trail": []}, CONFIG)

    output = graph.invoke(Command(resume="answer", update={"trail": ["update"]}, goto="beside"), CONFIG)

    assert output == {"trail": ["update", "answer", "beside"]}


def test_a_new_input_drops_the_questions_of_a_graph_that_keeps_its_state(saver: BaseCheckpointSaver) -> None:
    graph = chain(saver, child=chain(True, ask=asks("?")))
    first = graph.invoke({"trail": [1]}, CONFIG)

    second = graph.invoke({"trail": [2]}, CONFIG)

    assert asked(first) != asked(second)
    assert graph.invoke(Command(resume="answer"), CONFIG)["trail"][-1] == "answer"


@pytest.mark.parametrize("where", ["first", "second"])
@pytest.mark.parametrize("called", ["node", "body"])
def test_a_breakpoint_of_the_graph_inside_pauses_the_run(saver: BaseCheckpointSaver, where: str, called: str) -> None:
    ran: list[str] = []
    child = chain(breaks=[where], first=lambda state: ran.append("first"), second=lambda state: ran.append("second"))
    node = child if called == "node" else lambda state: child.invoke({"trail": []})
    graph = chain(saver, child=node, after=says("after"))

    paused = graph.invoke({"trail": [0]}, CONFIG)
    before = list(ran)
    output = graph.invoke(None, CONFIG)

    assert (paused, before) == ({"trail": [0]}, [] if where == "first" else ["first"])
    assert saver.client.runs.recent("t")[1].status == "interrupted"
    assert output["trail"][-1] == "after"
    assert ran == ["first", "second"]


def test_a_breakpoint_after_a_node_of_the_graph_inside_pauses_the_run(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail).add_node("only", says("only")).add_edge(START, "only")
    graph = chain(saver, child=builder.compile(interrupt_after=["only"]))

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": []}
    assert graph.invoke(None, CONFIG) == {"trail": ["only"]}


def test_a_breakpoint_of_a_call_is_for_the_root_alone(saver: BaseCheckpointSaver) -> None:
    graph = chain(saver, child=chain(x=says("x")), x=says("after"))

    paused = graph.invoke({"trail": []}, CONFIG, interrupt_before=["x"])

    assert paused == {"trail": ["x"]}
    assert graph.invoke(None, CONFIG) == {"trail": ["x", "after"]}


#: A nest: a leaf says its number, asks, or is a sequence of nests in a graph or in a body of its own.
Nest = st.recursive(
    st.tuples(st.sampled_from(["say", "ask"]), st.integers(0, 9)),
    lambda inside: st.tuples(st.sampled_from(["node", "body"]), st.lists(inside, min_size=1, max_size=3)),
    max_leaves=6,
)


def writes(nest: Any, trail: list[Any]) -> list[Any]:
    """Return what a nest writes to a trail, in plain Python."""
    kind, what = nest
    if kind in ("say", "ask"):
        return [what if kind == "say" else f"answer {what}"]
    inside = list(trail) if kind == "node" else []
    for inner in what:
        inside += writes(inner, inside)
    return inside


def built(nest: Any) -> Any:
    """Return a nest as a node."""
    kind, what = nest
    if kind in ("say", "ask"):
        return says(what) if kind == "say" else asks(what)
    inner = chain(**{f"n{number}": built(one) for number, one in enumerate(what)})
    return inner if kind == "node" else lambda state: inner.invoke({"trail": []})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(nest=Nest)
def test_a_nest_of_graphs_writes_what_plain_python_would(nest: Any) -> None:
    graph = chain(MemorySaver(), top=built(nest))

    output = graph.invoke({"trail": []}, CONFIG)
    for _ in range(20):
        if "__interrupt__" not in output:
            break
        ((question, id_),) = asked(output).items()
        output = graph.invoke(Command(resume={id_: f"answer {question}"}), CONFIG)

    assert output == {"trail": writes(nest, [])}
