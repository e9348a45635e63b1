"""How values look on a terminal and in JSON."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum

import pytest
from rich.console import Console

from scheduler.log import LogEntry
from workers.board import Board
from workers.progress import table_of
from workers.rendering import (
    compact,
    duration,
    plain,
    print_fields,
    print_json,
    print_line,
    print_table,
    styled,
    visible,
)


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Odd:
    def __str__(self) -> str:
        return "odd"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": (1, 2)}, '{"a": [1, 2]}'),
        (datetime(2024, 2, 29, tzinfo=UTC), '"2024-02-29T00:00:00Z"'),
        (Decimal("1.10"), '"1.10"'),
        (Colour.RED, '"red"'),
        (Point(1), '{"x": 1}'),
        (b"\xff\x00", '"_wA="'),
        (float("inf"), '"Infinity"'),
        ("käse", '"käse"'),
        ({1: "one"}, '{"1": "one"}'),
    ],
)
def test_a_value_of_a_state_becomes_json(value: object, text: str) -> None:
    assert compact(value) == text


def test_a_value_that_json_does_not_know_is_told_in_words() -> None:
    assert "odd" in json.dumps(plain({"value": Odd()}))


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [
        (None, "-"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1_500, "1.5 s"),
        (90_000, "1.5 min"),
        (5_400_000, "1.5 h"),
        (129_600_000, "1.5 d"),
    ],
)
def test_a_span_is_told_in_the_unit_that_suits_it(span_ms: float | None, text: str) -> None:
    assert duration(span_ms) == text


def test_a_table_in_a_pipe_breaks_no_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["id", "status"], [("x" * 120, "idle")], empty="nothing")

    assert capsys.readouterr().out.splitlines()[1].split() == ["x" * 120, "idle"]


def test_an_empty_table_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["id"], [], empty="There is nothing.")

    assert capsys.readouterr().out == "There is nothing.\n"


def test_fields_are_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"thread": "t-1", "status": "idle"})

    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["thread", "t-1"], ["status", "idle"]]


def test_nothing_is_read_as_markup() -> None:
    assert styled("[bold]x[/bold]").plain == "[bold]x[/bold]"


HOSTILE = "[red]\x1b[31m\x1b]0;title\x07\x9b2J\u202egnp\u2066\r\ud800 end"
#: Lone surrogates are refused by all that is stored.
STORABLE = HOSTILE.replace("\ud800", "")


def test_what_threads_hold_does_not_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name"], [[HOSTILE]], empty="")
    print_fields({"name": HOSTILE})
    print_json({STORABLE: STORABLE})
    print_line([STORABLE])
    print(visible(HOSTILE), styled(HOSTILE).plain, compact(STORABLE))

    said = capsys.readouterr().out
    assert said.count("[red]") == 8
    assert all(char.isprintable() or char == "\n" for char in said)


def test_json_says_what_it_shows_as_programs_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": STORABLE, "more": "é漢\t\n"})

    assert json.loads(capsys.readouterr().out) == {"name": STORABLE, "more": "é漢\t\n"}


def test_the_table_of_a_run_shows_names_as_they_are() -> None:
    board = Board()
    data = {"step": "s1", "node": "[red]n", "attempt": 1, "worker": "[bold]w\x1b[0m"}
    board.see(LogEntry(1, "leased", 0, "run-1", data, ""))
    out = Console(width=100)

    with out.capture() as captured:
        out.print(table_of(board))

    assert "[red]n" in captured.get() and "[bold]w\\u001b[0m" in captured.get()
