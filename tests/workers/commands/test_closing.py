"""The commands that end a thread's life."""

import json
from pathlib import Path

import pytest

from treadle.graph import CompiledStateGraph
from workers.desk import Desk

from .conftest import Treadle


@pytest.fixture
def finished(graph: CompiledStateGraph) -> str:
    """A thread whose run ended well."""
    graph.invoke({"text": "hello"}, {"thread_id": "t/1"})
    return "t/1"


def test_export_writes_down_everything_and_leaves_the_thread(treadle: Treadle, finished: str, tmp_path: Path) -> None:
    file = tmp_path / "thread.json"

    result = treadle("export", finished, "--to", str(file))

    document = json.loads(file.read_text())
    assert result.exit_code == 0
    assert (document["thread"]["id"], document["thread"]["status"]) == ("t/1", "idle")
    assert [checkpoint["number"] for checkpoint in document["checkpoints"]] == [-1, 0, 1, 2]
    assert document["checkpoints"][-1]["values"]["steps"] == ["first", "second"]
    assert [run["status"] for run in document["runs"]] == ["success"]
    assert [entry["kind"] for entry in document["log"]][-1] == "finished"


def test_export_names_a_file_after_the_thread(
    treadle: Treadle, finished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    treadle("export", finished)

    assert [path.name for path in tmp_path.iterdir()] == ["t%2F1.json"]


def test_export_writes_over_no_file(treadle: Treadle, finished: str, tmp_path: Path) -> None:
    file = tmp_path / "thread.json"
    file.write_text("precious")

    result = treadle("export", finished, "--to", str(file))

    assert result.exit_code == 2
    assert file.read_text() == "precious"


def test_an_export_that_cannot_be_written_is_told(treadle: Treadle, finished: str, tmp_path: Path) -> None:
    result = treadle("export", finished, "--to", str(tmp_path / "nowhere" / "thread.json"))

    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_terminate_closes_a_thread_for_good(treadle: Treadle, finished: str) -> None:
    result = treadle("terminate", finished)

    assert result.exit_code == 0
    assert treadle("resume", finished, "--input", '{"text": "x"}').exit_code == 4


def test_terminate_of_a_running_thread_is_refused(treadle: Treadle, store: str) -> None:
    treadle("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--detach")

    assert treadle("terminate", "t-1").exit_code == 4


def test_delete_removes_a_thread(treadle: Treadle, finished: str) -> None:
    result = treadle("delete", finished, "--json")

    assert json.loads(result.stdout) == {"thread": "t/1", "deleted": True}
    assert Desk().client.threads.find(finished) is None


def test_delete_of_a_busy_thread_is_refused(treadle: Treadle, store: str) -> None:
    treadle("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--detach")

    assert treadle("delete", "t-1").exit_code == 4
