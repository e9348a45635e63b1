"""The graphs that a process can run, by name."""

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any, TypedDict

import pytest

from graphs import registry
from graphs.builder import GraphBuilder
from graphs.errors import InvalidGraph, TreadleError, UnknownGraph
from graphs.graph import Graph
from graphs.registry import Registry, load


class State(TypedDict):
    n: int


def node(state: State) -> None: ...


def graph_named(name: str, *nodes: str, versioning: Any = "park") -> Graph:
    builder = GraphBuilder(State).add_sequence([(one, node) for one in nodes or "a"])
    return builder.set_entry_point("a").build(name, None, None, versioning)


class Point:
    """An entry point of an installed package."""

    def __init__(self, value: str, found: Any) -> None:
        self.value = value
        self._found = found

    def load(self) -> Any:
        return self._found


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module ``shop`` that can be imported, and no installed packages with graphs."""
    shop = ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", shop)
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    yield shop


def test_a_graph_is_found_by_its_name() -> None:
    one, two = graph_named("one"), graph_named("two")

    graphs = Registry([one, two])

    assert (graphs["one"], graphs["two"], list(graphs), len(graphs)) == (one, two, ["one", "two"], 2)


def test_an_unknown_name_is_refused_with_the_known_ones_and_what_to_do() -> None:
    graphs = Registry([graph_named("one"), graph_named("two")])

    said = r"'three' is not registered here \(known: one, two\).*TREADLE_GRAPHS"
    with pytest.raises(UnknownGraph, match=said) as caught:
        graphs["three"]

    assert isinstance(caught.value, TreadleError)


def test_a_registry_can_be_asked_without_an_error() -> None:
    graphs = Registry([graph_named("one")])

    assert ("one" in graphs, "two" in graphs, graphs.get("two")) == (True, False, None)


def test_the_same_graph_may_be_added_twice_and_the_first_stays() -> None:
    first, again = graph_named("one"), graph_named("one")

    graphs = Registry([first, again])

    assert graphs["one"] is first


def test_two_different_graphs_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidGraph, match=r"Two different graphs are named 'one': name each at compile\(name="):
        Registry([graph_named("one"), graph_named("one", "a", "b")])


def test_an_address_names_a_compiled_graph(module: ModuleType) -> None:
    module.app = SimpleNamespace(graph=graph_named("one"))  # type: ignore[attr-defined]  # made here

    assert load([" shop:app "]) == [module.app]


def test_an_address_may_name_several_graphs(module: ModuleType) -> None:
    one, two = SimpleNamespace(graph=graph_named("one")), SimpleNamespace(graph=graph_named("two"))
    module.apps = [one, two]  # type: ignore[attr-defined]  # made here

    assert load(["shop:apps"]) == [one, two]


def test_installed_packages_add_their_graphs(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = SimpleNamespace(graph=graph_named("one"))
    points = {"treadle.graphs": [Point("package:app", compiled)]}
    monkeypatch.setattr(registry, "entry_points", lambda group: points[group])

    assert load([]) == [compiled]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("shop", "'shop' does not name a graph: write 'package.module:attribute'"),
        ("", "does not name a graph"),
        ("shop:", "does not name a graph"),
        ("nowhere.at.all:app", "'nowhere.at.all:app' cannot be imported: No module named 'nowhere'"),
        ("shop:missing", "'shop:missing' cannot be imported: .*no attribute 'missing'"),
        ("shop:mixed", "'shop:mixed' is a int, not a compiled graph"),
        ("shop:number", "'shop:number' is a int, not a compiled graph: name what compile"),
    ],
)
def test_an_address_that_leads_to_no_graph_is_refused(module: ModuleType, address: str, said: str) -> None:
    module.number = 3  # type: ignore[attr-defined]  # made here
    module.mixed = [SimpleNamespace(graph=graph_named("one")), 3]  # type: ignore[attr-defined]  # made here

    with pytest.raises(InvalidGraph, match=said):
        load([address])


def test_versions_of_one_graph_stand_side_by_side_where_their_author_says_what_becomes_of_runs() -> None:
    new, old = graph_named("same", "a", "b", versioning="pinned"), graph_named("same", versioning="pinned")

    found = Registry([new, old])

    assert found["same"] is new
    assert found.version("same", old.fingerprint) is old
    assert found.version("same", "another") is new
    assert list(found.versions()) == [new, old]
    with pytest.raises(InvalidGraph, match="Two different graphs"):
        found.add(graph_named("same", "a", "c"))
