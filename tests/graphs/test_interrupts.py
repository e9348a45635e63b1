"""Questions are replayed by their order, and their ids follow from the step alone."""

from datetime import UTC, datetime, timedelta

import pytest
from xxhash import xxh3_128_hexdigest

from graphs.errors import is_invalid_resume
from graphs.interrupts import Deadline, GraphInterrupt, Questions, deadline_of, question_id


def test_the_first_question_has_the_hash_of_its_step_as_its_id() -> None:
    assert question_id("node:1", 0) == xxh3_128_hexdigest(b"node:1")


def test_later_questions_of_a_step_have_ids_of_their_own() -> None:
    assert len({question_id("node:1", index) for index in range(5)}) == 5


def test_answers_are_replayed_in_the_order_of_the_questions() -> None:
    questions = Questions("node:1", {question_id("node:1", 0): "ada", question_id("node:1", 1): None})

    answers = [questions.ask("name?"), questions.ask("age?")]

    assert answers == ["ada", None]


def test_a_question_without_an_answer_ends_the_node() -> None:
    questions = Questions("node:1", {question_id("node:1", 0): "ada"})
    questions.ask("name?")

    with pytest.raises(GraphInterrupt) as asked:
        questions.ask("age?")

    (question,) = asked.value.interrupts
    assert (question.value, question.id) == ("age?", question_id("node:1", 1))


def test_the_signal_is_no_exception_that_a_node_would_catch() -> None:
    assert not issubclass(GraphInterrupt, Exception)


def test_an_answer_that_does_not_fit_asks_again_and_says_why() -> None:
    questions = Questions("node:1", {question_id("node:1", 0): "many"})

    with pytest.raises(GraphInterrupt) as asked:
        questions.ask("how many?", int)

    assert [question.id for question in asked.value.interrupts] == [question_id("node:1", 0)]
    assert asked.value.refused is not None
    assert is_invalid_resume(asked.value.refused)


def test_a_question_takes_its_deadline_along() -> None:
    deadline = deadline_of(1.5, "nobody")

    with pytest.raises(GraphInterrupt) as asked:
        Questions("node:1").ask("name?", None, deadline)

    assert asked.value.deadline == deadline == Deadline(timedelta(seconds=1.5), "nobody")


def test_a_deadline_is_a_time_from_now_or_a_moment() -> None:
    moment = datetime(2100, 1, 1, tzinfo=UTC)

    assert deadline_of(timedelta(1), None) == Deadline(timedelta(1), None)
    assert deadline_of(moment, None) == Deadline(moment, None)
    assert deadline_of(None, ...) is None
