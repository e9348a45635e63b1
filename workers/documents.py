"""The documents that the demo reads: those of a folder, else the Markdown that lies on this machine anyway."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from graphs.errors import InvalidInput
from graphs.examples.corpus import MAX_DOCUMENTS, corpus_of

_PATTERNS = ("**/*.md", "**/*.txt", "**/*.rst")
_MARKDOWN = _PATTERNS[0]
#: With fewer documents than this, some of the graph's readers would have nothing to do.
_ENOUGH = 8
_SHORTEST_README = 400
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Documents:
    """Which files are read."""

    folder: Path
    pattern: str
    count: int
    #: Whose they are, for the person who watches.
    told: str


def documents_in(folder: Path, report: Path) -> Documents:
    """Return the documents of a folder.

    Raises:
        InvalidInput: there is no text in it.
    """
    folder = folder.expanduser().resolve()
    for pattern in _PATTERNS:
        if count := _count(folder, pattern, report):
            return Documents(folder, pattern, count, f"of {folder}")
    raise InvalidInput(f"{folder} has no document: name a folder with {', '.join(_PATTERNS)}.")


def documents_here(gathered: Path, report: Path) -> Documents:
    """Return the documents of this project's checkout; where it is none, what the installed packages say of themselves.

    Args:
        gathered: the folder into which the packages' texts are written.
        report: the file that is no document.
    """
    is_checkout = (_ROOT / "pyproject.toml").is_file()
    count = _count(_ROOT, _MARKDOWN, report) if is_checkout else 0
    if count >= _ENOUGH:
        return Documents(_ROOT, _MARKDOWN, count, f"of this project, in {_ROOT}")
    gathered.mkdir(parents=True, exist_ok=True)
    for name, text in _readmes():
        (gathered / f"{name}.md").write_text(text, encoding="utf-8")
    count = _count(gathered, _MARKDOWN, report)
    return Documents(gathered, _MARKDOWN, count, "that the installed packages say of themselves")


def _readmes() -> Iterator[tuple[str, str]]:
    for package in distributions():
        text = _readme(package)
        if len(text) >= _SHORTEST_README:
            yield package.name, text


def _readme(package: Distribution) -> str:
    # The description stands in a header in old packages, and after all headers in new ones.
    payload = package.metadata.get_payload()  # type: ignore[attr-defined]  # the protocol leaves it out
    return str(package.metadata.json.get("description") or payload or "")


def _count(folder: Path, pattern: str, report: Path) -> int:
    try:
        corpus = corpus_of(folder, pattern, report)
    except FileNotFoundError:
        return 0
    return min(MAX_DOCUMENTS, len(corpus.names))
