"""Which files of a folder are read, and who reads which of them."""

from pathlib import Path

import pytest

from graphs.examples.corpus import Corpus, corpus_of, shards_of


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("text", encoding="utf-8")


def names(root: Path, pattern: str) -> tuple[str, ...]:
    return corpus_of(root, pattern, root / "report.md").names


def test_documents_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    make(tmp_path, "b.md", "a.md", "c.txt")

    assert corpus_of(tmp_path, "*.md", tmp_path / "report.md") == Corpus(("a.md", "b.md"), 0)


def test_a_pattern_reaches_into_folders_only_when_it_says_so(tmp_path: Path) -> None:
    make(tmp_path, "a.md", "deep/er/b.md")

    assert names(tmp_path, "*.md") == ("a.md",)
    assert names(tmp_path, "**/*.md") == ("a.md", "deep/er/b.md")


def test_hidden_files_folders_and_the_report_are_no_documents(tmp_path: Path) -> None:
    make(tmp_path, "a.md", ".b.md", ".git/c.md", "report.md")
    (tmp_path / "folder.md").mkdir()

    assert names(tmp_path, "**/*.md") == ("a.md",)


def test_a_link_that_leads_out_of_the_folder_is_no_document(tmp_path: Path) -> None:
    make(tmp_path, "secret.md", "papers/a.md")
    (tmp_path / "papers" / "b.md").symlink_to(tmp_path / "secret.md")

    assert names(tmp_path / "papers", "*.md") == ("a.md",)


@pytest.mark.parametrize("pattern", ["../*.md", "/etc/*", "", "a/../../*"])
def test_a_pattern_that_leaves_the_folder_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ValueError, match="must stay inside"):
        names(tmp_path, pattern)


@pytest.mark.parametrize("number", [0, 1, 4, 9])
def test_shards_hold_every_name_once_and_differ_by_one_at_the_most(number: int) -> None:
    dealt = [str(one) for one in range(number)]

    shards = shards_of(dealt, 4)

    sizes = [len(shard) for shard in shards]
    assert sorted(name for shard in shards for name in shard) == dealt
    assert len(sizes) == 4
    assert max(sizes) - min(sizes) <= 1
