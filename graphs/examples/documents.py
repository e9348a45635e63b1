"""A document, read: its title, headings, terms, key sentences, links and open points, as plain data."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from markdown_it import MarkdownIt
from markdown_it.token import Token

from .sentences import most_telling, sentences
from .terms import stems, terms, words

#: How much of one file is read.
MAX_BYTES = 256 * 1024

_MAX_TERMS = 300
_MAX_SENTENCES = 8
_MAX_CHARACTERS = 200

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_OPEN_POINT = re.compile(r"\b(?:TODO|FIXME|TBD|XXX)\b|^\s*[-*+] \[ \] ")
_COMMENT = re.compile(r"<!--|-->")


class Reading(TypedDict):
    """What was found in one document."""

    name: str
    title: str
    words: int
    headings: list[str]
    #: Term -> how often; the most frequent ones.
    terms: dict[str, int]
    #: Candidates for the key sentences of the corpus.
    sentences: list[str]
    links: list[str]
    open_points: list[str]
    #: Why less was read than there is, or nothing.
    problem: str


def read(root: Path, name: str, question: str) -> Reading:
    """Read a document of a folder; one that cannot be read has its problem noted instead of its content."""
    try:
        with (root / name).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:  # it was there when the folder was listed; the others are still worth a report
        return analyse(name, "", question, f"cannot be read: {error.strerror or error}")
    if b"\0" in data:
        return analyse(name, "", question, "is not a text")
    problem = f"is longer than {MAX_BYTES} bytes: the rest was not read" if len(data) > MAX_BYTES else ""
    return analyse(name, data[:MAX_BYTES].decode("utf-8", errors="replace"), question, problem)


def analyse(name: str, text: str, question: str, problem: str = "") -> Reading:
    """Return what a text holds; its sentences are those that carry the question's terms, or its own."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    tokens = MarkdownIt("commonmark").enable("table").parse(_FRONT_MATTER.sub("", text))
    headings, paragraphs = _blocks(tokens)
    prose = "\n".join([*headings, *paragraphs])
    counts = dict(Counter(terms(prose)).most_common(_MAX_TERMS))
    candidates = [sentence for paragraph in paragraphs for sentence in sentences(paragraph)]
    weights = {term: float(count) for term, count in counts.items()}
    return Reading(
        name=name,
        title=_cut(headings[0]) if headings else name,
        words=len(words(prose)),
        headings=[_cut(heading) for heading in headings],
        terms=counts,
        sentences=most_telling(candidates, weights, stems(question), _MAX_SENTENCES),
        links=list(dict.fromkeys(_links(tokens))),
        open_points=list(_open_points(text)),
        problem=problem,
    )


def _blocks(tokens: list[Token]) -> tuple[list[str], list[str]]:
    """Return the headings and the paragraphs; code blocks are neither."""
    headings: list[str] = []
    paragraphs: list[str] = []
    opened = ""
    for token in tokens:
        if token.type == "inline":
            (headings if opened == "heading_open" else paragraphs).append(_plain(token))
        opened = token.type
    return [text for text in headings if text], [text for text in paragraphs if text]


def _plain(inline: Token) -> str:
    parts = (" " if child.type in ("softbreak", "hardbreak") else _said(child) for child in inline.children or ())
    return " ".join("".join(parts).split())


def _said(child: Token) -> str:
    return child.content if child.type in ("text", "code_inline", "text_special") else ""


def _links(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open" and len(href := str(child.attrs["href"])) <= _MAX_CHARACTERS:
                yield href


def _open_points(text: str) -> Iterator[str]:
    """Yield the lines that say that something is still to be done, wherever they stand."""
    for line in text.splitlines():
        if _OPEN_POINT.search(line):
            yield _cut(_COMMENT.sub("", line).strip().lstrip("#>/*-+ ").removeprefix("[ ]").strip())


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"
