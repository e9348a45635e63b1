"""Values that are cheap to make."""

from dataclasses import replace

from graphs.lean_values import lean


@lean(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


def test_values_are_equal_and_hashed_by_their_fields() -> None:
    assert {Point(1): "a"}[replace(Point(2), x=1)] == "a"
    assert Point(1) != Point(1, 2)


def test_a_value_has_its_fields_and_no_others() -> None:
    assert not hasattr(Point(1), "__dict__")
