"""The commands that prove what a log is."""

import json
from pathlib import Path

import pytest

from scheduler.signing import Signer
from treadle.graph import CompiledStateGraph
from workers.desk import Desk

from .conftest import Treadle


@pytest.fixture
def finished(graph: CompiledStateGraph) -> str:
    """A thread whose run ended well."""
    graph.invoke({"text": "hello"}, {"thread_id": "t-1"})
    return "t-1"


@pytest.fixture
def heads(tmp_path: Path, treadle: Treadle, finished: str) -> Path:
    """The heads of all threads, kept in a file."""
    kept = tmp_path / "heads.jsonl"
    assert treadle("head", "--all", "--to", str(kept)).exit_code == 0
    return kept


def test_verify_proves_an_untouched_log(treadle: Treadle, finished: str) -> None:
    result = treadle("verify", finished)

    assert result.exit_code == 0
    assert "holds" in result.stdout


def test_verify_finds_an_entry_that_was_removed(treadle: Treadle, finished: str) -> None:
    connection = Desk().engine.connection
    connection.client.xtrim(connection.place(finished).keys.log, minid="3-0", approximate=False)

    result = treadle("verify", finished)

    assert result.exit_code == 1
    assert "removed" in result.stderr


def test_verify_tells_a_program(treadle: Treadle, finished: str) -> None:
    answer = json.loads(treadle("verify", finished, "--json").stdout)

    assert (answer["holds"], answer["entries"]) == (True, 7)


def test_a_head_is_added_to_a_file_and_the_log_that_went_on_still_has_it(
    treadle: Treadle, graph: CompiledStateGraph, finished: str, heads: Path
) -> None:
    graph.invoke({"text": "again"}, {"thread_id": finished})
    treadle("head", finished, "--to", str(heads))

    result = treadle("verify", finished, "--head", str(heads))

    assert [json.loads(line)["seq"] for line in heads.read_text().splitlines()] == [8, 15]
    assert result.exit_code == 0
    assert "the one that 2 heads know" in result.stdout


def test_a_log_that_was_rewritten_is_found_among_all_and_so_is_one_that_is_gone(
    treadle: Treadle, graph: CompiledStateGraph, finished: str, heads: Path
) -> None:
    graph.invoke({"text": "hello"}, {"thread_id": "t-2"})
    treadle("head", "t-2", "--to", str(heads))
    for thread_id in (finished, "t-2"):
        graph.threads.delete(thread_id)
    graph.invoke({"text": "other"}, {"thread_id": finished})

    result = treadle("verify", "--all", "--head", str(heads))

    assert result.exit_code == 1
    assert "t-1: The log does not begin" in result.stderr
    assert "t-2: It is gone" in result.stderr
    assert "2 logs do not hold." in result.stderr


def test_verify_all_tells_a_program_one_line_a_thread(treadle: Treadle, finished: str, heads: Path) -> None:
    result = treadle("verify", "--all", "--head", str(heads), "--json")

    assert json.loads(result.stdout) == {"thread": "t-1", "holds": True, "entries": 7, "heads": 1, "broken": None}


def test_no_head_is_taken_of_a_log_that_does_not_hold(treadle: Treadle, finished: str) -> None:
    connection = Desk().engine.connection
    connection.client.hset(connection.place(finished).keys.thread, "head", "0")

    result = treadle("head", "--all")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "is not what was written" in result.stderr


def test_heads_are_signed_and_checked_where_keys_are_set(
    treadle: Treadle, heads: Path, finished: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dict(line.split("=", 1) for line in treadle("keys", "generate", "--signing").stdout.splitlines())
    monkeypatch.setenv("TREADLE_HEAD_PUBLIC_KEYS", made["TREADLE_HEAD_PUBLIC_KEYS"])
    unsigned = treadle("verify", finished, "--head", str(heads))
    heads.unlink()
    monkeypatch.setenv("TREADLE_HEAD_KEY", made["TREADLE_HEAD_KEY"])
    treadle("head", finished, "--to", str(heads))

    signed = treadle("verify", finished, "--head", str(heads))

    assert (unsigned.exit_code, signed.exit_code) == (1, 0)
    assert "nobody has signed it" in unsigned.stderr
    assert Signer(made["TREADLE_HEAD_KEY"]).public_key == made["TREADLE_HEAD_PUBLIC_KEYS"]


def test_heads_are_told_to_people_and_to_programs(treadle: Treadle, finished: str) -> None:
    told, written = treadle("head", finished), treadle("head", finished, "--json")

    assert "digest" in told.stdout
    assert json.loads(written.stdout)["thread"] == finished


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("verify",), "name a THREAD"),
        (("head", "t-1", "--all"), "name a THREAD"),
        (("verify", "t-2", "--head", "FILE"), "has no head of thread t-2"),
    ],
)
def test_what_is_called_wrongly_says_so(treadle: Treadle, heads: Path, arguments: tuple[str, ...], told: str) -> None:
    result = treadle(*(str(heads) if argument == "FILE" else argument for argument in arguments))

    assert result.exit_code == 2
    assert told in result.stderr
