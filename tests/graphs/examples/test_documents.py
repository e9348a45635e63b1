"""Reading one document."""

from pathlib import Path

from graphs.examples.documents import MAX_BYTES, Reading, analyse, read

PAGE = """---
title: not a heading
---
# The *first* heading

A paragraph with a [link](https://example.org/a_(b)), and with `code` in it.
It goes on in a second line! See <https://example.org>.

## Second

```python
# TODO: this is code, and still open
for secret in vault: pass
```

- [ ] an open box
- [x] a closed box
<!-- FIXME: hidden -->
"""


def page(text: str, question: str = "") -> Reading:
    return analyse("page.md", text, question)


def test_the_title_is_the_first_heading_without_its_markup() -> None:
    assert page(PAGE)["title"] == "The first heading"


def test_a_text_without_headings_has_its_name_as_title() -> None:
    assert page("Only a line.")["title"] == "page.md"


def test_headings_are_found_in_both_spellings_and_not_in_code() -> None:
    assert page(PAGE)["headings"] == ["The first heading", "Second"]
    assert page("Underlined\n==========\n")["headings"] == ["Underlined"]


def test_links_are_listed_once_each_with_whole_addresses() -> None:
    assert page(PAGE + PAGE)["links"] == ["https://example.org/a_(b)", "https://example.org"]


def test_open_points_are_todos_and_empty_boxes_wherever_they_stand() -> None:
    assert page(PAGE)["open_points"] == ["TODO: this is code, and still open", "an open box", "FIXME: hidden"]


def test_what_stands_in_code_blocks_is_not_counted_as_prose() -> None:
    terms = page(PAGE)["terms"]

    assert "secret" not in terms
    assert terms["paragraph"] == 1


def test_sentences_are_whole_over_lines_and_free_of_markup() -> None:
    assert "A paragraph with a link, and with code in it." in page(PAGE)["sentences"]
    assert page("One sentence goes on\nin the next line.")["sentences"] == ["One sentence goes on in the next line."]


def test_sentences_that_carry_the_question_come_first() -> None:
    text = "Apples grow on a tree. Apples fall from trees. Pears are eaten at the table.\n"

    assert page(text, "Where is a pear eaten?")["sentences"][0] == "Pears are eaten at the table."


def test_a_byte_that_is_no_utf8_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "odd.md").write_bytes(b"# Odd \xff heading\n")

    assert read(tmp_path, "odd.md", "")["title"] == "Odd \ufffd heading"


def test_a_file_that_is_too_long_is_read_in_part_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "long.md").write_bytes(b"word " * (MAX_BYTES // 5 + 10))

    reading = read(tmp_path, "long.md", "")

    assert "the rest was not read" in reading["problem"]
    assert reading["words"] <= MAX_BYTES // 5 + 1


def test_a_file_of_exactly_the_limit_is_read_in_full(tmp_path: Path) -> None:
    (tmp_path / "full.md").write_bytes(b"a" * MAX_BYTES)

    assert read(tmp_path, "full.md", "")["problem"] == ""


def test_a_file_that_vanished_or_is_no_text_has_its_problem_noted(tmp_path: Path) -> None:
    (tmp_path / "image.md").write_bytes(b"\x89PNG\0\0")

    assert "cannot be read" in read(tmp_path, "gone.md", "")["problem"]
    assert read(tmp_path, "image.md", "")["problem"] == "is not a text"


def test_an_empty_file_has_nothing_and_no_problem() -> None:
    reading = page("")

    assert (reading["words"], reading["terms"], reading["sentences"], reading["problem"]) == (0, {}, [], "")
