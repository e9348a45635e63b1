"""How questions are named, shown and asked again, as those know it who move a graph here."""

import asyncio
import threading
from typing import Any, TypedDict

import pytest
from xxhash import xxh3_128_hexdigest

from tests.workers.asking import CONFIG, Trail, asked, asking, parallel
from tests.workers.lines import line
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.config import get_config
from treadle.graph import START, StateGraph
from treadle.types import Command, Interrupt, RetryPolicy, StateSnapshot, interrupt


def own_ns(question: Any = None) -> str:
    """Return the namespace of the step that runs."""
    return str(get_config()["configurable"]["checkpoint_ns"])


def naming(state: Trail) -> dict[str, Any]:
    """Ask for two answers, each time showing the step's namespace."""
    return {"trail": [interrupt(own_ns()), interrupt(own_ns())]}


def only(output: dict[str, Any]) -> Interrupt:
    (question,) = output["__interrupt__"]
    assert isinstance(question, Interrupt)
    return question


# Their ids


def test_the_first_question_is_named_after_its_step_and_a_later_one_otherwise(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=naming)

    first = only(graph.invoke({"trail": []}, CONFIG))
    second = only(graph.invoke(Command(resume=1), CONFIG))

    assert first.id == xxh3_128_hexdigest(first.value.encode())
    assert (second.value, second.id != first.id) == (first.value, True)


def test_a_question_of_a_graph_inside_is_named_after_the_way_to_it(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, call=parallel(None, ask=naming))

    question = only(graph.invoke({"trail": []}, CONFIG))

    outer, inner = question.value.split("|")
    assert (outer.partition(":")[0], inner.partition(":")[0]) == ("call", "ask")
    assert question.id == xxh3_128_hexdigest(question.value.encode())


def test_a_fork_asks_anew(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))
    first = only(graph.invoke({"trail": []}, CONFIG))
    graph.invoke(Command(resume=1), CONFIG)
    before = next(state for state in graph.get_state_history(CONFIG) if state.next == ("ask",))

    again = only(graph.invoke(None, before.config))

    assert (again.value, again.id != first.id) == (first.value, True)


def test_questions_are_equal_by_all_they_hold() -> None:
    assert Interrupt("?", "1") == Interrupt("?", "1", None)
    assert Interrupt("?", "1") != Interrupt("?", "2")
    assert Interrupt("?", "1") != Interrupt("?", "1", {"type": "integer"})


# How they are shown


def test_a_question_is_shown_at_once_while_its_siblings_go_on(saver: BaseCheckpointSaver) -> None:
    shown = threading.Event()

    def work(state: Trail) -> dict[str, Any]:
        return {"trail": [shown.wait(10)]}

    graph = parallel(saver, ask=asking("?"), work=work)
    chunks = []
    for chunk in graph.stream({"trail": []}, CONFIG):
        chunks.append(chunk)
        shown.set()

    assert [[*chunk] for chunk in chunks] == [["__interrupt__"], ["work"]]
    assert chunks[1] == {"work": {"trail": [True]}}


def test_every_step_that_asks_is_shown_by_itself_and_all_in_the_end(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, a=asking("a?"), b=asking("b?"))

    chunks = list(graph.stream({"trail": []}, CONFIG, stream_mode=["updates", "values"]))

    updates = [question.value for mode, data in chunks if mode == "updates" for question in data["__interrupt__"]]
    assert sorted(updates) == ["a?", "b?"]
    assert sum(mode == "updates" for mode, _ in chunks) == 2
    assert asked(chunks[-1][1]) == ["a?", "b?"]


def test_a_question_is_shown_once_in_each_run(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("a?", "b?"))
    list(graph.stream({"trail": []}, CONFIG))

    resumed = list(graph.stream(Command(resume=1), CONFIG))

    assert [[question.value for question in chunk["__interrupt__"]] for chunk in resumed] == [["b?"]]


def test_a_state_that_is_no_dict_is_not_shown_beside_a_question(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(list).add_node("ask", lambda state: [interrupt("?")]).add_edge(START, "ask")

    output = builder.compile(saver).invoke([0], CONFIG)

    assert ([*output], asked(output)) == (["__interrupt__"], ["?"])


def test_a_graph_without_checkpointer_reports_what_it_asks() -> None:
    assert asked(parallel(None, ask=asking("?")).invoke({"trail": []})) == ["?"]


def test_the_state_is_as_it_was_while_a_question_waits(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        state["trail"].append("lost")
        return {"trail": [interrupt("?")]}

    graph = parallel(saver, ask=node)
    graph.invoke({"trail": [0]}, CONFIG)

    assert graph.get_state(CONFIG).values == {"trail": [0]}
    assert graph.get_state(CONFIG).tasks[0].result is None


# Asking and answering


def test_a_question_is_not_tried_again(saver: BaseCheckpointSaver) -> None:
    runs: list[int] = []

    def node(state: Trail) -> dict[str, Any]:
        runs.append(1)
        return {"trail": [interrupt("?")]}

    builder = StateGraph(Trail)
    builder.add_node("ask", node, retry_policy=RetryPolicy(retry_on=BaseException)).add_edge(START, "ask")  # type: ignore[arg-type]

    assert asked(builder.compile(saver).invoke({"trail": []}, CONFIG)) == ["?"]
    assert runs == [1]


def test_the_node_starts_again_from_its_top(saver: BaseCheckpointSaver) -> None:
    began: list[str] = []

    def node(state: Trail) -> dict[str, Any]:
        began.append("node")
        return {"trail": [interrupt("a?"), interrupt("b?")]}

    graph = parallel(saver, ask=node)
    graph.invoke({"trail": []}, CONFIG)
    for answer in (1, 2):
        graph.invoke(Command(resume=answer), CONFIG)

    assert (len(began), graph.get_state(CONFIG).values) == (3, {"trail": [1, 2]})


def test_answers_are_kept_for_each_step_by_itself(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, a=asking("a1", "a2"), b=asking("b1", "b2"))
    ids = [question.id for question in graph.invoke({"trail": []}, CONFIG)["__interrupt__"]]

    second = graph.invoke(Command(resume=dict(zip(ids, ["A1", "B1"], strict=True))), CONFIG)
    later = {question.id: question.value.upper() for question in second["__interrupt__"]}

    assert asked(second) == ["a2", "b2"]
    assert graph.invoke(Command(resume=later), CONFIG) == {"trail": ["A1", "A2", "B1", "B2"]}


def test_an_update_with_an_answer_is_written_once_and_before_the_node_runs(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=lambda state: {"trail": [interrupt("?"), len(state["trail"])]})
    graph.invoke({"trail": [0]}, CONFIG)

    output = graph.invoke(Command(resume="answer", update={"trail": ["update"]}), CONFIG)

    assert output == {"trail": [0, "update", "answer", 2]}


def test_an_update_with_an_answer_leaves_a_graph_inside_where_it_stands(saver: BaseCheckpointSaver) -> None:
    inner = parallel(None, ask=asking("a?", "b?"))
    graph = parallel(saver, call=inner)
    graph.invoke({"trail": []}, CONFIG)
    graph.invoke(Command(resume=1, update={"trail": ["update"]}), CONFIG)

    assert graph.invoke(Command(resume=2), CONFIG)["trail"] == ["update", 1, 2]


def test_an_answer_may_name_the_checkpoint_where_the_thread_stands(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))
    graph.invoke({"trail": []}, CONFIG)
    waiting = graph.get_state(CONFIG)

    output = graph.invoke(Command(resume=1), waiting.config)

    history = list(graph.get_state_history(CONFIG))
    assert output == {"trail": [1]}
    assert [(state.metadata or {})["source"] for state in history] == ["loop", "loop", "input"]
    assert history[0].parent_config == waiting.config


def in_turn(saver: BaseCheckpointSaver) -> tuple[Any, list[StateSnapshot]]:
    """Return a graph whose nodes have asked one after the other, and its history."""
    builder = StateGraph(Trail).add_sequence([("a", asking("a?", "a again?")), ("b", asking("b?"))])
    graph = builder.add_edge(START, "a").compile(saver)
    graph.invoke({"trail": [0]}, CONFIG)
    for answer in (1, 2, 3):
        graph.invoke(Command(resume=answer), CONFIG)
    return graph, list(graph.get_state_history(CONFIG))


def standing_at(history: list[StateSnapshot], node: str) -> StateSnapshot:
    return next(state for state in history if state.next == (node,))


@pytest.mark.parametrize("by_id", [False, True])
def test_an_answer_at_an_old_checkpoint_is_for_its_first_question_on_a_new_branch(
    saver: BaseCheckpointSaver, by_id: bool
) -> None:
    graph, history = in_turn(saver)
    old = standing_at(history, "a")
    answer = {old.interrupts[0].id: "new"} if by_id else "new"

    output = graph.invoke(Command(resume=answer), old.config)

    branch = list(graph.get_state_history(CONFIG))
    assert (output["trail"], asked(output)) == ([0], ["a again?"])
    assert (branch[0].parent_config, branch[1:]) == (old.config, history)
    assert asked(graph.invoke(Command(resume="and"), CONFIG)) == ["b?"]
    assert graph.invoke(Command(resume="on"), CONFIG) == {"trail": [0, "new", "and", "on"]}


def test_an_answer_at_an_old_checkpoint_that_asked_nothing_runs_it_again(saver: BaseCheckpointSaver) -> None:
    graph, history = in_turn(saver)

    output = graph.invoke(Command(resume="ignored"), standing_at(history, START).config)

    assert (output["trail"], asked(output)) == ([0], ["a?"])


def test_an_answer_to_what_waits_on_another_branch_goes_on_there(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("a?", "b?"))
    graph.invoke({"trail": [0]}, CONFIG)
    graph.invoke(Command(resume=1), CONFIG)
    waiting = graph.get_state(CONFIG)
    graph.invoke({"trail": ["elsewhere"]}, CONFIG)

    assert graph.invoke(Command(resume=2), waiting.config) == {"trail": [0, 1, 2]}


def test_an_update_at_an_old_checkpoint_lets_its_steps_run_again(saver: BaseCheckpointSaver) -> None:
    graph, history = in_turn(saver)

    output = graph.invoke(Command(update={"trail": ["update"]}), standing_at(history, "b").config)

    assert (output["trail"], asked(output)) == ([0, 1, 2, "update"], ["b?"])
    assert graph.invoke(Command(resume="new"), CONFIG) == {"trail": [0, 1, 2, "update", "new"]}


# Breakpoints, which ask nothing


@pytest.mark.parametrize("going_on", [None, Command(resume="whatever"), Command(resume={}), Command(resume=False)])
def test_any_resume_passes_a_breakpoint(saver: BaseCheckpointSaver, going_on: Any) -> None:
    graph = line(saver, "draft", "send", interrupt_before=["send"])
    paused = graph.invoke({"trail": []}, CONFIG)

    assert paused == {"trail": ["draft"]}
    assert graph.get_state(CONFIG).interrupts == ()
    assert graph.invoke(going_on, CONFIG) == {"trail": ["draft", "send"]}


def test_a_goto_at_a_breakpoint_goes_there_beside_the_node_that_waits(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "draft", "send", interrupt_before=["send"])
    graph.invoke({"trail": []}, CONFIG)

    output = graph.invoke(Command(goto="draft"), {**CONFIG, "interrupt_before": []})

    assert output["trail"][:3] == ["draft", "draft", "send"]


def test_passing_a_breakpoint_needs_no_change_of_the_state(saver: BaseCheckpointSaver) -> None:
    class Empty(TypedDict, total=False):
        nothing: str

    builder = StateGraph(Empty).add_node("a", lambda state: None).add_node("b", lambda state: None)
    graph = builder.add_edge(START, "a").add_edge("a", "b").compile(saver, interrupt_before=["a", "b"])

    inputs: list[dict[str, Any] | None] = [{}, None, None]
    nexts = []
    for value in inputs:
        graph.invoke(value, CONFIG)
        nexts.append(graph.get_state(CONFIG).next)

    assert nexts == [("a",), ("b",), ()]


def test_a_breakpoint_adds_nothing_to_the_values(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "draft", "send", interrupt_before=["send"])

    chunks = list(graph.stream({"trail": [0]}, CONFIG, stream_mode="values"))

    assert chunks == [{"trail": [0]}, {"trail": [0, "draft"]}]


def test_a_breakpoint_after_a_node_shows_the_nodes_checkpoint_first(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "draft", "send", interrupt_after=["draft"])

    chunks = list(graph.stream({"trail": []}, CONFIG, stream_mode=["checkpoints", "updates"]))

    *_, (mode, checkpoint), last = chunks
    assert (mode, checkpoint["values"], checkpoint["next"]) == ("checkpoints", {"trail": ["draft"]}, ["send"])
    assert last == ("updates", {"__interrupt__": ()})


def test_an_async_sibling_of_a_question_is_not_cancelled(saver: BaseCheckpointSaver) -> None:
    shown = threading.Event()

    async def work(state: Trail) -> dict[str, Any]:
        return {"trail": [await asyncio.to_thread(shown.wait, 10)]}

    async def ask(state: Trail) -> dict[str, Any]:
        return {"trail": [interrupt("?")]}

    chunks = []
    for chunk in parallel(saver, ask=ask, work=work).stream({"trail": []}, CONFIG):
        chunks.append(chunk)
        shown.set()

    assert chunks[-1] == {"work": {"trail": [True]}}
