"""Whether a new version of a graph can go on where an older one stands."""

import operator
from dataclasses import replace
from typing import Annotated, Any, TypedDict

import pytest

from graphs.builder import GraphBuilder
from graphs.checkpoint import Checkpoint, Step
from graphs.graph import Graph
from graphs.upgrades import why_unfit


class State(TypedDict):
    said: Annotated[list[str], operator.add]


def node(state: State) -> None: ...


def graph() -> Graph:
    builder = GraphBuilder(State).add_sequence([("a", node), ("b", node), ("c", node)]).set_entry_point("a")
    return builder.add_edge(["a", "b"], "c").build("graph", None, None)


STANDING = Checkpoint("1", None, "loop", 1, {"said": []}, {}, (Step("s", "b", ("pull", "b"), ()),))


def test_a_graph_fits_that_has_all_that_is_due_and_stored() -> None:
    assert not why_unfit(graph(), replace(STANDING, joins={"join:a+b:c": frozenset("a"), "join:gone": frozenset()}))


@pytest.mark.parametrize(
    ("changed", "lacking"),
    [
        ({"steps": (Step("s", "gone", ("pull", "gone"), ()),)}, "node 'gone'"),
        ({"deferred": ("gone",)}, "node 'gone'"),
        ({"values": {"said": [], "gone": 1}}, "key 'gone'"),
        ({"joins": {"join:a+gone:c": frozenset("a")}}, "edge 'join:a+gone:c'"),
    ],
)
def test_what_it_lacks_is_named(changed: dict[str, Any], lacking: str) -> None:
    assert why_unfit(graph(), replace(STANDING, **changed)) == lacking
