"""What is asked of an index, and what counts of its answer."""

from datetime import UTC, datetime

import pytest

from graphs.store import Item, Namespace, SearchOp
from scheduler.memory_items import Record
from scheduler.namespaces import filter_of, labels_of
from scheduler.nearest import counts, enough

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(key: str, score: float | None, namespace: Namespace = ("a",)) -> Record:
    item = Item(value={"key": key}, key=key, namespace=namespace, created_at=NOW, updated_at=NOW)
    return Record(key.encode(), item, expires=False, score=score)


def keys(found: list[Record] | None) -> list[str] | None:
    return None if found is None else [one.item.key for one in found]


@pytest.mark.parametrize(
    ("op", "items", "asked"),
    [
        (SearchOp(()), 100_000, [40, 160, 640, 2_560]),
        (SearchOp((), limit=100, offset=100), 100_000, [420, 1_680, 6_720]),
        (SearchOp((), {"n": 1}), 100_000, [160, 640, 2_560]),
        (SearchOp(()), 1_000, [40, 160]),
        (SearchOp((), limit=5_000), 100_000, []),
        (SearchOp(()), 100, []),
    ],
)
def test_an_index_is_asked_for_more_each_time_and_never_for_most_of_what_there_is(
    op: SearchOp, items: int, asked: list[int]
) -> None:
    assert [*counts(op, items)] == asked


def test_what_counts_is_nearer_than_the_last_that_was_offered() -> None:
    ranked = [record("a", 0.9), record("b", 0.8), record("c", 0.5), record("d", 0.5)]

    assert keys(enough(ranked, SearchOp((), limit=2))) == ["a", "b"]
    assert enough(ranked, SearchOp((), limit=3)) is None
    assert enough(ranked, SearchOp((), limit=1, offset=2)) is None


def test_what_counts_lies_below_the_prefix_and_satisfies_the_filter() -> None:
    ranked = [record("a", 0.9), record("b", 0.8, ("b",)), record("c", 0.7, ("a", "x")), record("d", 0.1)]

    assert keys(enough(ranked, SearchOp(("a",), limit=1))) == ["a", "c"]
    assert keys(enough(ranked, SearchOp(("a",), {"key": "c"}, limit=1))) == ["c"]
    assert enough(ranked, SearchOp(("b",), limit=2)) is None


@pytest.mark.parametrize("ranked", ([], [record("a", 0.9), record("b", None)]))
def test_an_answer_that_says_nothing_does_not_count(ranked: list[Record]) -> None:
    assert enough(ranked, SearchOp((), limit=1)) is None


def test_a_namespace_has_the_names_of_those_around_it_and_no_endless_number() -> None:
    deep = tuple("abcdefghijkl")

    assert labels_of(("a", "b")).items() < labels_of(deep).items()
    assert labels_of(("a", "b")) != labels_of(("b", "a"))
    assert len(labels_of(deep)) == 8
    assert filter_of(deep) == filter_of(deep[:8]) != filter_of(deep[:7])
    assert filter_of(()) == ""
