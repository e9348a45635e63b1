"""Pausing for a person, and going back in a thread's history."""

from typing import Any

import pytest

from tests.workers.lines import CONFIG, line
from treadle.checkpoint.base import BaseCheckpointSaver


def test_a_breakpoint_before_a_node_pauses_there_until_the_run_is_resumed(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "draft", "review", "send", interrupt_before=["send"])

    paused = graph.invoke({"trail": []}, CONFIG)
    state = graph.get_state(CONFIG)
    resumed = graph.invoke(None, CONFIG)

    assert paused == {"trail": ["draft", "review"]}
    assert state.next == ("send",)
    assert saver.client.runs.recent("t")[1].status == "interrupted"
    assert resumed == {"trail": ["draft", "review", "send"]}


@pytest.mark.parametrize(
    ("how", "trail", "following"),
    [
        ({"interrupt_after": ["review"]}, ["draft", "review"], ("send",)),
        ({"interrupt_before": ["draft"]}, [], ("draft",)),
        ({"interrupt_before": "*"}, [], ("draft",)),
        ({"interrupt_after": ["send"]}, ["draft", "review", "send"], ()),
    ],
)
def test_breakpoints_may_stand_in_the_config_or_in_the_call(
    saver: BaseCheckpointSaver, how: dict[str, Any], trail: list[str], following: tuple[str, ...]
) -> None:
    graph = line(saver, "draft", "review", "send")

    graph.invoke({"trail": []}, {"thread_id": "in config", **how})
    graph.invoke({"trail": []}, {"thread_id": "in call"}, **how)

    for thread_id in ("in config", "in call"):
        state = graph.get_state({"thread_id": thread_id})
        assert (state.values, state.next) == ({"trail": trail}, following)
        assert saver.threads.get(thread_id).status == "paused"


def test_a_person_may_edit_the_state_before_it_goes_on(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "draft", "send", interrupt_before=["send"])
    graph.invoke({"trail": []}, CONFIG)

    graph.update_state(CONFIG, {"trail": ["edited"]})

    assert graph.invoke(None, CONFIG) == {"trail": ["draft", "edited", "send"]}


def test_the_updates_of_a_paused_run_end_with_the_interrupt(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "draft", "send", interrupt_before=["send"])

    chunks = list(graph.stream({"trail": []}, CONFIG))

    assert chunks == [{"draft": {"trail": ["draft"]}}, {"__interrupt__": ()}]


def test_every_step_makes_a_checkpoint(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a", "b")
    graph.invoke({"trail": [0]}, CONFIG)

    history = list(graph.get_state_history(CONFIG))

    assert [(s.metadata or {})["source"] for s in history] == ["loop", "loop", "loop", "input"]
    assert [(s.metadata or {})["step"] for s in history] == [2, 1, 0, -1]
    assert [s.next for s in history] == [(), ("b",), ("a",), ("__start__",)]
    assert [s.parent_config for s in history[:-1]] == [s.config for s in history[1:]]


def test_a_run_from_an_old_checkpoint_repeats_what_came_after_it(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a", "b")
    graph.invoke({"trail": [0]}, CONFIG)
    old = next(s for s in graph.get_state_history(CONFIG) if s.next == ("b",))

    output = graph.invoke(None, old.config)
    branched = graph.invoke({"trail": ["new"]}, old.config)

    assert output == {"trail": [0, "a", "b"]}
    assert branched == {"trail": [0, "a", "new", "a", "b"]}
    assert graph.get_state(old.config).values == {"trail": [0, "a"]}
