"""Vectors: kept at length 1, and compared alike with numpy and without."""

import math
from array import array
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import vectors
from scheduler.errors import InvalidEmbedding
from scheduler.sealing import MARK
from scheduler.vectors import count_of, packed, similarities

VECTORS = st.lists(st.floats(-1e300, 1e300), min_size=3, max_size=3)


def test_near_is_what_points_the_same_way_however_long_it_is() -> None:
    query = packed([1, 0], 2)

    assert similarities(query, [packed([1e-300, 0], 2), packed([0, 5], 2), packed([-1e300, 0], 2)], 2) == [1, 0, -1]


def test_of_several_vectors_of_an_item_the_nearest_counts() -> None:
    assert similarities(packed([1, 0], 2), [packed([0, 1], 2) + packed([1, 0], 2), packed([0, 1], 2)], 2) == [1, 0]


def test_a_vector_without_length_is_near_to_nothing() -> None:
    assert similarities(packed([1, 0], 2), [packed([0, 0], 2)], 2) == [0]


@pytest.mark.parametrize("count", (1, 3, 8, 17, 64))
def test_equal_vectors_are_equally_near_among_any_number_of_others(count: int) -> None:
    chance = Random(3)
    first, query, *others = (packed([chance.gauss(0, 1) for _ in range(384)], 384) for _ in range(count + 2))

    scores = {similarities(query, [*others[:at], first, *others[at:]], 384)[at] for at in range(count)}

    assert len(scores) == 1


def test_vectors_of_other_dimensions_are_none() -> None:
    assert count_of(array("f", [1, 2, 3]).tobytes(), 2) == 0
    assert count_of(b"", 2) == 0
    assert count_of(packed([1, 2], 2) * 3, 2) == 3


def test_no_vector_begins_as_what_is_sealed_does() -> None:
    found = [packed([number, 1], 2) for number in range(5_000)]

    assert [vector for vector in found if vector[:1] == MARK] == []
    assert all(math.isclose(similarities(vector, [vector], 2)[0], 1, abs_tol=1e-6) for vector in found)


@given(st.lists(VECTORS, min_size=1, max_size=6), VECTORS)
def test_numpy_and_python_agree(found: list[list[float]], query: list[float]) -> None:
    rows, wanted = [packed(vector, 3) for vector in found], packed(query, 3)

    fast = similarities(wanted, rows, 3)

    assert vectors._numpy() is not None
    assert fast == pytest.approx(vectors._plain(wanted, rows, 3), abs=1e-6)


@pytest.mark.parametrize("vector", ([1.0], [1, 2, 3], [1, math.nan], [1, math.inf], ["x", 1], "xy", None, 7))
def test_what_is_no_vector_of_the_index_is_refused(vector: object) -> None:
    with pytest.raises(InvalidEmbedding):
        packed(vector, 2)
