"""A question with a deadline: its default answer counts once that has passed, and until then anybody's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.workers.asking import CONFIG, Trail, asked, asking, parallel
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import InvalidQuestion, NotSerializable
from treadle.types import Command, interrupt

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def hasty(question: str = "?", deadline: Any = 0, default: Any = "nobody", **form: Any) -> Callable[[Trail], Any]:
    """Return a node that asks with a deadline, and writes what it was answered."""
    return lambda state: {"trail": [interrupt(question, deadline=deadline, default=default, **form)]}


@pytest.mark.parametrize("deadline", [0, 0.0, timedelta(0), LONG_AGO])
def test_after_the_deadline_the_default_answers_when_the_run_goes_on(saver: BaseCheckpointSaver, deadline: Any) -> None:
    graph = parallel(saver, ask=hasty(deadline=deadline))
    paused = graph.invoke({"trail": []}, CONFIG)

    assert asked(paused) == ["?"]
    assert graph.invoke(None, CONFIG) == {"trail": ["nobody"]}


@pytest.mark.parametrize("deadline", [3600, timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)])
def test_before_the_deadline_the_question_waits(saver: BaseCheckpointSaver, deadline: Any) -> None:
    graph = parallel(saver, ask=hasty(deadline=deadline))
    paused = graph.invoke({"trail": []}, CONFIG)

    assert graph.invoke(None, CONFIG) == paused
    assert graph.invoke(Command(resume="ada"), CONFIG) == {"trail": ["ada"]}


@pytest.mark.parametrize("default", [None, False, 0, "", []])
def test_a_falsy_default_is_an_answer(saver: BaseCheckpointSaver, default: Any) -> None:
    graph = parallel(saver, ask=hasty(default=default))
    graph.invoke({"trail": []}, CONFIG)

    assert graph.invoke(None, CONFIG) == {"trail": [default]}


def test_a_person_who_answers_before_anybody_looks_is_in_time(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=hasty())
    graph.invoke({"trail": []}, CONFIG)

    assert graph.invoke(Command(resume="ada"), CONFIG) == {"trail": ["ada"]}


def test_only_the_questions_that_are_late_get_their_defaults(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, a=hasty("a?"), b=hasty("b?", 3600), c=asking("c?"))
    graph.invoke({"trail": []}, CONFIG)

    assert asked(graph.invoke(None, CONFIG)) == ["b?", "c?"]
    assert graph.get_state(CONFIG).values == {"trail": ["nobody"]}


def test_a_later_question_of_the_node_has_a_deadline_of_its_own(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        return {"trail": [interrupt(name, deadline=0, default=name.upper()) for name in ("a", "b")]}

    graph = parallel(saver, ask=node)

    outputs = [graph.invoke({"trail": []}, CONFIG), graph.invoke(None, CONFIG)]

    assert [asked(output) for output in outputs] == [["a"], ["b"]]
    assert graph.invoke(None, CONFIG) == {"trail": ["A", "B"]}


def test_a_question_that_is_asked_again_keeps_its_first_deadline(saver: BaseCheckpointSaver) -> None:
    deadlines = [timedelta(hours=1), timedelta(0), timedelta(0)]
    graph = parallel(saver, ask=lambda state: hasty(deadline=deadlines.pop(0))(state))

    outputs = [graph.invoke({"trail": []}, CONFIG), graph.invoke(None, CONFIG), graph.invoke(None, CONFIG)]

    assert [asked(output) for output in outputs] == [["?"]] * 3


def test_a_deadline_outlives_the_failure_of_a_sibling(saver: BaseCheckpointSaver) -> None:
    broken = [True]

    def sibling(state: Trail) -> None:
        if broken.pop() if broken else False:
            raise ZeroDivisionError

    graph = parallel(saver, ask=hasty(), sibling=sibling)
    with pytest.raises(ZeroDivisionError):
        graph.invoke({"trail": []}, CONFIG)

    assert graph.invoke(None, CONFIG) == {"trail": ["nobody"]}


@pytest.mark.parametrize("in_body", [False, True])
def test_a_question_of_a_graph_inside_has_a_deadline_too(saver: BaseCheckpointSaver, in_body: bool) -> None:
    inner = parallel(None, ask=hasty())
    middle = parallel(None, call=(lambda state: inner.invoke(state)) if in_body else inner)
    graph = parallel(saver, call=middle)
    paused = graph.invoke({"trail": []}, CONFIG)

    assert asked(paused) == ["?"]
    assert graph.invoke(None, CONFIG) == {"trail": ["nobody"]}


def test_the_log_says_that_the_deadline_answered(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=hasty())
    (question,) = graph.invoke({"trail": []}, CONFIG)["__interrupt__"]
    graph.invoke(None, {**CONFIG, "metadata": {"user": "ada"}})

    (entry,) = [entry for entry in saver.client.log.read("t") if entry.kind == "resumed"]

    assert (entry.data["answered"], entry.data["by"]) == ([question.id], "deadline")


def test_a_default_has_the_form_that_was_asked_for(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=hasty(default="36", response_schema=int))
    graph.invoke({"trail": []}, CONFIG)

    assert graph.invoke(None, CONFIG) == {"trail": [36]}


@pytest.mark.parametrize(
    ("asks", "match"),
    [
        ({"deadline": 60}, "A deadline needs the answer"),
        ({"default": "nobody"}, "A deadline needs the answer"),
        ({"deadline": datetime(2020, 1, 1), "default": 1}, "has no time zone"),
        ({"deadline": 60, "default": "many", "response_schema": int}, "The default answer 'many' does not fit"),
    ],
)
def test_a_deadline_that_makes_no_sense_is_the_nodes_error(
    saver: BaseCheckpointSaver, asks: dict[str, Any], match: str
) -> None:
    graph = parallel(saver, ask=lambda state: {"trail": [interrupt("?", **asks)]})

    with pytest.raises(InvalidQuestion, match=match):
        graph.invoke({"trail": []}, CONFIG)


def test_a_default_that_cannot_be_stored_is_the_nodes_failure(saver: BaseCheckpointSaver) -> None:
    with pytest.raises(NotSerializable, match="The default of node 'ask'"):
        parallel(saver, ask=hasty(default=object())).invoke({"trail": []}, CONFIG)


def test_deadlines_end_with_their_thread(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=hasty())
    graph.invoke({"trail": []}, CONFIG)
    connection = saver.engine.connection
    key = connection.place("t").keys.deadlines

    asked_for = connection.redis.hgetall(key)
    saver.delete_thread("t")

    assert len(asked_for) == 2
    assert connection.redis.hgetall(key) == {}


def test_a_deadline_outlives_an_update_of_the_state(saver: BaseCheckpointSaver) -> None:
    graph = parallel(saver, ask=hasty())
    graph.invoke({"trail": []}, CONFIG)
    graph.invoke(Command(update={"trail": ["update"]}), CONFIG)

    assert graph.invoke(None, CONFIG) == {"trail": ["update", "nobody"]}
