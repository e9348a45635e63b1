"""From what a node returns to what it writes, and from writes to the next state."""

import operator
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel, Field

from graphs.channels import Channel, LastValue, Reduced
from graphs.commands import Overwrite
from graphs.errors import InvalidUpdateError
from graphs.schema import ROOT, schema_of
from graphs.updates import apply, updates_of


class State(TypedDict):
    name: str | None
    log: Annotated[list[str], operator.add]


class Form(BaseModel):
    name: str | None = None
    log: list[str] = Field(default_factory=list)


@dataclass
class Record:
    name: str | None = None
    log: tuple[str, ...] = ()


CHANNELS = schema_of(State).channels
ROOT_CHANNELS = schema_of(Annotated[list[int], operator.add]).channels


def appended_in_place() -> Form:
    form = Form()
    form.log.append("a")
    return form


def assigned() -> Form:
    form = Form()
    form.name = "x"
    return form


@pytest.mark.parametrize(
    ("returned", "updates"),
    [
        (None, ()),
        ({}, ()),
        ({"other": 1}, ()),
        ({"name": "x"}, ({"name": "x"},)),
        ({"name": "x", "other": 1, 7: 2}, ({"name": "x"},)),
        (OrderedDict(name="x"), ({"name": "x"},)),
        (MappingProxyType({"name": "x"}), ({"name": "x"},)),
        (Form(), ()),
        (Form(name=None), ({"name": None},)),
        (Form(log=[]), ({"log": []},)),
        (assigned(), ({"name": "x"},)),
        (appended_in_place(), ({"log": ["a"]},)),
        (Record(), ({"name": None, "log": ()},)),
        ({"log": Overwrite(["a"])}, ({"log": Overwrite(["a"])},)),
    ],
)
def test_a_node_writes_the_known_keys_of_what_it_returns(returned: Any, updates: Any) -> None:
    assert updates_of(returned, CHANNELS) == updates


@pytest.mark.parametrize("returned", ["text", 3, [], ["a"], [{"log": ["a"]}], ("log", ["a"]), {"log"}, Form, Record])
def test_anything_else_is_refused_with_what_was_got(returned: Any) -> None:
    with pytest.raises(InvalidUpdateError, match=r"^Expected dict, got "):
        updates_of(returned, CHANNELS)


def test_a_list_is_shown_whole_when_it_is_refused() -> None:
    with pytest.raises(InvalidUpdateError, match=r"^Expected dict, got \[\{'role': 'user'\}\]$"):
        updates_of([{"role": "user"}], CHANNELS)


@pytest.mark.parametrize("returned", [[1], {"a": 1}, "text", 0, Overwrite([1])])
def test_the_write_of_a_root_state_is_the_returned_value(returned: Any) -> None:
    assert updates_of(returned, ROOT_CHANNELS) == ({ROOT: returned},)


def test_a_root_state_is_not_written_by_none() -> None:
    assert updates_of(None, ROOT_CHANNELS) == ()


def test_what_a_node_does_to_its_objects_after_returning_changes_no_write() -> None:
    held: list[dict[str, Any]] = [{"n": 1}]

    updates = updates_of({"log": held}, CHANNELS)
    held[0]["n"] = 2
    held.append({})

    assert updates == ({"log": [{"n": 1}]},)


def test_an_item_changed_in_place_is_a_new_object_in_the_next_state() -> None:
    before: dict[str, Any] = {"name": [{"done": False}]}
    seen = before["name"]

    seen[0]["done"] = True
    after = apply(CHANNELS, before, updates_of({"name": seen}, CHANNELS))

    assert after["name"] == [{"done": True}]
    assert after["name"][0] is not before["name"][0]


def test_writes_are_applied_in_the_order_given() -> None:
    after = apply(CHANNELS, {"log": ["0"]}, [{"log": ["b"]}, {"name": "x"}, {"log": ["a"]}])

    assert after == {"name": "x", "log": ["0", "b", "a"]}


def test_applying_writes_leaves_the_values_before_as_they_were() -> None:
    before = {"name": "x", "log": ["a"]}

    apply(CHANNELS, before, [{"name": "y", "log": ["b"]}])

    assert before == {"name": "x", "log": ["a"]}


def test_a_key_that_nobody_wrote_keeps_the_very_object_it_had() -> None:
    before = {"name": "x", "log": ["a"]}

    after = apply(CHANNELS, before, [{"name": "y"}])

    assert after["log"] is before["log"]


def test_a_key_that_the_values_lack_starts_from_its_empty_value() -> None:
    assert apply(CHANNELS, {}, [{"log": ["a"]}]) == {"log": ["a"]}


def test_a_pending_write_to_a_key_that_the_graph_no_longer_has_is_dropped() -> None:
    assert apply(CHANNELS, {}, [{"gone": 1, "name": "x"}]) == {"name": "x"}


def test_two_plain_writes_to_one_key_name_the_key() -> None:
    with pytest.raises(InvalidUpdateError, match=r"^At key 'name'"):
        apply(CHANNELS, {}, [{"name": "x"}, {"name": "y"}])


def fails(error: Exception) -> Callable[[Any, Any], Any]:
    def reducer(current: Any, write: Any) -> Any:
        raise error

    return reducer


@pytest.mark.parametrize("error", [TypeError("t"), ValueError("v"), KeyError("k"), ZeroDivisionError("z")])
def test_whatever_a_reducer_raises_is_an_invalid_update_of_its_key(error: Exception) -> None:
    channels: dict[str, Channel] = {"total": Reduced("total", fails(error), int), "name": LastValue("name")}

    with pytest.raises(InvalidUpdateError, match=r"^At key 'total': the reducer failed: ") as caught:
        apply(channels, {"total": 1}, [{"total": 2}])

    assert caught.value.__cause__ is error


def test_an_invalid_update_that_a_reducer_raises_is_raised_as_it_is() -> None:
    error = InvalidUpdateError("no such message")

    with pytest.raises(InvalidUpdateError) as caught:
        apply({"total": Reduced("total", fails(error))}, {"total": 1}, [{"total": 2}])

    assert caught.value is error
