"""A corpus: which files of a folder are read, and who reads which of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

#: How many documents one report covers.
MAX_DOCUMENTS = 60


@dataclass(frozen=True, slots=True)
class Corpus:
    """The names of the documents to read, relative to their folder, and how many further ones match."""

    names: tuple[str, ...]
    left_out: int


def existing_folder(folder: str) -> Path:
    """Return a folder's absolute path.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder.
    """
    root = Path(folder).expanduser().resolve()
    if not root.exists():
        raise FileNotFoundError(f"There is no folder {str(root)!r}: 'folder' names one on the worker's machine.")
    if not root.is_dir():
        raise NotADirectoryError(f"{str(root)!r} is a file: 'folder' names the folder that it lies in.")
    return root


def corpus_of(root: Path, pattern: str, report: Path) -> Corpus:
    """Return the documents of a folder that match a pattern, by name; hidden files and the report are none.

    Raises:
        ValueError: the pattern leaves the folder, or is none.
        FileNotFoundError: nothing matches.
    """
    _check_pattern(pattern)
    found = sorted(path.relative_to(root).as_posix() for path in root.glob(pattern) if _is_document(path, root, report))
    if not found:
        raise FileNotFoundError(
            f"No file in {str(root)!r} matches {pattern!r}: name a 'pattern' such as '*.txt', or '**/*.md' for "
            "the folders inside as well."
        )
    return Corpus(tuple(found[:MAX_DOCUMENTS]), len(found) - len(found[:MAX_DOCUMENTS]))


def shards_of(names: Sequence[str], number: int) -> list[list[str]]:
    """Deal names out like cards, so that every shard gets about as many; the same names give the same shards."""
    return [list(names[first::number]) for first in range(number)]


def _check_pattern(pattern: str) -> None:
    path = PurePath(pattern)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"The pattern {pattern!r} must stay inside the folder: write for example '*.md' or '**/*.md'.")


def _is_document(path: Path, root: Path, report: Path) -> bool:
    inside = path.relative_to(root)
    if path == report or any(part.startswith(".") for part in inside.parts) or not str(inside).isprintable():
        return False
    return path.is_file() and path.resolve().is_relative_to(root)  # a link may lead out of the folder
