"""Findings become a draft, and a draft becomes a file."""

from pathlib import Path

import pytest

from graphs.examples.documents import analyse
from graphs.examples.findings import Findings, findings_of
from graphs.examples.report import MARK, draft_of, place_of, report_of, write


def findings(**texts: str) -> Findings:
    return findings_of({name: analyse(name, text, "") for name, text in texts.items()}, "")


def test_findings_do_not_depend_on_the_order_of_the_readings() -> None:
    one, two = analyse("one", "Leases end at last.", ""), analyse("two", "Clocks go on.", "")

    assert findings_of({"one": one, "two": two}, "") == findings_of({"two": two, "one": one}, "")


def test_the_forms_of_one_word_are_one_key_term() -> None:
    ranked = findings(a="lease lease leases", b="clock")["terms"]

    assert [term["term"] for term in ranked] == ["lease", "clock"]


def test_text_of_the_documents_cannot_break_the_table_or_hide_as_markup() -> None:
    draft = draft_of(findings(a="# A \\| b `<script>`\n"), "x|y", "", 0)

    assert "# Research: x\\|y" in draft
    assert "| a | A \\| b \\<script> |" in draft


def test_a_section_without_content_is_left_out() -> None:
    assert "## Open points" not in draft_of(findings(a="Nothing is open here."), "x", "", 0)


def test_a_document_that_was_not_read_in_full_is_named_with_the_reason() -> None:
    found = findings_of({"a": analyse("a", "", "", "is not a text")}, "")

    assert "## Not read in full\n\n- a is not a text." in draft_of(found, "x", "", 0)


def test_open_points_beyond_the_limit_are_counted() -> None:
    draft = draft_of(findings(a="TODO: this\n\n" * 63), "x", "", 0)

    assert draft.count("- TODO: this (a)") == 60
    assert "- ... and 3 more." in draft


def test_every_line_of_a_comment_is_quoted() -> None:
    assert "> **Comment:** one\n>\n> # two" in report_of("draft", rejected=False, comment="one\n\n# two")


def test_writing_twice_leaves_one_file_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "report.md"

    write(f"{MARK}\nfirst", place, "1")
    write(f"{MARK}\nsecond", place, "2")

    assert place.read_text(encoding="utf-8") == f"{MARK}\nsecond"
    assert list(place.parent.iterdir()) == [place]


def test_whoever_reads_a_report_while_it_is_replaced_sees_the_whole_old_one(tmp_path: Path) -> None:
    place = tmp_path / "report.md"
    write(f"{MARK}\nold", place, "1")

    with place.open(encoding="utf-8") as reader:
        write(f"{MARK}\nnew", place, "2")
        seen = reader.read()

    assert seen == f"{MARK}\nold"


def test_a_write_that_fails_leaves_the_old_report_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "report.md"
    write(f"{MARK}\nold", place, "1")

    with pytest.raises(UnicodeEncodeError):
        write(f"{MARK}\n\ud800", place, "2")

    assert place.read_text(encoding="utf-8") == f"{MARK}\nold"
    assert list(tmp_path.iterdir()) == [place]


def test_a_report_does_not_take_the_place_of_a_file_that_came_in_between(tmp_path: Path) -> None:
    place = place_of(None, tmp_path)
    place.write_text("mine", encoding="utf-8")

    with pytest.raises(FileExistsError):
        write("report", place, "1")

    assert place.read_text(encoding="utf-8") == "mine"


def test_an_empty_file_may_be_written_over(tmp_path: Path) -> None:
    (tmp_path / "empty.md").touch()

    assert place_of(str(tmp_path / "empty.md"), tmp_path) == tmp_path.resolve() / "empty.md"


def test_a_folder_as_output_gets_a_report_inside(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    assert place_of(str(tmp_path / "out"), tmp_path) == tmp_path.resolve() / "out" / "report.md"
