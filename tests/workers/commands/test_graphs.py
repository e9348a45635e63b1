"""The commands about graphs."""

import json
from pathlib import Path

from treadle.graph import CompiledStateGraph

from .conftest import Treadle


def test_graphs_are_listed_with_nodes_queues_and_fingerprint(treadle: Treadle, graph: CompiledStateGraph) -> None:
    listed = json.loads(treadle("graphs", "--json").stdout)[0]

    assert listed["name"] == "sample"
    assert listed["fingerprint"] == graph.graph.fingerprint
    assert listed["queues"] == ["slow", "treadle"]
    assert [node["name"] for node in listed["nodes"]] == ["first", "second"]
    assert graph.graph.fingerprint in treadle("graphs").stdout


def test_a_graph_is_drawn(treadle: Treadle, store: str) -> None:
    result = treadle("draw", "sample")

    assert result.stdout.startswith("flowchart TD\n")
    assert "first --> second" in result.stdout


def test_a_graph_is_drawn_as_text(treadle: Treadle, store: str) -> None:
    assert "| second |" in treadle("draw", "sample", "--ascii").stdout


def test_a_graph_is_painted_into_a_file(treadle: Treadle, store: str, tmp_path: Path) -> None:
    result = treadle("draw", "sample", "--png", str(tmp_path / "sample.png"))

    assert result.stdout == ""
    assert (tmp_path / "sample.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_graph_cannot_be_drawn(treadle: Treadle, store: str) -> None:
    assert treadle("draw", "simple").exit_code == 2
