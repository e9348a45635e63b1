"""What becomes of answers: they fit the form that was asked for, or whoever gave them is told, and nothing is lost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from tests.workers.asking import CONFIG, Trail, asked, asking, parallel
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import (
    AlreadyResumed,
    AmbiguousAnswer,
    InvalidQuestion,
    NotSerializable,
    StateTooLarge,
    UnknownInterruptError,
    is_invalid_resume,
)
from treadle.graph import START, StateGraph
from treadle.types import Command, interrupt

STRICT = {**CONFIG, "strict_resume": True}
NOWHERE = "0" * 32


class Review(BaseModel):
    ok: bool
    stars: int = 0


@dataclass
class Verdict:
    ok: bool


class Note(TypedDict):
    text: str


def reviewing(schema: Any) -> Callable[[Trail], dict[str, Any]]:
    """Return a node that asks for an answer of a form, and writes what it got and of which type that is."""

    def node(state: Trail) -> dict[str, Any]:
        answer = interrupt("fine?", response_schema=schema)
        return {"trail": [type(answer).__name__, repr(answer)]}

    return node


# The form of an answer


@pytest.mark.parametrize(
    ("schema", "answer", "trail"),
    [
        (Review, {"ok": "yes"}, ["Review", "Review(ok=True, stars=0)"]),
        (Verdict, {"ok": 1}, ["Verdict", "Verdict(ok=True)"]),
        (Note, {"text": "hi"}, ["dict", "{'text': 'hi'}"]),
        (int, "36", ["int", "36"]),
        (bool, False, ["bool", "False"]),
    ],
)
def test_an_answer_comes_back_as_the_type_that_was_asked_for(
    saver: BaseCheckpointSaver, schema: Any, answer: Any, trail: list[str]
) -> None:
    graph = parallel(saver, ask=reviewing(schema))
    (question,) = graph.invoke({"trail": []}, CONFIG)["__interrupt__"]

    assert graph.invoke(Command(resume=answer), CONFIG) == {"trail": trail}
    assert isinstance(question.response_schema, dict)


def test_who_is_asked_sees_the_form_as_json_schema(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=reviewing(Review))

    (question,) = graph.invoke({"trail": []}, CONFIG)["__interrupt__"]

    assert question.response_schema == Review.model_json_schema()
    assert graph.get_state(CONFIG).interrupts == (question,)


def test_a_dict_is_shown_as_it_is_and_checks_nothing(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=reviewing({"type": "integer"}))
    (question,) = graph.invoke({"trail": []}, CONFIG)["__interrupt__"]

    output = graph.invoke(Command(resume="many"), CONFIG)

    assert question.response_schema == {"type": "integer"}
    assert output == {"trail": ["str", "'many'"]}


def test_an_answer_that_does_not_fit_is_refused_and_the_question_can_be_answered_again(
    saver: BaseCheckpointSaver,
) -> None:
    graph = parallel(saver, ask=reviewing(Review))
    first = graph.invoke({"trail": []}, CONFIG)

    with pytest.raises(ValidationError, match="unable to interpret input") as refused:
        graph.invoke(Command(resume={"ok": "perhaps"}), CONFIG)

    assert is_invalid_resume(refused.value)
    assert graph.get_state(CONFIG).interrupts == tuple(first["__interrupt__"])
    assert graph.invoke(None, CONFIG) == first
    assert graph.invoke(Command(resume={"ok": True}), CONFIG)["trail"][0] == "Review"


def test_a_refused_answer_cannot_be_swallowed_by_the_node(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        try:
            return {"trail": [interrupt("?", response_schema=int)]}
        except Exception:
            return {"trail": ["swallowed"]}

    graph = parallel(saver, ask=node)
    graph.invoke({"trail": []}, CONFIG)

    with pytest.raises(ValidationError):
        graph.invoke(Command(resume="many"), CONFIG)


def test_beside_a_refused_answer_the_other_answered_steps_finish(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, a=reviewing(int), b=asking("b?"), c=asking("c?"))
    ids = {question.value: question.id for question in graph.invoke({"trail": []}, CONFIG)["__interrupt__"]}

    with pytest.raises(ValidationError):
        graph.invoke(Command(resume={ids["fine?"]: "many", ids["b?"]: 2}), CONFIG)
    after_refusal = graph.get_state(CONFIG)
    partly = graph.invoke(Command(resume={ids["c?"]: 3}), CONFIG)
    output = graph.invoke(Command(resume=1), CONFIG)

    assert (after_refusal.values, after_refusal.next) == ({"trail": [2]}, ("a", "c"))
    assert asked(partly) == ["fine?"]  # the refusal was that run's, and is over
    assert output == {"trail": ["int", "1", 2, 3]}


def test_a_refused_answer_leaves_the_earlier_answers_of_its_node(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        return {"trail": [interrupt("name?"), interrupt("age?", response_schema=int)]}

    graph = parallel(saver, ask=node)
    graph.invoke({"trail": []}, CONFIG)
    graph.invoke(Command(resume="ada"), CONFIG)
    with pytest.raises(ValidationError):
        graph.invoke(Command(resume="old"), CONFIG)

    assert graph.invoke(Command(resume=36), CONFIG) == {"trail": ["ada", 36]}


def test_the_log_and_the_run_tell_of_a_refused_answer(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=reviewing(int))
    (question,) = graph.invoke({"trail": []}, CONFIG)["__interrupt__"]
    with pytest.raises(ValidationError):
        graph.invoke(Command(resume="many"), CONFIG)

    *_, resumed, _, refused, finished = saver.client.log.read("t")

    assert (resumed.kind, refused.kind, finished.kind) == ("resumed", "refused", "finished")
    assert refused.data["questions"] == resumed.data["answered"] == [question.id]
    assert "int_parsing" in refused.data["error"]
    assert (finished.data["status"], saver.threads.get("t").status) == ("interrupted", "paused")


def test_another_reader_of_the_run_gets_the_same_error(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=reviewing(Review))
    graph.invoke({"trail": []}, CONFIG)
    with pytest.raises(ValidationError) as here:
        graph.invoke(Command(resume={"ok": "perhaps {so}"}), CONFIG)

    run = saver.client.runs.recent("t")[0]
    with pytest.raises(ValidationError) as elsewhere:
        graph.run_handle("t", run.id).result()

    assert is_invalid_resume(elsewhere.value)
    assert elsewhere.value.title == here.value.title
    assert [{**line, "url": ""} for line in elsewhere.value.errors()] == [
        {**line, "url": ""} for line in here.value.errors(include_url=False)
    ]


def test_a_stream_of_a_refused_answer_ends_with_the_error(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=reviewing(int))
    graph.invoke({"trail": []}, CONFIG)

    with pytest.raises(ValidationError) as refused:
        list(graph.stream(Command(resume="many"), CONFIG))

    assert is_invalid_resume(refused.value)


@pytest.mark.parametrize("in_body", [False, True])
def test_an_answer_to_a_graph_inside_is_checked_all_the_same(saver: BaseCheckpointSaver, in_body: bool) -> None:
    inner = parallel(None, ask=reviewing(int), other=asking("other?"))
    outer = parallel(saver, call=(lambda state: inner.invoke(state)) if in_body else inner)
    ids = {question.value: question.id for question in outer.invoke({"trail": []}, CONFIG)["__interrupt__"]}

    with pytest.raises(ValidationError) as refused:
        outer.invoke(Command(resume={ids["fine?"]: "many", ids["other?"]: "said"}), CONFIG)
    pending = outer.get_state(CONFIG).interrupts
    output = outer.invoke(Command(resume=36), CONFIG)

    assert is_invalid_resume(refused.value)
    assert [question.id for question in pending] == [ids["fine?"]]
    assert output == {"trail": ["int", "36", "said"]}


@pytest.mark.parametrize("schema", [type("Plain", (), {}), object()])
def test_a_schema_that_is_none_is_the_nodes_error(saver: BaseCheckpointSaver, schema: Any) -> None:
    with pytest.raises(InvalidQuestion, match="no response schema"):
        parallel(saver, ask=reviewing(schema)).invoke({"trail": []}, CONFIG)


# Which question an answer is for


def test_two_questions_inside_of_one_graph_need_their_ids(saver: BaseCheckpointSaver) -> None:
    inner = StateGraph(Trail).add_node("a", asking("a?")).add_node("b", asking("b?"))
    inner.add_edge(START, "a").add_edge(START, "b")
    graph = parallel(saver, call=inner.compile())
    ids = {question.value: question.id for question in graph.invoke({"trail": []}, CONFIG)["__interrupt__"]}

    with pytest.raises(
        AmbiguousAnswer,
        match=r"When there are multiple pending interrupts, you must specify the interrupt id when resuming\.",
    ):
        graph.invoke(Command(resume="both"), CONFIG)

    assert asked(graph.invoke(Command(resume={ids["a?"]: 1}), CONFIG)) == ["b?"]
    assert graph.invoke(Command(resume=2), CONFIG) == {"trail": [1, 2]}


def test_answers_to_questions_that_do_not_wait_are_ignored_beside_one_that_does(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))
    (question,) = graph.invoke({"trail": []}, CONFIG)["__interrupt__"]

    assert graph.invoke(Command(resume={NOWHERE: 0, question.id: 1}), CONFIG) == {"trail": [1]}


def test_answers_that_are_all_to_questions_that_do_not_wait_are_refused(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))
    graph.invoke({"trail": []}, CONFIG)

    with pytest.raises(AlreadyResumed, match=NOWHERE):
        graph.invoke(Command(resume={NOWHERE: 1}), CONFIG)


def test_no_answers_answer_nothing(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, a=asking("a?"), b=asking("b?"))
    first = graph.invoke({"trail": []}, CONFIG)

    assert graph.invoke(Command(resume={}), CONFIG) == first


@pytest.mark.parametrize(
    ("resume", "reason", "interrupt_ids"),
    [({NOWHERE: 1}, "not_pending", (NOWHERE,)), ({}, "empty_map", ()), ("both", "ambiguous", ())],
)
def test_in_strict_mode_every_answer_is_for_a_question_that_waits(
    saver: BaseCheckpointSaver, resume: Any, reason: str, interrupt_ids: tuple[str, ...]
) -> None:
    graph = parallel(saver, a=asking("a?"), b=asking("b?"))
    ids = tuple(question.id for question in graph.invoke({"trail": []}, CONFIG)["__interrupt__"])
    before = list(saver.client.log.read("t"))

    with pytest.raises(UnknownInterruptError, match=ids[0]) as refused:
        graph.invoke(Command(resume=resume), STRICT)

    found = refused.value
    assert (found.reason, found.interrupt_ids, found.pending_ids) == (reason, interrupt_ids, ids)
    assert list(saver.client.log.read("t")) == before


def test_in_strict_mode_one_unknown_id_refuses_the_known_ones_too(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))
    (question,) = graph.invoke({"trail": []}, CONFIG)["__interrupt__"]

    with pytest.raises(UnknownInterruptError, match="not resumed"):
        graph.invoke(Command(resume={NOWHERE: 0, question.id: 1}), STRICT)

    assert graph.invoke(Command(resume={question.id: 1}), STRICT) == {"trail": [1]}


# Answers that cannot be kept


def test_an_answer_that_cannot_be_stored_is_refused_at_the_door(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))
    (question,) = graph.invoke({"trail": []}, CONFIG)["__interrupt__"]
    before = list(saver.client.log.read("t"))

    with pytest.raises(NotSerializable, match=f"The answer to question {question.id} holds a object"):
        graph.invoke(Command(resume=[object()]), CONFIG)

    assert list(saver.client.log.read("t")) == before
    assert graph.invoke(Command(resume=1), CONFIG) == {"trail": [1]}


def test_an_answer_that_is_too_large_is_refused_at_the_door(
    saver: BaseCheckpointSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREADLE_MAX_VALUE_BYTES", "2000")
    graph = parallel(saver, ask=asking("?"))
    (question,) = graph.invoke({"trail": []}, CONFIG)["__interrupt__"]

    with pytest.raises(StateTooLarge, match=f"The answer to question {question.id} takes"):
        graph.invoke(Command(resume="x" * 2_001), CONFIG)

    assert graph.get_state(CONFIG).interrupts == (question,)


# Who answered


@pytest.mark.parametrize(
    "who",
    [{"metadata": {"user": "ada"}}, {"configurable": {"langgraph_auth_user": {"identity": "ada"}}}],
)
def test_the_log_names_who_answered_what_and_when(saver: BaseCheckpointSaver, who: dict[str, Any]) -> None:
    graph = parallel(saver, ask=asking("?"))
    (question,) = graph.invoke({"trail": []}, CONFIG)["__interrupt__"]
    graph.invoke(Command(resume=1), {**CONFIG, **who})

    (entry,) = [entry for entry in saver.client.log.read("t") if entry.kind == "resumed"]

    assert (entry.data["answered"], entry.data["by"]) == ([question.id], "ada")
    assert entry.at_ms > 0


def test_an_answer_that_comes_when_the_run_has_ended_is_told_so(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=asking("?"))
    graph.invoke({"trail": []}, CONFIG)
    answered = graph.invoke(Command(resume="mine"), CONFIG)

    with pytest.raises(AlreadyResumed, match="its log says who resumed it"):
        graph.invoke(Command(resume="yours"), CONFIG)

    assert graph.invoke(None, CONFIG) == answered
