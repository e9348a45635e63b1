"""Terms, sentences and what they weigh."""

import pytest

from graphs.examples.sentences import most_telling, sentences
from graphs.examples.terms import rarities, stem, stems, terms, weights, words


def test_words_keep_hyphens_and_apostrophes_inside() -> None:
    assert words("The well-known 'worker's' café, 42 times - snake_case.") == [
        "The", "well-known", "worker's", "café", "times", "snake_case",
    ]  # fmt: skip


def test_terms_leave_out_what_every_text_has() -> None:
    assert terms("The Worker\u2019s lease doesn\u2019t end with the LEASE of it") == ["worker", "lease", "end", "lease"]


@pytest.mark.parametrize("forms", ["lease leases leased leasing", "query queries", "token tokens", "process processes"])
def test_the_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len(stems(forms)) == 1


@pytest.mark.parametrize("word", ["ring", "bus", "redis", "class"])
def test_a_short_word_stays_recognisable(word: str) -> None:
    assert word.startswith(stem(word))
    assert len(stem(word)) >= 3


def test_a_term_is_the_rarer_the_fewer_texts_have_it() -> None:
    rarity = rarities([["lease", "step"], ["step"], ["step", "clock"]])

    assert rarity["lease"] == rarity["clock"] > rarity["step"] > 0


def test_terms_that_are_frequent_here_and_rare_elsewhere_weigh_most() -> None:
    rarity = rarities([["lease", "step", "clock"], ["step"]])

    assert list(weights({"step": 1, "lease": 2, "clock": 1}, rarity)) == ["lease", "clock", "step"]


def test_sentences_end_where_the_next_one_begins_and_not_at_every_dot() -> None:
    text = "Version 1.2 of the server is out, e.g. for tests. It runs on every machine! no it does not run."

    assert sentences(text) == [
        "Version 1.2 of the server is out, e.g. for tests.",
        "It runs on every machine! no it does not run.",
    ]


def test_fragments_and_endless_sentences_are_left_out() -> None:
    assert sentences("Too short. " + "word " * 200) == []


def test_the_most_telling_sentences_answer_the_question_before_they_weigh() -> None:
    light, heavy = "Tokens rise and never fall", "Leases leases everywhere and more"

    chosen = most_telling([heavy, light, light], {"leases": 9.0}, stems("token"), 5)

    assert chosen == [light, heavy]
