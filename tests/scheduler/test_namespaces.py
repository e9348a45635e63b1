"""The order of the memory: entries sort, and can be told apart, as the tuples they stand for."""

from collections.abc import Iterator

from hypothesis import example, given
from hypothesis import strategies as st

from graphs.store import ListNamespacesOp, MatchCondition, Namespace
from scheduler.namespaces import Span, below, from_entry, select, span_of, to_entry, to_token

LABELS = st.text(st.characters(exclude_characters=".\0", exclude_categories=["Cs"]), min_size=1, max_size=4)
NAMESPACES = st.lists(LABELS, min_size=1, max_size=4).map(tuple)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


def holds(span: Span, entry: bytes) -> bool:
    """Judge an entry as ZRANGEBYLEX does."""
    above = span.first == b"-" or entry > span.first[1:] or (entry == span.first[1:] and span.first[:1] == b"[")
    return above and (span.last == b"+" or entry < span.last[1:])


@given(NAMESPACES, KEYS)
def test_an_entry_gives_back_its_namespace_and_key(namespace: Namespace, key: str) -> None:
    assert from_entry(to_entry(namespace, key)) == (namespace, key)


@given(NAMESPACES, KEYS, NAMESPACES, KEYS)
def test_entries_sort_as_namespaces_and_keys_do(one: Namespace, key: str, other: Namespace, other_key: str) -> None:
    assert (to_entry(one, key) < to_entry(other, other_key)) == ((one, key) < (other, other_key))


@given(st.lists(LABELS, max_size=2).map(tuple), NAMESPACES, KEYS)
@example(("a",), ("a\x01",), "k")
def test_the_range_below_a_prefix_holds_exactly_the_namespaces_that_begin_with_it(
    prefix: Namespace, namespace: Namespace, key: str
) -> None:
    for candidate in (namespace, prefix + namespace):
        begins = candidate[: len(prefix)] == prefix

        assert holds(below(prefix), to_entry(candidate, key)) == begins


@given(NAMESPACES, KEYS, NAMESPACES, KEYS)
def test_the_range_after_a_namespace_begins_behind_all_its_keys(
    namespace: Namespace, key: str, other: Namespace, other_key: str
) -> None:
    rest = Span().after_namespace(to_token(namespace))

    assert not holds(rest, to_entry(namespace, key))
    assert holds(rest, to_entry(other, other_key)) == (other > namespace)


def test_the_range_of_a_listing_is_that_of_its_longest_prefix_without_wildcards() -> None:
    short, long = MatchCondition("prefix", ("users",)), MatchCondition("prefix", ("users", "u1", "*", "facts"))
    suffix = MatchCondition("suffix", ("a", "very", "long", "suffix"))

    assert span_of(ListNamespacesOp((short, long, suffix))) == below(("users", "u1"))
    assert span_of(ListNamespacesOp((suffix,))) == Span()


@given(
    st.sets(NAMESPACES),
    st.none() | st.integers(1, 3),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_namespaces_cut_to_one_depth_are_listed_once_and_paged_after_that(
    namespaces: set[Namespace], max_depth: int | None, limit: int, offset: int
) -> None:
    op = ListNamespacesOp(max_depth=max_depth, limit=limit, offset=offset)

    chosen = select(sorted(namespaces), op)

    assert chosen == sorted({namespace[:max_depth] for namespace in namespaces})[offset : offset + limit]


def test_a_listing_reads_no_further_than_its_page() -> None:
    read: list[int] = []

    def users() -> Iterator[Namespace]:
        for number in range(1000):
            read.append(number)
            yield ("users", f"{number:04}")

    select(users(), ListNamespacesOp(limit=3, offset=2))

    assert len(read) <= 6
