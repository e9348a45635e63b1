"""Questions are replayed by their order, and their ids follow from the step alone."""

import pytest
from xxhash import xxh3_128_hexdigest

from graphs.interrupts import GraphInterrupt, Questions, question_id


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
