"""What a step asked, and what it was answered."""

from graphs.commands import Interrupt
from scheduler.dialogue import Dialogue, waiting

NAME, AGE = Interrupt("name?", "1"), Interrupt("age?", "2", {"type": "integer"})


def test_a_question_waits_until_it_is_answered() -> None:
    dialogue = Dialogue().asking([NAME])

    answered = dialogue.answered({NAME.id: "ada"})

    assert (dialogue.pending, answered.pending) == ((NAME,), ())


def test_a_question_that_is_asked_again_counts_once() -> None:
    dialogue = Dialogue().asking([NAME]).asking([NAME])

    assert dialogue.asked == (NAME,)


def test_an_answer_to_a_question_that_is_asked_again_is_dropped() -> None:
    answered = Dialogue().asking([NAME]).answered({NAME.id: "ada"}).asking([AGE]).answered({AGE.id: "old"})

    again = answered.asking([AGE])

    assert (again.asked, again.pending, again.answers) == ((NAME, AGE), (AGE,), {NAME.id: "ada"})


def test_questions_are_answered_in_their_order() -> None:
    dialogue = Dialogue().asking([NAME]).answered({NAME.id: "ada"}).asking([AGE])

    assert (dialogue.asked, dialogue.pending, dialogue.answers) == ((NAME, AGE), (AGE,), {NAME.id: "ada"})


def test_a_dialogue_outlives_its_record() -> None:
    dialogue = Dialogue().asking([NAME]).answered({NAME.id: None}).asking([AGE])

    assert Dialogue.of({"error": {}, **dialogue.record()}) == dialogue
    assert Dialogue().record() == {}


def test_a_finished_step_waits_for_nothing() -> None:
    record = Dialogue().asking([NAME]).record()

    assert waiting(record) == (NAME,)
    assert waiting({"updates": [], **record}) == ()


def test_an_answer_to_another_question_is_none() -> None:
    dialogue = Dialogue().asking([NAME]).answered({AGE.id: 36})

    assert (dialogue.pending, dialogue.answers) == ((NAME,), {})
