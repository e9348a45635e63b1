"""Keeping results: which inputs count as the same."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from graphs.cache_policy import CachePolicy, default_cache_key
from graphs.errors import InvalidGraph


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Note:
    text: str


class Page(BaseModel):
    text: str


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
        ({"tags": {"x", "y"}}, {"tags": {"y", "x"}}),
        ({"note": Note("x"), "page": Page(text="y")}, {"page": Page(text="y"), "note": Note("x")}),
        ({"day": date(2026, 1, 2), "color": Color.RED}, {"color": Color.RED, "day": date(2026, 1, 2)}),
    ],
)
def test_equal_inputs_have_one_key(one: Any, other: Any) -> None:
    assert default_cache_key(one) == default_cache_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": "1"}, {"a": 1}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": [1]}, {"a": (1,)}),
        ({"a": Note("x")}, {"a": Note("y")}),
        ({"a": Page(text="x")}, {"a": Note("x")}),
        ({"a": Color.RED}, {"a": Color.BLUE}),
        ({"a": date(2026, 1, 2)}, {"a": date(2026, 1, 3)}),
        ({"a": Decimal("1.0")}, {"a": Decimal("1.1")}),
        ({"a": Color}, {"a": Note}),
        ({"a": "b', 'str:c"}, {"a": ["b", "c"]}),
        ({}, None),
    ],
)
def test_other_inputs_have_another_key(one: Any, other: Any) -> None:
    assert default_cache_key(one) != default_cache_key(other)


def test_the_default_key_is_the_same_in_every_process() -> None:
    assert default_cache_key({"a": [1, {"b", "c"}]}) == "705e36b2e1570426e96253866b8d359f"


def test_an_input_that_has_no_lasting_identity_is_refused() -> None:
    with pytest.raises(TypeError, match="no name by which another process would know it"):
        default_cache_key({"a": lambda: None})
    with Path(__file__).open() as file, pytest.raises(TypeError, match="pickle"):
        default_cache_key({"a": file})


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_time_to_live_that_is_not_positive_is_refused(ttl: int) -> None:
    with pytest.raises(InvalidGraph, match="positive number of seconds"):
        CachePolicy(ttl=ttl)
