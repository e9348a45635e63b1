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


def test_archive_exports_everything_and_closes_the_thread(treadle: Treadle, finished: str, tmp_path: Path) -> None:
    file = tmp_path / "thread.json"

    result = treadle("archive", finished, "--to", str(file))

    document = json.loads(file.read_text())
    assert result.exit_code == 0
    assert (document["thread"]["id"], document["thread"]["status"]) == ("t/1", "archived")
    assert [checkpoint["number"] for checkpoint in document["checkpoints"]] == [-1, 0, 1, 2]
    assert document["checkpoints"][-1]["values"]["steps"] == ["first", "second"]
    assert [run["status"] for run in document["runs"]] == ["success"]
    assert [entry["kind"] for entry in document["log"]][-1] == "archived"


def test_archive_names_a_file_after_the_thread(
    treadle: Treadle, finished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    treadle("archive", finished)

    assert [path.name for path in tmp_path.iterdir()] == ["t%2F1.json"]


def test_archive_writes_over_no_file(treadle: Treadle, finished: str, tmp_path: Path) -> None:
    file = tmp_path / "thread.json"
    file.write_text("precious")

    result = treadle("archive", finished, "--to", str(file))

    assert result.exit_code == 2
    assert file.read_text() == "precious"
    assert Desk().client.threads.get(finished).status == "idle"


def test_a_thread_that_cannot_be_exported_stays_open(treadle: Treadle, finished: str, tmp_path: Path) -> None:
    result = treadle("archive", finished, "--to", str(tmp_path / "nowhere" / "thread.json"))

    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
    assert Desk().client.threads.get(finished).status == "idle"


def test_archive_of_a_running_thread_is_refused_and_leaves_no_file(
    treadle: Treadle, store: str, tmp_path: Path
) -> None:
    treadle("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--detach")

    result = treadle("archive", "t-1", "--to", str(tmp_path / "thread.json"))

    assert result.exit_code == 4
    assert list(tmp_path.iterdir()) == []


def test_an_archived_thread_is_exported_again(treadle: Treadle, finished: str, tmp_path: Path) -> None:
    treadle("archive", finished, "--to", str(tmp_path / "one.json"))

    result = treadle("archive", finished, "--to", str(tmp_path / "two.json"))

    assert result.exit_code == 0
    assert (tmp_path / "one.json").read_text() == (tmp_path / "two.json").read_text()


def test_terminate_closes_a_thread_for_good(treadle: Treadle, finished: str) -> None:
    result = treadle("terminate", finished)

    assert result.exit_code == 0
    assert treadle("resume", "--thread", finished, "--input", '{"text": "x"}').exit_code == 4


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
