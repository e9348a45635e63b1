"""Keeping apart what is stored and what nodes and callers hold."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel

from graphs.commands import Overwrite
from graphs.copies import detached, own


@dataclass
class Note:
    text: str
    tags: list[str] = field(default_factory=list)


class Page(BaseModel):
    text: str


class Color(Enum):
    RED = "red"


def test_an_own_container_can_change_without_the_original() -> None:
    original = [1]

    own(original).append(2)

    assert original == [1]


def test_what_lies_in_an_own_container_is_still_the_same_object() -> None:
    inner = {"a": 1}

    assert own([inner])[0] is inner


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, {"b": {2}}]},
        [[1], (2, [3]), "four", None],
        {1, 2},
        Note("hi", ["x"]),
        [Page(text="hi")],
        Overwrite([{"a": 1}]),
        ("pair", 1.5),
    ],
)
def test_a_detached_value_is_equal_and_of_the_same_type(value: Any) -> None:
    copied = detached(value)

    assert (copied, type(copied)) == (value, type(value))


def test_no_depth_of_plain_containers_stays_shared() -> None:
    value: dict[str, Any] = {"items": [{"done": False}], "pair": ([1], 2)}

    copied = detached(value)
    value["items"][0]["done"] = True
    value["pair"][0].append(2)

    assert copied == {"items": [{"done": False}], "pair": ([1], 2)}


@pytest.mark.parametrize("value", [Note("before"), Page(text="before")])
def test_an_object_that_is_assigned_to_afterwards_keeps_its_copy(value: Any) -> None:
    copied = detached([value])

    value.text = "after"

    assert copied[0].text == "before"


def test_what_an_overwrite_carries_is_detached_too() -> None:
    value = [1]

    copied = detached(Overwrite(value))
    value.append(2)

    assert copied == Overwrite([1])


@pytest.mark.parametrize("value", ["text", 1, None, Color.RED, object(), Note])
def test_what_cannot_change_is_not_copied(value: Any) -> None:
    assert detached(value) is value
