"""The findings of a research: what the readings say when they are laid side by side."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from .documents import Reading
from .sentences import most_telling
from .terms import rarities, stem, stems, weights

_TERMS = 15
_TERMS_OF_DOCUMENT = 5
_SENTENCES_OF_DOCUMENT = 3


class RankedDocument(TypedDict):
    """A document's place among the others."""

    name: str
    title: str
    words: int
    headings: int
    links: int
    open_points: int
    #: How much it says about the question, or about what the corpus is about.
    score: float
    terms: list[str]
    sentences: list[str]
    problem: str


class RankedTerm(TypedDict):
    """A term's place among the others."""

    term: str
    weight: float
    #: How often it occurs, in how many documents.
    count: int
    documents: int


class OpenPoint(TypedDict):
    """Something that a document leaves to be done."""

    name: str
    text: str


class Findings(TypedDict):
    """A corpus, ranked: the most telling documents and terms come first."""

    documents: list[RankedDocument]
    terms: list[RankedTerm]
    open_points: list[OpenPoint]


def findings_of(readings: Mapping[str, Reading], question: str) -> Findings:
    """Rank the documents and terms of a corpus; the same readings give the same findings, in whichever order."""
    ordered = [readings[name] for name in sorted(readings)]
    rarity = rarities(reading["terms"] for reading in ordered)
    weighed = [weights(reading["terms"], rarity) for reading in ordered]
    ranking = _ranked_terms(ordered, weighed)
    asked = stems(question) or frozenset(stem(term["term"]) for term in ranking)
    documents = [_ranked(*pair, asked, stems(question)) for pair in zip(ordered, weighed, strict=True)]
    documents.sort(key=lambda document: (-document["score"], document["name"]))
    return Findings(documents=documents, terms=ranking, open_points=_open_points(documents, readings))


def _ranked_terms(readings: Sequence[Reading], weighed: Sequence[Mapping[str, float]]) -> list[RankedTerm]:
    sums: dict[str, float] = {}
    for one in weighed:
        for term, weight in one.items():
            sums[term] = sums.get(term, 0.0) + weight
    best: dict[str, str] = {}
    for term in sorted(sums, key=lambda term: (-sums[term], term)):
        best.setdefault(stem(term), term)  # of "lease" and "leases" the weightier one stands for both
    return [_ranked_term(term, sums[term], readings) for term in list(best.values())[:_TERMS]]


def _ranked_term(term: str, weight: float, readings: Sequence[Reading]) -> RankedTerm:
    counts = [reading["terms"][term] for reading in readings if term in reading["terms"]]
    return RankedTerm(term=term, weight=round(weight, 2), count=sum(counts), documents=len(counts))


def _ranked(
    reading: Reading, weighed: Mapping[str, float], asked: frozenset[str], question: frozenset[str]
) -> RankedDocument:
    score = sum(weight for term, weight in weighed.items() if stem(term) in asked)
    return RankedDocument(
        name=reading["name"],
        title=reading["title"],
        words=reading["words"],
        headings=len(reading["headings"]),
        links=len(reading["links"]),
        open_points=len(reading["open_points"]),
        score=round(score, 2),
        terms=list(weighed)[:_TERMS_OF_DOCUMENT],
        sentences=most_telling(reading["sentences"], weighed, question, _SENTENCES_OF_DOCUMENT),
        problem=reading["problem"],
    )


def _open_points(documents: Sequence[RankedDocument], readings: Mapping[str, Reading]) -> list[OpenPoint]:
    names = [document["name"] for document in documents]
    return [OpenPoint(name=name, text=text) for name in names for text in readings[name]["open_points"]]
