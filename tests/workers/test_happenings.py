"""How things that happen are told."""

from typing import Any

import pytest

from scheduler.following import Happening, LiveEvent
from scheduler.log import LogEntry
from workers.happenings import line_of, record_of


def entry(kind: str, **data: Any) -> LogEntry:
    """Return a log entry."""
    return LogEntry(7, kind, 1_709_164_800_123, "run-1", data, "abc")


def test_an_entry_is_told_in_one_line() -> None:
    line = line_of(entry("committed", step="s", node="read_1", attempt=2, worker="w@host", ms=1500)).plain

    assert " ".join(line.split()[1:]) == "committed read_1 attempt 2, on w@host, after 1.5 s"


def test_a_retry_says_when_and_why() -> None:
    line = line_of(entry("retried", node="model", attempt=1, after_ms=500, error="ConnectionError('x')")).plain

    assert "again in 500 ms" in line
    assert "ConnectionError('x')" in line


def test_a_sleep_says_until_when() -> None:
    line = line_of(entry("slept", node="rest", attempt=1, until_ms=1_709_168_400_000)).plain

    assert "until 2024-02-29" in line


@pytest.mark.parametrize(
    ("happening", "told"),
    [
        (entry("leased", ns="team:5|writer:7", node="draft"), "leased team.writer.draft"),
        (entry("called", ns="team:5|writer:7", node="writer", graph="w"), "called team.writer w"),
        (entry("returned", ns="team:5", outcome="finished"), "returned team finished"),
        (LiveEvent(8, "run-1", "s", "draft", 1, 1, ns="team:5"), "writes team.draft 1"),
    ],
    ids=["step", "call", "return", "live"],
)
def test_what_happens_inside_of_a_graph_is_told_with_the_way_there(happening: Happening, told: str) -> None:
    assert line_of(happening).plain.split()[-len(told.split()) :] == told.split()


def test_what_a_node_writes_is_told_as_json() -> None:
    line = line_of(LiveEvent(8, "run-1", "s", "read_1", 1, {"done": 1})).plain

    assert line.split(maxsplit=2) == ["writes", "read_1", '{"done": 1}']


def test_what_a_node_says_is_told_without_its_metadata() -> None:
    said = LiveEvent(8, "run-1", "s", "read_1", 1, ({"content": "hi"}, {"tags": []}), mode="messages")

    assert line_of(said).plain.split(maxsplit=2) == ["says", "read_1", '{"content": "hi"}']
    assert (record_of(said)["kind"], record_of(said)["value"]) == ("says", said.value)


def test_a_long_value_is_cut() -> None:
    assert len(line_of(LiveEvent(8, "run-1", "s", "read_1", 1, "x" * 10_000)).plain) < 250


@pytest.mark.parametrize("text", ["a\nTraceback", "\x1b[2Jgone", "\x9b2J"])
def test_what_is_told_cannot_steer_a_terminal(text: str) -> None:
    assert line_of(entry("failed", node="n", error=text)).plain.isprintable()


def test_a_record_keeps_everything() -> None:
    record = record_of(entry("leased", step="s", node="n", attempt=1, worker="w", token=3))

    assert record == {
        "seq": 7,
        "kind": "leased",
        "at_ms": 1_709_164_800_123,
        "run": "run-1",
        "step": "s",
        "node": "n",
        "attempt": 1,
        "worker": "w",
        "token": 3,
        "hash": "abc",
    }


def test_a_record_of_what_a_node_writes_has_its_value() -> None:
    record = record_of(LiveEvent(8, "run-1", "s", "read_1", 1, {"done": 1}))

    assert (record["kind"], record["value"], record["node"]) == ("writes", {"done": 1}, "read_1")
