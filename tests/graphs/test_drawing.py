"""The drawing of a graph: every way to get from node to node is in it, and none that is not there."""

import json
import re
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest

from graphs.builder import GraphBuilder
from graphs.commands import END, START
from graphs.drawing import drawing
from graphs.errors import MissingExtra
from graphs.graph import Child, Graph
from graphs.mermaid import Edge


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


def graph_of(builder: GraphBuilder, before: Any = None, after: Any = None) -> Graph:
    return builder.build("g", before, after)


def lines_of(builder: GraphBuilder, **pauses: Any) -> list[str]:
    """Return the lines of a drawing, without their indentation."""
    graph = graph_of(builder, pauses.get("before"), pauses.get("after"))
    return [line.strip() for line in drawing(graph).draw_mermaid().splitlines()]


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

    assert 'a -.->|"yes"| b' in lines
    assert 'a -.->|"no"| __end__' in lines
    assert "a --> __end__" not in lines


def test_answers_that_lead_to_the_same_node_share_an_edge() -> None:
    builder = builder_of("a", "b").add_conditional_edges("a", either, {"yes": "b", "perhaps": "b"})

    assert 'a -.->|"yes / perhaps"| b' in lines_of(builder)


def test_an_answer_that_is_the_name_of_the_node_is_labelled_with_the_router() -> None:
    lines = lines_of(builder_of("a", "b").add_conditional_edges("a", chosen))

    assert 'a -.->|"chosen"| a' in lines
    assert 'a -.->|"chosen"| b' in lines
    assert 'a -.->|"chosen"| __end__' not in lines


def test_a_router_without_a_map_may_lead_anywhere() -> None:
    lines = lines_of(builder_of("a", "b").add_conditional_edges("a", anywhere))

    assert [line for line in lines if "anywhere" in line] == [
        'a -.->|"anywhere"| a',
        'a -.->|"anywhere"| b',
        'a -.->|"anywhere"| __end__',
    ]


def test_a_router_after_start_is_drawn() -> None:
    builder = builder_of("a").add_conditional_edges(START, either, {"yes": "a"})

    assert '__start__ -.->|"yes"| a' in lines_of(builder)


def test_a_join_waits_for_all_of_its_sources() -> None:
    builder = builder_of("a", "b", "c").add_edge(START, "b").add_edge(["a", "b"], "c")

    lines = lines_of(builder)

    assert '_0{"all"}' in lines
    assert [line for line in lines if "_0 " in f"{line} "] == ["a --> _0", "_0 --> c", "b --> _0"]
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

    assert {'c -.->|"again"| b', "d -.-> b", "d -.-> __end__"} <= set(lines)
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


# Nodes and edges as plain data


def test_a_drawing_has_nodes_and_edges_as_plain_data() -> None:
    builder = builder_of("a", "b").add_conditional_edges("a", either, {"yes": "b", "no": END})

    drawn = drawing(graph_of(builder, before=["b"]))

    assert list(drawn.nodes) == [START, "a", "b", END]
    assert [node.id for node in drawn.nodes.values() if node.pauses] == ["b"]
    assert drawn.edges == [
        Edge(START, "a"),
        Edge("b", END),
        Edge("a", "b", data="yes", conditional=True),
        Edge("a", END, data="no", conditional=True),
    ]


def test_a_drawing_is_json() -> None:
    builder = GraphBuilder(State).add_node("a", node, metadata={"owner": "me"}).add_edge(START, "a")

    plain = drawing(graph_of(builder)).to_json()

    assert json.loads(json.dumps(plain)) == plain
    assert plain["nodes"][1] == {"id": "a", "name": "a", "metadata": {"owner": "me"}}
    assert plain["edges"][1] == {"source": "a", "target": END, "data": None, "conditional": False}


def test_the_edges_of_a_join_lead_to_its_target() -> None:
    builder = builder_of("a", "b", "c").add_edge(START, "b").add_edge(["a", "b"], "c")

    edges = [edge for edge in drawing(graph_of(builder)).edges if edge.target == "c"]

    assert [edge.source for edge in edges] == ["a", "b"]
    assert len({edge.join for edge in edges}) == 1


# Graphs inside of graphs


def nested(graph: Graph, **inside: Graph) -> Graph:
    """Return the graph with nodes that are graphs."""
    return replace(graph, children={name: Child(child) for name, child in inside.items()})


INNERMOST = graph_of(builder_of("think"))
INNER = nested(graph_of(builder_of("plan", "write").add_edge("plan", "write")), plan=INNERMOST)
OUTER = nested(graph_of(builder_of("a", "sub", "b").add_edge("a", "sub").add_edge("sub", "b")), sub=INNER)


def test_without_xray_a_subgraph_is_one_node() -> None:
    assert list(drawing(OUTER).nodes) == [START, "a", "sub", "b", END]


def test_xray_shows_what_is_inside_of_every_subgraph() -> None:
    drawn = drawing(OUTER, xray=True)

    assert set(drawn.nodes) == {
        *(START, "a", "b", END),
        *("sub:__start__", "sub:write", "sub:__end__"),
        *("sub:plan:__start__", "sub:plan:think", "sub:plan:__end__"),
    }
    assert {(edge.source, edge.target) for edge in drawn.edges} == {
        *((START, "a"), ("a", "sub:__start__"), ("sub:__end__", "b"), ("b", END)),
        *(("sub:__start__", "sub:plan:__start__"), ("sub:plan:__end__", "sub:write"), ("sub:write", "sub:__end__")),
        *(("sub:plan:__start__", "sub:plan:think"), ("sub:plan:think", "sub:plan:__end__")),
    }


def test_a_number_says_how_deep_xray_looks() -> None:
    drawn = drawing(OUTER, xray=1)

    assert "sub:plan" in drawn.nodes
    assert "sub" not in drawn.nodes


def test_the_inside_of_a_subgraph_is_drawn_in_a_box() -> None:
    text = drawing(OUTER, xray=True).draw_mermaid()

    boxes = text[text.index("subgraph") : text.index("__start__ --> a")].splitlines()
    assert [re.sub(r"_\d+", "_", line.strip()) for line in boxes if line.strip()] == [
        'subgraph sub ["sub"]',
        '_(["START"])',
        '_["write"]',
        '_(["END"])',
        'subgraph _ ["plan"]',
        '_(["START"])',
        '_["think"]',
        '_(["END"])',
        "end",
        "end",
    ]


def test_a_join_inside_of_a_subgraph_is_drawn_in_its_box() -> None:
    inner = graph_of(builder_of("x", "y", "z").add_edge(START, "y").add_edge(["x", "y"], "z"))
    graph = nested(graph_of(builder_of("sub")), sub=inner)

    text = drawing(graph, xray=True).draw_mermaid()

    assert '{"all"}' in text[text.index("subgraph") : text.index("    end")]


def test_a_breakpoint_before_a_subgraph_is_seen_at_its_start() -> None:
    drawn = drawing(replace(OUTER, interrupt_before=("sub",)), xray=True)

    assert [node.id for node in drawn.nodes.values() if node.pauses] == ["sub:__start__"]


# As text and as a picture


def test_a_graph_is_drawn_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = drawing(graph_of(builder_of("a", "b").add_conditional_edges("a", either, {"yes": "b", "no": END})))

    drawn.print_ascii()

    text = capsys.readouterr().out
    assert text == drawn.draw_ascii() + "\n"
    assert text.isascii()
    assert re.search(r"START.*\| +a +\|.*\| +b +\|.*END", text, re.DOTALL)
    assert "yes" in text


def test_text_names_the_nodes_of_a_subgraph_after_it() -> None:
    text = drawing(OUTER, xray=True).draw_ascii()

    assert re.search(r"sub:START.*sub:plan:think.*sub:write.*sub:END", text, re.DOTALL)


def test_a_graph_is_painted_as_a_picture_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it asked the network"))

    png = drawing(OUTER, xray=True).draw_png(tmp_path / "graph.png")

    assert png.startswith(b"\x89PNG\r\n")
    assert (tmp_path / "graph.png").read_bytes() == png


@pytest.mark.parametrize(("library", "draw"), [("termaid", "draw_ascii"), ("mermaidx", "draw_mermaid_png")])
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, library: str, draw: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(MissingExtra, match=rf"'{library}' is not installed: pip install 'treadle\[draw\]'"):
        getattr(drawing(OUTER), draw)()
