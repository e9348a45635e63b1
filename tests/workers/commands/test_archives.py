"""The commands that put threads away, bring them back, and make long ones shorter."""

import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from scheduler.archives import ArchiveStore
from scheduler.keys import Keys
from treadle.errors import ThreadArchived
from treadle.graph import CompiledStateGraph
from workers.desk import Desk

from .conftest import Treadle


@pytest.fixture
def finished(graph: CompiledStateGraph) -> str:
    """A thread whose run ended well."""
    graph.invoke({"text": "hello"}, {"thread_id": "t/1"})
    return "t/1"


@pytest.fixture
def file(treadle: Treadle, finished: str, tmp_path: Path) -> str:
    """The file of an archived thread."""
    return str(answer(treadle, "archive", finished, "--to", str(tmp_path))["url"])


@pytest.fixture
def offline(file: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The file of an archived thread, where there is no Redis."""
    monkeypatch.setenv("TREADLE_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("TREADLE_STORE_PATIENCE_S", "0")
    return file


def answer(treadle: Treadle, *arguments: str) -> Any:
    result = treadle(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def lines(treadle: Treadle, *arguments: str) -> list[Any]:
    result = treadle(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_what_a_file_shows_is_what_redis_showed(
    treadle: Treadle, finished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [answer(treadle, command, finished) for command in ("state", "history")]
    told = lines(treadle, "log", finished)
    file = answer(treadle, "archive", finished, "--to", str(tmp_path))["url"]

    monkeypatch.setenv("TREADLE_REDIS_URL", "redis://127.0.0.1:1/0")

    assert [answer(treadle, command, file) for command in ("state", "history")] == before
    assert lines(treadle, "log", file) == told
    assert "hello" in treadle("state", file).stdout


def test_a_file_is_read_where_nobody_has_its_graph_any_more(
    treadle: Treadle, offline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_graph = answer(treadle, "state", offline)
    monkeypatch.setenv("TREADLE_GRAPHS", "")

    without = answer(treadle, "state", offline)

    assert without["values"] == with_graph["values"]
    assert len(answer(treadle, "history", offline)) == 4


def test_a_file_is_verified_without_redis(treadle: Treadle, offline: str) -> None:
    result = treadle("verify", offline)

    assert result.exit_code == 0
    assert "holds" in result.stdout


def test_a_file_that_was_altered_is_found_out(treadle: Treadle, offline: str) -> None:
    data = Path(offline).read_bytes()
    Path(offline).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    for command in ("verify", "log", "state"):
        result = treadle(command, offline)
        assert result.exit_code == 1
        assert "is not to be trusted" in result.stderr


def test_a_file_that_is_not_there_is_told(treadle: Treadle, store: str) -> None:
    result = treadle("log", "nowhere.treadle")

    assert result.exit_code == 3
    assert "there is no such file" in result.stderr


def test_restore_brings_a_thread_back_once(treadle: Treadle, file: str) -> None:
    assert answer(treadle, "restore", "t/1") == {"thread": "t/1", "status": "idle"}

    assert answer(treadle, "verify", "t/1")["holds"]
    assert treadle("restore", file).exit_code == 4
    assert answer(treadle, "restore", file, "--as", "copy")["thread"] == "copy"


def test_whoever_uses_an_archived_thread_is_told_where_it_is(
    treadle: Treadle, graph: CompiledStateGraph, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in ("tests.workers.commands.sample:graph", ""):
        monkeypatch.setenv("TREADLE_GRAPHS", known)
        for command in ("state", "log", "verify", "history"):
            result = treadle(command, "t/1")
            assert result.exit_code == 4
            assert file in result.stderr
    with pytest.raises(ThreadArchived):
        graph.invoke({"text": "again"}, {"thread_id": "t/1"})


def test_an_invoke_restores_an_archived_thread_where_it_says_so(graph: CompiledStateGraph, file: str) -> None:
    said = graph.invoke({"text": "again"}, {"thread_id": "t/1", "on_archived": "restore"})

    assert said["steps"] == ["first", "second", "first", "second"]


def test_archive_of_a_running_thread_is_refused_and_leaves_no_file(
    treadle: Treadle, store: str, tmp_path: Path
) -> None:
    treadle("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--detach")

    assert treadle("archive", "t-1", "--to", str(tmp_path)).exit_code == 4
    assert list(tmp_path.iterdir()) == []


def test_archive_writes_over_no_file(treadle: Treadle, finished: str, tmp_path: Path) -> None:
    target = tmp_path / "thread.treadle"
    target.write_text("precious")

    result = treadle("archive", finished, "--to", str(target))

    assert result.exit_code == 1
    assert target.read_text() == "precious"
    assert Desk().client.threads.get(finished).status == "idle"


def test_threads_that_rest_for_long_are_archived_together(
    treadle: Treadle, graph: CompiledStateGraph, finished: str, tmp_path: Path
) -> None:
    graph.invoke({"text": "x"}, {"thread_id": "paused"}, interrupt_before=["first"])
    graph.invoke({"text": "x"}, {"thread_id": "t-2"})

    assert lines(treadle, "archive", "--idle-for", "30d", "--to", str(tmp_path)) == []
    archived = lines(treadle, "archive", "--idle-for", "0s", "--to", str(tmp_path))

    assert [one["thread"] for one in archived] == [finished, "t-2"]
    assert Desk().client.threads.get("paused").status == "paused"


def test_of_many_threads_one_that_cannot_be_archived_keeps_no_other_one_from_it(
    treadle: Treadle, graph: CompiledStateGraph, finished: str, store: str, tmp_path: Path
) -> None:
    for thread in ("broken", "t-2"):
        graph.invoke({"text": "x"}, {"thread_id": thread})
    with Redis.from_url(store) as redis:
        redis.xdel(Keys().of_thread("broken").log, "2-0")

    result = treadle("archive", "--idle-for", "0s", "--to", str(tmp_path), "--json")

    assert [json.loads(line)["thread"] for line in result.stdout.splitlines()] == [finished, "t-2"]
    assert "broken: " in result.stderr
    assert "2 of 3 threads done; 1 failed" in result.stderr
    assert result.exit_code == 1
    assert Desk().client.threads.get("broken").status == "idle"


def test_many_threads_are_not_tried_where_no_file_can_be_written(
    treadle: Treadle, graph: CompiledStateGraph, tmp_path: Path
) -> None:
    for number in range(7):
        graph.invoke({"text": "x"}, {"thread_id": f"t-{number}"})
    (tmp_path / "file").write_text("no folder")

    result = treadle("archive", "--idle-for", "0s", "--to", str(tmp_path / "file"))

    assert result.exit_code == 3
    assert "0 of 7 threads done; 5 failed" in result.stderr


def test_one_of_many_threads_that_is_used_meanwhile_is_left_alone(
    treadle: Treadle, graph: CompiledStateGraph, finished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ArchiveStore, "idle", lambda *_: [finished, "deleted"])

    result = treadle("archive", "--idle-for", "30d", "--to", str(tmp_path))

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert Desk().client.threads.get(finished).status == "idle"


def test_a_thread_is_not_put_where_nothing_stays(treadle: Treadle, finished: str) -> None:
    assert treadle("archive", finished, "--to", "memory://shelf").exit_code == 2

    assert Desk().client.threads.get(finished).status == "idle"


def test_archive_goes_where_the_setting_says(
    treadle: Treadle, finished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert treadle("archive", finished).exit_code == 2
    monkeypatch.setenv("TREADLE_ARCHIVE_URL", str(tmp_path))

    assert answer(treadle, "archive", finished)["url"].startswith(str(tmp_path))


@pytest.mark.parametrize(
    "arguments", [["archive"], ["archive", "t", "--idle-for", "1d"], ["archive", "--idle-for", "soon"], ["prune"]]
)
def test_what_is_not_clear_is_refused(treadle: Treadle, store: str, arguments: list[str]) -> None:
    assert treadle(*arguments).exit_code == 2


def test_prune_keeps_the_newest(treadle: Treadle, finished: str) -> None:
    assert answer(treadle, "prune", finished, "--keep", "2") == {"thread": finished, "dropped": 2}

    assert len(answer(treadle, "history", finished)) == 2
    assert lines(treadle, "prune", "--all", "--keep", "1") == [{"thread": finished, "dropped": 1}]


def test_a_file_is_sealed_with_the_key_of_today(treadle: Treadle, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography")
    monkeypatch.setenv("TREADLE_ENCRYPTION_KEYS", "today:" + "A" * 43 + "=")

    assert answer(treadle, "reseal", file) == {"file": file, "found": "", "resealed": True}
    assert answer(treadle, "reseal", file, "--dry-run")["found"] == "today"
    assert b"hello" not in Path(file).read_bytes()
    assert answer(treadle, "state", file)["values"]["text"] == "hello"


def test_an_archive_is_exported_as_any_thread(treadle: Treadle, offline: str, tmp_path: Path) -> None:
    document = tmp_path / "thread.json"

    treadle("export", offline, "--to", str(document))

    assert json.loads(document.read_text())["thread"]["id"] == "t/1"
