"""The terms of a text: its words without those that every text has, and how characteristic each one is."""

import re
from collections.abc import Iterable, Mapping
from math import log

#: Letters, with an apostrophe (plain or typographic) or a hyphen inside.
_WORD = re.compile(r"[^\W\d_](?:[\w'\u2019-]*\w)?")
_SHORTEST = 3
#: What plural and verb endings leave at the least, so that "ring" stays "ring".
_SHORTEST_STEM = 4
_ENDINGS = ("ies", "ing", "es", "ed", "s", "y", "e")

_STOP_WORDS = frozenset(
    _WORD.findall("""
    about above after again against all also although always among and another any anything are aren't around
    because been before being below between both but can can't cannot could did didn't does doesn't doing don't done
    down during each either else enough even ever every everything few first for from further get gets give given
    gives goes had has have having hence her here him his how however into isn't it's its itself just last later
    least less let like made make makes many may might more most much must neither never next nor not nothing now
    off often once one only onto other others our out over own per quite rather same see seen several shall she
    should since some something still such than that that's the their them then there these they thing things this
    those though three through thus together too two under until upon use used uses using very via want was wasn't
    way well were what whatever when where whether which while who whole whose why will with within without won't
    would yes yet you your
    """)
)


def words(text: str) -> list[str]:
    """Return the words of a text, in their order."""
    return _WORD.findall(text)


def terms(text: str) -> list[str]:
    """Return the words of a text that say what it is about, in small letters and in their order."""
    found = (word.lower().replace("\u2019", "'").removesuffix("'s") for word in words(text))
    return [word for word in found if len(word) >= _SHORTEST and word not in _STOP_WORDS]


def stem(term: str) -> str:
    """Return what a term has in common with its other forms: good for comparing, not for showing."""
    for ending in _ENDINGS:
        if term.endswith(ending) and len(term) - len(ending) >= _SHORTEST_STEM and not term.endswith("ss"):
            return term.removesuffix(ending)
    return term


def stems(text: str) -> frozenset[str]:
    """Return the stems of a text's terms."""
    return frozenset(map(stem, terms(text)))


def rarities(counts: Iterable[Iterable[str]]) -> dict[str, float]:
    """Return how telling each term is: the fewer of the texts have it, the more it is worth."""
    texts = [frozenset(text) for text in counts]
    documents: dict[str, int] = {}
    for text in texts:
        for term in text:
            documents[term] = documents.get(term, 0) + 1
    return {term: log(1 + len(texts) / number) for term, number in documents.items()}


def weights(counts: Mapping[str, int], rarity: Mapping[str, float]) -> dict[str, float]:
    """Return how characteristic each term of one text is: frequent here, rare elsewhere; the highest first."""
    weighed = {term: (1 + log(count)) * rarity[term] for term, count in counts.items()}
    return dict(sorted(weighed.items(), key=lambda item: (-item[1], item[0])))
