"""The map_reduce graph: parts side by side, rounds until the summary is short enough."""

import threading
from typing import Any

import pytest
from pydantic import ValidationError

from graphs.examples import map_reduce
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.graph import CompiledStateGraph

CONFIG = {"thread_id": "t"}

SIX = [f"Text {number} begins. It goes on." for number in range(6)]


@pytest.fixture
def graph() -> CompiledStateGraph:
    """The graph in this process's memory."""
    return map_reduce.build().compile(MemorySaver())


def test_documents_are_summarised_until_the_summary_is_short_enough(saver: BaseCheckpointSaver) -> None:
    graph = map_reduce.build().compile(saver)

    output = graph.invoke({"texts": SIX, "words": 10}, CONFIG)

    assert output == {"summary": "Text 0 begins. Text 2 begins. Text 4 begins.", "rounds": 2}


def test_what_is_short_enough_after_one_round_is_done(graph: CompiledStateGraph) -> None:
    assert graph.invoke({"texts": ["One sentence. Another one."]}, CONFIG) == {"summary": "One sentence.", "rounds": 1}


def test_every_part_is_a_step_of_its_own(graph: CompiledStateGraph) -> None:
    graph.invoke({"texts": SIX, "words": 100}, CONFIG)

    assert ("summarize", "summarize") in [snapshot.next for snapshot in graph.get_state_history(CONFIG)]


def test_summaries_arrive_in_the_order_of_the_parts_though_the_first_ends_last(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def summarize(state: map_reduce.Part) -> map_reduce.State:
        if state["part"] == "first":
            assert ended.wait(30)
        else:
            ended.set()
        return {"summaries": [state["part"]]}

    monkeypatch.setattr(map_reduce, "PART", 1)
    monkeypatch.setattr(map_reduce, "summarize", summarize)
    graph = map_reduce.build().compile(MemorySaver())

    assert graph.invoke({"texts": ["first", "last"]}, CONFIG)["summary"] == "first last"


def test_the_graph_says_how_many_parts_are_summarised_at_a_time() -> None:
    assert map_reduce.graph.config["max_concurrency"] == map_reduce.MAX_CONCURRENCY


def test_a_second_run_on_the_thread_begins_anew(graph: CompiledStateGraph) -> None:
    graph.invoke({"texts": SIX, "words": 10}, CONFIG)

    assert graph.invoke({"texts": ["Something else."]}, CONFIG) == {"summary": "Something", "rounds": 1}


def test_it_ends_even_when_a_single_word_is_asked_for(graph: CompiledStateGraph) -> None:
    assert graph.invoke({"texts": SIX, "words": 1}, CONFIG)["summary"] == "Text"


@pytest.mark.parametrize("wrong", [{}, {"texts": []}, {"texts": "one"}, {"texts": ["one"], "words": 0}])
def test_input_that_does_not_fit_is_refused(graph: CompiledStateGraph, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        graph.invoke(wrong, CONFIG)

    assert graph.get_state(CONFIG).values == {}
