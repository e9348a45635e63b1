"""What streams show of graphs inside of graphs: each thing with its place, at once, and questions at every level."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.config import get_config
from treadle.graph import CompiledStateGraph
from treadle.types import Command, StreamWriter, interrupt

from .nests import CONFIG, Trail, chain, says


def asks(state: Trail) -> dict[str, Any]:
    return {"trail": [interrupt("?")]}


def calling(child: CompiledStateGraph) -> Any:
    """Return a node that calls a graph in its body."""
    return lambda state: {"trail": child.invoke({"trail": []})["trail"]}


def placed(chunks: Iterator[Any]) -> Iterator[Any]:
    """Yield chunks with their places told by nodes, without the ids of tasks."""
    for ns, *rest in chunks:
        yield (tuple(part.partition(":")[0] for part in ns), *rest)


PLACES = pytest.mark.parametrize("place", [lambda child: child, calling], ids=["as a node", "called in a body"])


@PLACES
def test_what_happens_inside_is_shown_with_its_place(saver: BaseCheckpointSaver, place: Any) -> None:
    child = chain(deep=place(chain(x=says("x"))), y=says("y"))
    graph = chain(saver, first=says("first"), child=place(child))

    chunks = list(placed(graph.stream({"trail": []}, CONFIG, subgraphs=True)))

    assert [(ns, *update) for ns, update in chunks] == [
        ((), "first"),
        (("child", "deep"), "x"),
        (("child",), "deep"),
        (("child",), "y"),
        ((), "child"),
    ]


def test_places_are_the_ones_that_nodes_and_tasks_know(saver: BaseCheckpointSaver) -> None:
    seen: list[str] = []
    child = chain(look=lambda state: seen.append(get_config()["configurable"]["checkpoint_ns"]))
    graph = chain(saver, child=child)

    chunks = list(graph.stream({"trail": []}, CONFIG, stream_mode=["tasks"], subgraphs=True))

    (_, _, call), (ns, _, look), *_ = chunks
    assert ns == (f"child:{call['id']}",)
    assert seen == [f"child:{call['id']}|look:{look['id']}"]


def test_without_subgraphs_only_what_nodes_write_themselves_is_shown(saver: BaseCheckpointSaver) -> None:
    def write(state: Trail, writer: StreamWriter) -> None:
        writer("from inside")

    chunks = list(
        chain(saver, child=chain(write=write)).stream({"trail": []}, CONFIG, stream_mode=["updates", "custom"])
    )

    assert chunks == [("custom", "from inside"), ("updates", {"child": {"trail": []}})]


@pytest.mark.parametrize(("keeps", "first"), [(None, "node:"), (True, "node")])
def test_later_calls_of_a_body_are_numbered(saver: BaseCheckpointSaver, keeps: bool | None, first: str) -> None:
    child = chain(keeps, x=says("x"))

    def node(state: Trail) -> None:
        for _ in range(3):
            child.invoke({"trail": []})

    chunks = list(chain(saver, node=node).stream({"trail": []}, CONFIG, subgraphs=True))

    called = [ns for ns, _ in chunks[:-1]]
    assert [ns[1:] for ns in called] == [(), ("1",), ("2",)]
    assert all(ns[0].startswith(first) for ns in called)


@PLACES
def test_what_happens_inside_is_shown_while_the_graph_runs(saver: BaseCheckpointSaver, place: Any) -> None:
    shown = threading.Event()
    child = chain(x=says("x"), wait=lambda state: {"trail": [shown.wait(10)]})

    for ns, update in placed(chain(saver, child=place(child)).stream({"trail": []}, CONFIG, subgraphs=True)):
        if (ns, *update) == (("child",), "x"):
            shown.set()
        last = update

    assert last == {"child": {"trail": ["x", True]}}


@PLACES
def test_a_question_is_shown_at_every_level(saver: BaseCheckpointSaver, place: Any) -> None:
    graph = chain(saver, child=place(chain(x=says("x"), ask=asks)))
    modes = ["updates", "values"]

    chunks = list(placed(graph.stream({"trail": []}, CONFIG, stream_mode=modes, subgraphs=True)))

    asked = {"__interrupt__": graph.get_state(CONFIG).interrupts}
    inside = ("child",)
    assert chunks == [
        ((), "values", {"trail": []}),
        (inside, "values", {"trail": []}),
        (inside, "updates", {"x": {"trail": ["x"]}}),
        (inside, "values", {"trail": ["x"]}),
        (inside, "updates", asked),
        (inside, "values", {"trail": ["x"], **asked}),
        ((), "updates", asked),
        ((), "values", {"trail": [], **asked}),
    ]


@PLACES
def test_a_resumed_graph_shows_first_where_it_stood(saver: BaseCheckpointSaver, place: Any) -> None:
    graph = chain(saver, child=place(chain(x=says("x"), ask=asks)))
    graph.invoke({"trail": []}, CONFIG)

    chunks = list(placed(graph.stream(Command(resume=1), CONFIG, stream_mode=["updates", "values"], subgraphs=True)))

    assert chunks == [
        ((), "values", {"trail": []}),
        (("child",), "values", {"trail": ["x"]}),
        (("child",), "updates", {"ask": {"trail": [1]}}),
        (("child",), "values", {"trail": ["x", 1]}),
        ((), "updates", {"child": {"trail": ["x", 1]}}),
        ((), "values", {"trail": ["x", 1]}),
    ]


@pytest.mark.parametrize("where", ["x", "y"])
def test_a_breakpoint_is_shown_at_every_level(saver: BaseCheckpointSaver, where: str) -> None:
    graph = chain(saver, child=chain(x=says("x"), y=says("y"), breaks=[where]))

    chunks = list(placed(graph.stream({"trail": []}, CONFIG, subgraphs=True)))

    assert chunks[-2:] == [(("child",), {"__interrupt__": ()}), ((), {"__interrupt__": ()})]
    assert len(chunks) == (2 if where == "x" else 3)
