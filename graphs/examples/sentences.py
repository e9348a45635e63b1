"""The sentences of a text, and which of them carry what it is about."""

import re
from collections.abc import Mapping, Sequence

from .terms import stem, terms

#: A full stop, then a word that does not begin small, or an opening quotation mark or bracket.
_BORDER = re.compile(r"(?<=[.!?])\s+(?=[^\W_a-z]|[\"'(`\u2018\u201c\u201e])")
_FEWEST_WORDS = 5
_MOST_CHARACTERS = 400
#: What a sentence's length counts at the least, so that the shortest does not win by being short.
_COMFORTABLE_TERMS = 6


def sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph; fragments and endless ones are left out."""
    found = (" ".join(part.split()) for part in _BORDER.split(text))
    return [one for one in found if len(one.split()) >= _FEWEST_WORDS and len(one) <= _MOST_CHARACTERS]


def most_telling(
    candidates: Sequence[str], weights: Mapping[str, float], question: frozenset[str], most: int
) -> list[str]:
    """Return the sentences that carry the most, the best first.

    Those with more of the question's stems come first, then those whose terms weigh more, then the earlier ones.
    """
    distinct = list(dict.fromkeys(candidates))
    scored = sorted(distinct, key=lambda sentence: _score(sentence, weights, question), reverse=True)
    return scored[:most]


def _score(sentence: str, weights: Mapping[str, float], question: frozenset[str]) -> tuple[int, float]:
    found = list(dict.fromkeys(terms(sentence)))
    answered = len(question.intersection(map(stem, found)))
    weight = sum(weights.get(term, 0.0) for term in found) / max(len(found), _COMFORTABLE_TERMS)
    return answered, weight
