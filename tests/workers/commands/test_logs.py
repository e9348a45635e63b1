"""The commands that read a thread's log and follow its runs."""

import json

import pytest

from treadle.graph import CompiledStateGraph

from .conftest import Treadle


@pytest.fixture
def finished(graph: CompiledStateGraph) -> str:
    """A thread whose run ended well."""
    graph.invoke({"text": "hello"}, {"thread_id": "t-1"})
    return "t-1"


def test_log_tells_what_happened_in_order(treadle: Treadle, finished: str) -> None:
    result = treadle("log", finished)

    words = [line.split()[1] for line in result.stdout.splitlines()]
    assert words == ["created", "started", "leased", "committed", "leased", "committed", "finished"]


def test_log_is_one_object_a_line_for_a_program(treadle: Treadle, finished: str) -> None:
    entries = [json.loads(line) for line in treadle("log", finished, "--json").stdout.splitlines()]

    assert [entry["kind"] for entry in entries][:2] == ["created", "started"]
    assert [entry["seq"] for entry in entries] == sorted(entry["seq"] for entry in entries)
    assert entries[2]["node"] == "first"


def test_tail_shows_the_last_run_of_a_thread_that_rests(treadle: Treadle, finished: str) -> None:
    result = treadle("tail", finished)

    assert result.exit_code == 0
    assert 'writes       first             {"reading": "hello"}' in " ".join(
        line.strip() for line in result.stdout.splitlines()
    )
    assert result.stdout.splitlines()[-1].split()[1] == "finished"


def test_tail_tells_a_program_what_nodes_write(treadle: Treadle, finished: str) -> None:
    happened = [json.loads(line) for line in treadle("tail", finished, "--json").stdout.splitlines()]

    assert [one["value"] for one in happened if one["kind"] == "writes"] == [{"reading": "hello"}]


def test_tail_leaves_out_earlier_runs(treadle: Treadle, graph: CompiledStateGraph, finished: str) -> None:
    graph.invoke({"text": "again"}, {"thread_id": finished})

    happened = [json.loads(line) for line in treadle("tail", finished, "--json").stdout.splitlines()]

    assert [one["kind"] for one in happened].count("started") == 1


def test_tail_of_a_thread_without_runs_says_so(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.threads.create("t-1")

    result = treadle("tail", "t-1")

    assert result.exit_code == 0
    assert "has had no run" in result.stderr
