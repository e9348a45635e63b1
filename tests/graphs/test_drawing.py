"""The Mermaid drawing of a graph: every way to get from node to node is in it, and none that is not there."""

from typing import Any, Literal, TypedDict

import pytest

from graphs.builder import GraphBuilder
from graphs.commands import END, START
from graphs.drawing import mermaid


class State(TypedDict, total=False):
    answer: str


def node(state: State) -> None: ...


def either(state: State) -> str:
    return "yes"


def anywhere(state: State) -> str:
    return "a"


def chosen(state: State) -> Literal["a", "b"]:
    return "a"


def builder_of(*names: str) -> GraphBuilder:
    """Return a builder with these nodes; an edge from START to the first."""
    builder = GraphBuilder(State)
    for name in names:
        builder.add_node(name, node)
    return builder.add_edge(START, names[0])


def lines_of(builder: GraphBuilder, **pauses: Any) -> list[str]:
    """Return the lines of a drawing, without their indentation."""
    graph = builder.build("g", pauses.get("before"), pauses.get("after"))
    return [line.strip() for line in mermaid(graph).splitlines()]


def test_a_chain_is_drawn_from_start_to_end() -> None:
    builder = builder_of("a", "b").add_edge("a", "b").add_edge("b", END)

    assert lines_of(builder) == [
        "flowchart TD",
        '__start__(["START"])',
        'a["a"]',
        'b["b"]',
        '__end__(["END"])',
        "__start__ --> a",
        "a --> b",
        "b --> __end__",
    ]


def test_conditional_edges_are_dotted_and_say_the_answer_that_takes_them() -> None:
    builder = builder_of("a", "b").add_conditional_edges("a", either, {"yes": "b", "no": END})

    lines = lines_of(builder)

    assert 'a -. "yes" .-> b' in lines
    assert 'a -. "no" .-> __end__' in lines
    assert "a --> __end__" not in lines


def test_answers_that_lead_to_the_same_node_share_an_edge() -> None:
    builder = builder_of("a", "b").add_conditional_edges("a", either, {"yes": "b", "perhaps": "b"})

    assert 'a -. "yes / perhaps" .-> b' in lines_of(builder)


def test_an_answer_that_is_the_name_of_the_node_is_labelled_with_the_router() -> None:
    lines = lines_of(builder_of("a", "b").add_conditional_edges("a", chosen))

    assert 'a -. "chosen" .-> a' in lines
    assert 'a -. "chosen" .-> b' in lines
    assert 'a -. "chosen" .-> __end__' not in lines


def test_a_router_without_a_map_may_lead_anywhere() -> None:
    lines = lines_of(builder_of("a", "b").add_conditional_edges("a", anywhere))

    assert [line for line in lines if "anywhere" in line] == [
        'a -. "anywhere" .-> a',
        'a -. "anywhere" .-> b',
        'a -. "anywhere" .-> __end__',
    ]


def test_a_router_after_start_is_drawn() -> None:
    builder = builder_of("a").add_conditional_edges(START, either, {"yes": "a"})

    assert '__start__ -. "yes" .-> a' in lines_of(builder)


def test_a_join_waits_for_all_of_its_sources() -> None:
    builder = builder_of("a", "b", "c").add_edge(START, "b").add_edge(["a", "b"], "c")

    lines = lines_of(builder)

    assert '_join0{"all"}' in lines
    assert "a & b --> _join0" in lines
    assert "_join0 --> c" in lines
    assert "a --> __end__" not in lines


@pytest.mark.parametrize("name", ["end", "Class", "two words", "1st", "o'neil", "käse"])
def test_a_name_that_mermaid_could_not_read_is_only_a_label(name: str) -> None:
    lines = lines_of(builder_of(name))

    assert f'_0["{name}"]' in lines
    assert "__start__ --> _0" in lines


def test_a_name_cannot_break_out_of_its_label() -> None:
    lines = lines_of(builder_of('a"] --> b'))

    assert '_0["a#quot;] --#gt; b"]' in lines


def test_where_the_commands_of_a_node_may_go_is_dotted() -> None:
    builder = builder_of("a", "b").add_node("c", lambda state: None, destinations={"b": "again", "elsewhere": "up"})

    lines = lines_of(builder.add_node("d", lambda state: None, destinations=("b", END)))

    assert {'c -. "again" .-> b', "d -.-> b", "d -.-> __end__"} <= set(lines)
    assert not {"c --> __end__", "d --> __end__"} & set(lines)
    assert not [line for line in lines if "elsewhere" in line]


def test_nodes_at_which_runs_pause_stand_out() -> None:
    lines = lines_of(builder_of("a", "b", "c"), before=["b"], after=["c"])

    assert lines[-1] == "class b,c pause"


def test_a_star_pauses_everywhere() -> None:
    assert lines_of(builder_of("a", "b"), before="*")[-1] == "class a,b pause"


def test_the_same_graph_is_drawn_the_same_way() -> None:
    first = builder_of("a", "b", "c").add_edge("a", "b").add_edge("a", "c")
    second = builder_of("a", "b", "c").add_edge("a", "c").add_edge("a", "b")

    assert lines_of(first) == lines_of(second)
