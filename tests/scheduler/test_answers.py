"""Which question an answer is for."""

from typing import Any

import pytest

from graphs.commands import Interrupt
from scheduler.answers import assigned
from scheduler.errors import AlreadyResumed, AmbiguousAnswer, UnknownInterruptError

A, B, NOWHERE = "a" * 32, "b" * 32, "0" * 32
ONE, TWO = [Interrupt("a?", A)], [Interrupt("a?", A), Interrupt("b?", B)]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("pending", "resume", "answers"),
    [
        (ONE, "yes", {A: "yes"}),
        (ONE, False, {A: False}),
        (ONE, {"key": 1}, {A: {"key": 1}}),
        (ONE, {A: 1}, {A: 1}),
        (TWO, {B: None}, {B: None}),
        ([], "whatever", {}),
    ],
)
def test_an_answer_is_for_the_only_question_or_for_the_one_it_names(
    strict: bool, pending: list[Interrupt], resume: Any, answers: dict[str, Any]
) -> None:
    assert assigned("t", pending, resume, strict=strict) == answers


def test_no_answers_are_for_none() -> None:
    assert assigned("t", TWO, {}) == {}


def test_one_answer_for_several_questions_is_ambiguous() -> None:
    with pytest.raises(AmbiguousAnswer, match=f"waits for: {A}, {B}"):
        assigned("t", TWO, "both")


def test_ids_that_nothing_waits_for_are_ignored_unless_they_are_all() -> None:
    assert assigned("t", ONE, {A: 1, NOWHERE: 2}) == {A: 1}
    with pytest.raises(AlreadyResumed):
        assigned("t", ONE, {NOWHERE: 2})


@pytest.mark.parametrize(
    ("resume", "reason", "said"),
    [
        ({A: 1, NOWHERE: 2}, "not_pending", f"no question waits with the id {NOWHERE}"),
        ({}, "empty_map", "the answers are empty"),
        ("both", "ambiguous", "one answer was given for several questions"),
    ],
)
def test_in_strict_mode_an_answer_must_be_for_what_waits(resume: Any, reason: str, said: str) -> None:
    with pytest.raises(UnknownInterruptError, match=f"{said}. It waits for: {A}, {B}") as refused:
        assigned("t", TWO, resume, strict=True)

    assert (refused.value.reason, refused.value.pending_ids) == (reason, (A, B))
