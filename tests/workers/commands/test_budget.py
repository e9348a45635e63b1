"""The command about what a thread may spend."""

import json
from typing import Any

from treadle.graph import CompiledStateGraph

from .conftest import Treadle


def answer(treadle: Treadle, *arguments: str) -> Any:
    """Return what a command answers a program."""
    result = treadle(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_budget_is_set_shown_and_taken_away(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.invoke({"text": "x"}, {"thread_id": "t-1"}, budget={"steps": 1})

    told = answer(treadle, "budget", "t-1", "--set", "usd=2.5", "--set", "steps=5")
    assert told["limits"] == {"usd": 2.5, "steps": 5}
    assert (told["spent"]["steps"], told["left"]["steps"], told["status"]) == (1, 4, "paused")
    (run,) = told["runs"]
    assert (run["reached"][0]["unit"], run["spent"]["steps"]) == ("steps", 1)
    shown = treadle("budget", "t-1").stdout
    assert "usd" in shown
    assert "2.5" in shown
    assert "budget: 1 of 1 steps" in treadle("log", "t-1").stdout
    assert answer(treadle, "budget", "t-1", "--set", "usd=null")["limits"] == {"steps": 5}


def test_a_run_is_begun_with_a_budget(treadle: Treadle, store: str) -> None:
    begun = ("run", "sample", "--thread", "t-1", "--input", '{"text": "x"}', "--budget", "tokens=5", "--detach")
    answer(treadle, *begun)

    assert answer(treadle, "budget", "t-1")["runs"][0]["limits"] == {"tokens": 5}
    assert treadle("budget", "t-1", "--set", "tokens=-1").exit_code != 0
    assert "There is no thread" in treadle("budget", "nobody").stderr
    assert treadle(*begun[:-2], "tokens=none", "--detach").exit_code != 0


def test_a_thread_of_which_nothing_is_counted_says_so(treadle: Treadle, graph: CompiledStateGraph) -> None:
    graph.invoke({"text": "x"}, {"thread_id": "t-1"})

    assert "Nothing is counted" in treadle("budget", "t-1").stdout
