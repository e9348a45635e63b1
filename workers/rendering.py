"""How answers look: tables for people, JSON for programs."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 200  # rich takes 80 for what is not a terminal, and would break ids in two

_STYLES: Mapping[str, str] = {
    "running": "cyan",
    "paused": "yellow",
    "interrupted": "yellow",
    "failed": "red",
    "error": "red",
    "timeout": "red",
    "lost worker": "red",
    "timed out": "red",
    "fail": "bold red",
    "warn": "yellow",
    "ok": "green",
    "idle": "green",
    "success": "green",
    "committed": "green",
    "task": "green",
    "finished": "green",
    "leased": "cyan",
    "says": "dim",
    "writes": "dim",
}

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_SECOND_MS = 1_000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS


def console(*, err: bool = False) -> Console:
    """Return the terminal, or what stands in its place; one for every command, so that tests can catch what it says."""
    found = Console(stderr=err, highlight=False, soft_wrap=False)
    return found if found.is_terminal else Console(stderr=err, highlight=False, width=_PIPE_WIDTH)


def visible(text: str) -> str:
    """Return a text in which nothing steers a terminal: control characters, and those that turn its direction.

    They are shown as JSON writes them. What threads hold is what somebody said, and may be meant for other eyes.
    """
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it, whatever a state is made of."""
    # By way of its text: only there does it have a name for the numbers that JSON lacks.
    return json.loads(to_json(value, serialize_unknown=True, bytes_mode="base64", inf_nan_mode="strings"))


def compact(value: Any) -> str:
    """Return a value as one line of JSON."""
    return visible(json.dumps(plain(value), ensure_ascii=False))


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(visible(json.dumps(plain(value), ensure_ascii=False, indent=2)))


def print_line(value: Any) -> None:
    """Print a value as one line of JSON: what a program reads while it is still being written."""
    click.echo(compact(value))


def say(out: Console, text: str, style: str = "", *, as_json: bool) -> None:
    """Say something to a person, or as one line of JSON to a program."""
    if as_json:
        print_line({"says": text})
    else:
        out.print(text, style=style, markup=False, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows below their columns' names, or a sentence when there are none."""
    ready = [[styled(str(cell)) for cell in row] for row in rows]
    if not ready:
        click.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")  # an id that is cut off could not be copied
    for row in ready:
        table.add_row(*row)
    _print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values, one pair a line."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name, styled(str(value)))
    _print(table)


def _print(table: Table) -> None:
    """Print a table; without the blanks at the ends of its lines where no terminal needs them."""
    out = console()
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as caught:
        out.print(table)
    for line in caught.get().splitlines():
        click.echo(line.rstrip())


def styled(word: str) -> Text:
    """Return a text; a status or a kind of entry in its colour. Nothing in it is read as markup."""
    return Text(visible(word), style=_STYLES.get(word, ""))


def moment(at_ms: int | None) -> str:
    """Return a time as people of this machine's time zone read it."""
    if at_ms is None:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(sep=" ", timespec="milliseconds")[:23]


def clock(at_ms: int) -> str:
    """Return a time of day."""
    return moment(at_ms)[11:]


def duration(span_ms: float | None) -> str:
    """Return a span in the unit that suits it."""
    if span_ms is None:
        return "-"
    span_ms = abs(span_ms)
    if span_ms < _SECOND_MS:
        return f"{span_ms:.0f} ms"
    if span_ms < _MINUTE_MS:
        return f"{span_ms / _SECOND_MS:.1f} s"
    if span_ms < _HOUR_MS:
        return f"{span_ms / _MINUTE_MS:.1f} min"
    return f"{span_ms / _HOUR_MS:.1f} h" if span_ms < _DAY_MS else f"{span_ms / _DAY_MS:.1f} d"
