"""Asking a person: the question is kept, the answer is replayed, and of two answers one counts."""

from typing import Any

import pytest

from tests.workers.asking import CONFIG, Trail, asked, asking, parallel
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import AlreadyResumed, AmbiguousAnswer, NotSerializable, OutsideOfStep
from treadle.graph import START, StateGraph
from treadle.types import Command, Interrupt, Send, interrupt


def test_a_question_pauses_the_run_and_its_answer_ends_it(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("name?"))

    paused = graph.invoke({"trail": [0]}, CONFIG)
    state = graph.get_state(CONFIG)
    output = graph.invoke(Command(resume="ada"), CONFIG)

    assert (paused["trail"], asked(paused)) == ([0], ["name?"])
    assert state.interrupts == state.tasks[0].interrupts == tuple(paused["__interrupt__"])
    assert (state.next, saver.client.runs.recent("t")[1].status) == (("ask",), "interrupted")
    assert output == {"trail": [0, "ada"]}


def test_several_questions_of_one_node_are_asked_one_by_one_and_replayed_in_order(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("name?", "age?", "town?"))
    outputs = [graph.invoke({"trail": []}, CONFIG)]

    for answer in ("ada", 36):
        outputs.append(graph.invoke(Command(resume=answer), CONFIG))

    assert [asked(output) for output in outputs] == [["name?"], ["age?"], ["town?"]]
    assert len({output["__interrupt__"][0].id for output in outputs}) == 3
    assert graph.invoke(Command(resume="london"), CONFIG) == {"trail": ["ada", 36, "london"]}


@pytest.mark.parametrize("answer", [False, 0, "", [], {"key": 1}, None.__class__.__name__])
def test_a_falsy_or_plain_dict_answer_is_an_answer(saver: BaseCheckpointSaver, answer: Any) -> None:
    graph = parallel(saver, ask=asking("?"))
    graph.invoke({"trail": []}, CONFIG)

    assert graph.invoke(Command(resume=answer), CONFIG) == {"trail": [answer]}


def test_an_async_node_may_ask(saver: BaseCheckpointSaver) -> None:
    async def node(state: Trail) -> dict[str, Any]:
        return {"trail": [interrupt("?")]}

    graph = parallel(saver, ask=node)
    graph.invoke({"trail": []}, CONFIG)

    assert graph.invoke(Command(resume=1), CONFIG) == {"trail": [1]}


def test_siblings_of_a_question_finish_and_do_not_run_again(saver: BaseCheckpointSaver) -> None:
    runs: list[str] = []

    def work(state: Trail) -> dict[str, Any]:
        runs.append("work")
        return {"trail": ["work"]}

    graph = parallel(saver, ask=asking("?"), work=work)
    graph.invoke({"trail": []}, CONFIG)

    output = graph.invoke(Command(resume="answer"), CONFIG)

    assert output == {"trail": ["answer", "work"]}
    assert runs == ["work"]


def test_several_pending_questions_are_answered_by_id_in_any_number_of_turns(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, a=asking("a?"), b=asking("b?"), c=asking("c?"))
    ids = {question.value: question.id for question in graph.invoke({"trail": []}, CONFIG)["__interrupt__"]}

    some = graph.invoke(Command(resume={ids["c?"]: 3, ids["a?"]: 1}), CONFIG)
    output = graph.invoke(Command(resume={ids["b?"]: 2}), CONFIG)

    assert asked(some) == ["b?"]
    assert output == {"trail": [1, 2, 3]}


def test_one_answer_for_several_questions_is_refused(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, a=asking("a?"), b=asking("b?"))
    graph.invoke({"trail": []}, CONFIG)

    with pytest.raises(AmbiguousAnswer, match="multiple pending interrupts"):
        graph.invoke(Command(resume="both"), CONFIG)

    assert len(graph.get_state(CONFIG).interrupts) == 2


def test_of_two_people_who_answer_the_second_is_told(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))
    question = graph.invoke({"trail": []}, CONFIG)["__interrupt__"][0]
    graph.invoke(Command(resume={question.id: "first"}), CONFIG)

    with pytest.raises(AlreadyResumed, match=question.id):
        graph.invoke(Command(resume={question.id: "second"}), CONFIG)

    assert graph.get_state(CONFIG).values == {"trail": ["first"]}


def test_going_on_without_an_answer_asks_the_same_again(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))

    first = graph.invoke({"trail": []}, CONFIG)
    second = graph.invoke(None, CONFIG)
    fresh = graph.invoke({"trail": []}, CONFIG)

    assert first == second
    assert fresh["__interrupt__"][0].id != first["__interrupt__"][0].id


def test_a_question_cannot_be_swallowed(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        try:
            return {"trail": [interrupt("?")]}
        except Exception:
            return {"trail": ["swallowed"]}

    assert asked(parallel(saver, ask=node).invoke({"trail": []}, CONFIG)) == ["?"]


def test_answers_outlive_a_failure_after_them(saver: BaseCheckpointSaver) -> None:
    broken = [True]

    def node(state: Trail) -> dict[str, Any]:
        answer = interrupt("?")
        if broken.pop() if broken else False:
            raise ZeroDivisionError
        return {"trail": [answer]}

    graph = parallel(saver, ask=node)
    graph.invoke({"trail": []}, CONFIG)
    with pytest.raises(ZeroDivisionError):
        graph.invoke(Command(resume="kept"), CONFIG)

    assert graph.invoke(None, CONFIG) == {"trail": ["kept"]}


def test_streams_show_a_question_when_it_is_asked(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))

    chunks = list(graph.stream({"trail": [0]}, CONFIG, stream_mode=["updates", "values"]))

    question = Interrupt("?", graph.get_state(CONFIG).interrupts[0].id)
    assert chunks == [
        ("values", {"trail": [0]}),
        ("updates", {"__interrupt__": (question,)}),
        ("values", {"trail": [0], "__interrupt__": (question,)}),
    ]


def test_a_question_that_cannot_be_stored_is_the_nodes_failure(saver: BaseCheckpointSaver) -> None:
    with pytest.raises(NotSerializable, match="asks"):
        parallel(saver, ask=asking(object())).invoke({"trail": []}, CONFIG)


def test_the_history_keeps_every_question_that_was_asked(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("name?", "age?"))
    graph.invoke({"trail": []}, CONFIG)
    graph.invoke(Command(resume="ada"), CONFIG)
    waiting = graph.get_state(CONFIG)
    graph.invoke(Command(resume=36), CONFIG)

    recorded = next(state for state in graph.get_state_history(CONFIG) if state.next == ("ask",))

    assert [question.value for question in waiting.interrupts] == ["age?"]
    assert [question.value for question in recorded.interrupts] == ["name?", "age?"]
    assert recorded.tasks[0].result == {"trail": ["ada", 36]}


def test_who_reads_a_run_later_sees_what_it_asked(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))
    graph.invoke({"trail": []}, CONFIG)
    first = saver.client.runs.recent("t")[0]
    graph.invoke(Command(resume=1), CONFIG)

    parts = list(graph.run_handle("t", first.id).stream(["updates", "values"]))

    asked = [part["data"]["__interrupt__"] for part in parts if "__interrupt__" in part["data"]]
    open_at_the_end = [part["interrupts"] for part in parts if part["type"] == "values"][-1]
    assert [question.value for (question,) in (*asked, open_at_the_end)] == ["?", "?"]


def test_the_log_says_when_it_was_asked_and_resumed(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))
    graph.invoke({"trail": []}, CONFIG)
    graph.invoke(Command(resume=1), CONFIG)

    kinds = [entry.kind for entry in saver.client.log.read("t")]

    assert kinds == [
        *("created", "started", "leased", "interrupted", "finished"),
        *("resumed", "leased", "committed", "finished"),
    ]
    assert saver.client.log.verify("t") is None


def test_outside_of_a_node_there_is_nobody_to_ask() -> None:
    with pytest.raises(OutsideOfStep, match="interrupt"):
        interrupt("?")


def test_the_items_of_a_map_may_ask_each_their_own(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail).add_node("item", lambda arg: {"trail": [interrupt(arg["n"])]})
    builder.add_conditional_edges(START, lambda state: [Send("item", {"n": n}) for n in range(3)], ["item"])
    graph = builder.compile(saver)

    ids = [question.id for question in graph.invoke({"trail": []}, CONFIG)["__interrupt__"]]
    output = graph.invoke(Command(resume={id_: number * 10 for number, id_ in enumerate(ids)}), CONFIG)

    assert output == {"trail": [0, 10, 20]}
