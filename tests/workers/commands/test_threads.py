"""The commands that look at threads: each tells a person and a program what there is."""

import json
from typing import Any

import pytest

from treadle.graph import CompiledStateGraph

from .conftest import Treadle


def config(thread_id: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread_id}}


@pytest.fixture
def paused(graph: CompiledStateGraph) -> str:
    """A thread that waits before its second node."""
    graph.invoke({"text": "hello"}, config("t-1"), interrupt_before=["second"])
    return "t-1"


def test_threads_are_listed_with_their_status(treadle: Treadle, paused: str) -> None:
    result = treadle("threads")

    assert result.exit_code == 0
    assert "t-1" in result.stdout
    assert "paused" in result.stdout
    assert "sample" in result.stdout


def test_an_empty_store_has_no_threads(treadle: Treadle, store: str) -> None:
    assert treadle("threads").stdout == "There are no such threads.\n"


def test_threads_are_chosen_by_status(treadle: Treadle, paused: str) -> None:
    assert json.loads(treadle("threads", "--status", "idle", "--json").stdout) == []
    assert [one["id"] for one in json.loads(treadle("threads", "--status", "paused", "--json").stdout)] == ["t-1"]


@pytest.mark.parametrize(("pair", "found"), [("user=ada", 1), ("user=bob", 0), ("age=36", 1), ('age="36"', 0)])
def test_threads_are_chosen_by_metadata(treadle: Treadle, graph: CompiledStateGraph, pair: str, found: int) -> None:
    graph.threads.create("t-1", {"user": "ada", "age": 36})

    assert len(json.loads(treadle("threads", "--metadata", pair, "--json").stdout)) == found


def test_a_long_thread_id_is_shown_in_full(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.threads.create("t-" + "x" * 100)

    assert "t-" + "x" * 100 in treadle("threads").stdout


def test_what_looks_like_markup_is_shown_as_it_is(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.threads.create("t-[red]")

    assert "t-[red]" in treadle("threads").stdout


def test_state_shows_values_and_what_is_next(treadle: Treadle, paused: str) -> None:
    result = treadle("state", paused)

    assert result.exit_code == 0
    assert "second" in result.stdout
    assert '"text": "hello"' in result.stdout


def test_state_is_json_whatever_it_is_made_of(treadle: Treadle, paused: str) -> None:
    state = json.loads(treadle("state", paused, "--json").stdout)

    assert state["values"] == {"text": "hello", "steps": ["first"], "day": "2024-02-29"}
    assert state["next"] == ["second"]
    assert state["status"] == "paused"


def test_state_of_an_old_checkpoint(treadle: Treadle, paused: str) -> None:
    oldest = json.loads(treadle("history", paused, "--json").stdout)[-2]["checkpoint"]

    state = json.loads(treadle("state", paused, "--checkpoint", oldest, "--json").stdout)

    assert state["values"]["steps"] == []
    assert state["next"] == ["first"]


def test_a_thread_that_never_ran_has_an_empty_state(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.threads.create("t-1")

    assert json.loads(treadle("state", "t-1", "--json").stdout)["values"] == {}


def test_history_lists_checkpoints_the_newest_first(treadle: Treadle, paused: str) -> None:
    found = json.loads(treadle("history", paused, "--json").stdout)

    assert [one["metadata"]["step"] for one in found] == [1, 0, -1]
    assert len(json.loads(treadle("history", paused, "--limit", "1", "--json").stdout)) == 1
    assert found[0]["checkpoint"] in treadle("history", paused).stdout


def test_nothing_is_pending_on_a_thread_that_rests(treadle: Treadle, paused: str) -> None:
    assert "nothing in flight" in treadle("pending", paused).stdout


def test_pending_shows_the_steps_in_flight(treadle: Treadle, store: str) -> None:
    treadle("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--detach")

    step = json.loads(treadle("pending", "t-1", "--json").stdout)[0]

    assert (step["node"], step["state"], step["worker"]) == ("first", "queued", None)
    assert step["due_ms"] > step["since_ms"]
    assert "first" in treadle("pending", "t-1").stdout
    assert "priority" not in treadle("pending", "t-1").stdout


def test_pending_shows_how_urgent_a_step_is(treadle: Treadle, store: str) -> None:
    treadle("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--priority", "9", "--detach")

    assert json.loads(treadle("pending", "t-1", "--json").stdout)[0]["priority"] == 9
    assert "(default), priority 9" in treadle("pending", "t-1").stdout


@pytest.mark.parametrize("command", ["state", "history", "pending", "log", "tail", "verify"])
def test_a_thread_that_is_not_there_is_a_usage_error(treadle: Treadle, store: str, command: str) -> None:
    result = treadle(command, "nobody")

    assert result.exit_code == 2
    assert "Error: There is no thread 'nobody'" in result.stderr
    assert result.stdout == ""


def test_a_graph_that_is_not_known_here_is_a_usage_error(
    treadle: Treadle, paused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREADLE_GRAPHS", "")

    result = treadle("state", paused)

    assert result.exit_code == 2
    assert "TREADLE_GRAPHS" in result.stderr
