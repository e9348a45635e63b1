"""The report of a research, in Markdown: first a draft, then what a person made of it."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from .findings import Findings, RankedDocument

#: The first line of every report, by which a later run knows that it may write over it.
MARK = "<!-- A research report, written by Treadle's example graph. -->"

_NAME = "report.md"
#: How many open points are listed; the rest is counted.
_OPEN_POINTS = 60
#: What Markdown would take for more than text.
_SPECIAL = re.compile(r"[\\`*<\[\]|]")


def place_of(output: str | None, root: Path) -> Path:
    """Return where the report goes: the file named, ``report.md`` of the folder named, or of the documents' folder.

    Raises:
        FileExistsError: something else lies there, which is not to be written over.
    """
    path = Path(output).expanduser().resolve() if output else root / _NAME
    place = path / _NAME if path.is_dir() else path
    _check_free(place)
    return place


def draft_of(findings: Findings, corpus: str, question: str, left_out: int) -> str:
    """Return the draft of a report on a corpus."""
    documents = findings["documents"]
    words = sum(document["words"] for document in documents)
    lines = [
        f"# Research: {_text(corpus)}",
        "",
        *([f"Question: **{_text(question)}**", ""] if question else []),
        f"Read: {_number(len(documents), 'document')} with {_number(words, 'word')}.",
        *([f"Not read, though the pattern matches: {left_out} more."] if left_out else []),
        *_section("Documents", _documents(documents)),
        *_section("Key terms", _terms(findings)),
        *_section("Key sentences", _sentences(documents)),
        *_section("Open points", _open_points(findings)),
        *_section("Not read in full", _problems(documents)),
    ]
    return "\n".join(lines) + "\n"


def report_of(draft: str, *, rejected: bool, comment: str) -> str:
    """Return the final report: the draft, under what the person who saw it had to say."""
    verdict = ["> **Rejected.** This draft was not approved.", ""] if rejected else []
    remark = [*_quoted(f"**Comment:** {comment.strip()}"), ""] if comment.strip() else []
    return "\n".join([MARK, "", *verdict, *remark, draft.strip()]) + "\n"


def write(report: str, place: Path, attempt: str) -> None:
    """Put a report in its place as a whole or not at all; writing it again changes nothing.

    Args:
        report: the report's text.
        place: the file; its folder is made where it is missing.
        attempt: a name that no other attempt at writing has, so that two of them never share a half-written file.

    Raises:
        FileExistsError: something else lies there by now.
    """
    _check_free(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_name(f".{place.name}.{attempt}")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            file.write(report)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the new name with none of its content
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)


def _check_free(place: Path) -> None:
    if not place.exists():
        return
    with place.open("rb") as file:
        begin = file.read(len(MARK))
    if begin not in (b"", MARK.encode()):
        raise FileExistsError(f"{str(place)!r} is no research report: name another file as 'output', or move it away.")


def _section(title: str, lines: Iterable[str]) -> list[str]:
    content = list(lines)
    return ["", f"## {title}", "", *content] if content else []


def _documents(documents: Iterable[RankedDocument]) -> Iterator[str]:
    yield "| Document | Title | Words | Headings | Links | Open | Score | Terms |"
    yield "|---|---|---:|---:|---:|---:|---:|---|"
    for one in documents:
        figures = (one["words"], one["headings"], one["links"], one["open_points"], f"{one['score']:.2f}")
        cells = (_text(one["name"]), _text(one["title"]), *figures, _text(", ".join(one["terms"])))
        yield f"| {' | '.join(map(str, cells))} |"


def _terms(findings: Findings) -> Iterator[str]:
    for one in findings["terms"]:
        where = f"{_number(one['count'], 'time')} in {_number(one['documents'], 'document')}"
        yield f"- **{_text(one['term'])}**: {where} (weight {one['weight']:.2f})"


def _sentences(documents: Iterable[RankedDocument]) -> Iterator[str]:
    telling = [document for document in documents if document["sentences"]]
    for number, one in enumerate(telling):
        yield from ([""] if number else [])
        yield from (f"### {_text(one['title'])}", "", f"From {_text(one['name'])}:", "")
        yield from (f"- {_text(sentence)}" for sentence in one["sentences"])


def _open_points(findings: Findings) -> Iterator[str]:
    points = findings["open_points"]
    yield from (f"- {_text(one['text'])} ({_text(one['name'])})" for one in points[:_OPEN_POINTS])
    if len(points) > _OPEN_POINTS:
        yield f"- ... and {len(points) - _OPEN_POINTS} more."


def _problems(documents: Iterable[RankedDocument]) -> Iterator[str]:
    yield from (f"- {_text(one['name'])} {_text(one['problem'])}." for one in documents if one["problem"])


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _quoted(text: str) -> list[str]:
    return [f"> {line}".rstrip() for line in text.splitlines()]


def _text(plain: str) -> str:
    """Return a text of one line in which Markdown finds nothing but text."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(plain.split()))
