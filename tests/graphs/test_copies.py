"""Keeping apart what is stored and what nodes and callers hold."""

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from operator import add
from typing import Any

import pytest
from pydantic import BaseModel

from graphs.commands import Overwrite
from graphs.copies import detached, handed, own


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


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"number": number, "tags": ["a"]} for number in range(count)]


CHANGES: dict[str, Callable[[list[Any]], Any]] = {
    "item": lambda taken: taken[3].update(number=-1),
    "last": lambda taken: taken[-1]["tags"].append("b"),
    "loop": lambda taken: [one.clear() for one in taken],
    "reversed": lambda taken: [one.clear() for one in reversed(taken)],
    "slice": lambda taken: taken[2:9][0].clear(),
    "sum": lambda taken: add(taken, [1])[0].clear(),
    "reflected sum": lambda taken: add([1], taken)[1].clear(),
    "times": lambda taken: (taken * 2)[0].clear(),
    "copy": lambda taken: taken.copy()[0].clear(),
    "deep copy": lambda taken: copy.deepcopy(taken)[0].clear(),
    "sorted": lambda taken: sorted(taken, key=lambda one: -one["number"])[0].clear(),
    "list": lambda taken: [*taken][5].clear(),
    "unpacked": lambda taken: (lambda first, *_: first.clear())(*taken),
    "append": lambda taken: taken.append(1),
    "pop": lambda taken: taken.pop().clear(),
    "sort": lambda taken: taken.sort(key=lambda one: -one["number"]),
    "assigned": lambda taken: taken.__setitem__(0, 1),
    "deleted": lambda taken: taken.__delitem__(0),
    "extended": lambda taken: taken.__iadd__([1])[0].clear(),
    "into another": lambda taken: [].extend(taken),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("count", [10, 1000])
def test_what_is_done_to_a_list_that_was_handed_out_reaches_nothing_else(
    change: Callable[[list[Any]], Any], count: int
) -> None:
    original, plain = numbered(count), numbered(count)
    taken = handed(original)

    change(taken)
    change(plain)

    assert original == numbered(count)
    assert taken == plain


def test_a_long_list_that_was_handed_out_is_as_good_as_a_plain_one() -> None:
    taken, plain = handed(numbered(1000)), numbered(1000)

    assert isinstance(taken, list)
    assert taken == plain
    assert json.dumps(taken) == json.dumps(plain)
    assert repr(taken) == repr(plain)
    assert pickle.loads(pickle.dumps(taken)) == plain
    assert type(copy.copy(taken)) is type(copy.deepcopy(taken)) is type(taken[:]) is type(detached(taken)) is list
    assert taken[7] is taken[7]


def test_each_caller_has_items_of_their_own() -> None:
    original = numbered(1000)

    handed(original)[0].clear()

    assert handed(original)[0] == {"number": 0, "tags": ["a"]}
