"""Which documents the demo reads."""

from pathlib import Path

import pytest

from graphs.errors import InvalidInput
from workers import documents
from workers.documents import documents_here, documents_in


def filled(folder: Path, *names: str) -> Path:
    """Return a folder with these files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("# Title\n\nSome words.\n")
    return folder


def test_the_markdown_of_a_folder_is_read_also_below_it(tmp_path: Path) -> None:
    found = documents_in(filled(tmp_path, "a.md", "deep/down/b.md", "c.txt"), tmp_path / "report.md")

    assert (found.folder, found.pattern, found.count) == (tmp_path, "**/*.md", 2)


def test_without_markdown_plain_text_is_read(tmp_path: Path) -> None:
    assert documents_in(filled(tmp_path, "a.txt", "b.rst"), tmp_path / "report.md").pattern == "**/*.txt"


def test_the_report_is_no_document(tmp_path: Path) -> None:
    assert documents_in(filled(tmp_path, "a.md", "report.md"), tmp_path / "report.md").count == 1


def test_a_folder_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no document"):
        documents_in(filled(tmp_path, "a.png"), tmp_path / "report.md")


def test_a_checkout_reads_its_own_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = filled(tmp_path / "root", "pyproject.toml", *(f"docs/{number}.md" for number in range(9)))
    monkeypatch.setattr(documents, "_ROOT", root)

    found = documents_here(tmp_path / "gathered", tmp_path / "report.md")

    assert (found.folder, found.count) == (root, 9)


@pytest.mark.parametrize("names", [("pyproject.toml", "README.md"), tuple(f"{number}.md" for number in range(9))])
def test_elsewhere_the_installed_packages_have_texts_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    monkeypatch.setattr(documents, "_ROOT", filled(tmp_path / "root", *names))

    found = documents_here(tmp_path / "gathered", tmp_path / "report.md")

    assert found.folder == tmp_path / "gathered"
    assert found.count >= 8
    assert "durable" in (found.folder / "celery.md").read_text() or "task" in (found.folder / "celery.md").read_text()
