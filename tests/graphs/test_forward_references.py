"""State classes and functions whose annotations are only text until somebody resolves them."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypedDict

import pytest
from pydantic import BaseModel

from graphs.channels import LastValue, Reduced
from graphs.errors import InvalidGraph
from graphs.node import hints_of, injected_parameters, input_hint
from graphs.runtime import Runtime
from graphs.schema import classes_in, schema_of

if TYPE_CHECKING:
    from decimal import Decimal


class State(TypedDict):
    items: Annotated[list[Item], operator.add]
    first: Item | None


@dataclass
class Item:
    price: int


@dataclass
class Record:
    LIMIT: ClassVar[int] = 3
    items: Annotated[list[Item], operator.add]


class Model(BaseModel):
    items: Annotated[list[Item], operator.add] = []


class Hidden(TypedDict):
    name: str
    price: Decimal


@dataclass
class Wrapped:
    hidden: list[HiddenRecord]


@dataclass
class HiddenRecord:
    price: Decimal


ITEMS = Reduced("items", operator.add, list)


@pytest.mark.parametrize("cls", [State, Record, Model])
def test_what_the_module_defines_later_is_found(cls: type) -> None:
    schema = schema_of(cls)

    assert schema.channels["items"] == ITEMS
    assert Item in set(classes_in(cls))


def test_a_union_in_text_is_a_plain_key() -> None:
    assert schema_of(State).channels["first"] == LastValue("first")


def test_a_state_class_inside_of_a_function_may_use_what_its_module_has() -> None:
    class Local(TypedDict):
        items: Annotated[list[Item], operator.add]

    assert schema_of(Local).channels == {"items": ITEMS}


def test_a_pydantic_class_inside_of_a_function_may_use_what_is_there() -> None:
    class Inner(BaseModel):
        n: int

    class Local(BaseModel):
        items: Annotated[list[Inner], operator.add] = []

    assert schema_of(Local).channels == {"items": ITEMS}
    assert Inner in set(classes_in(Local))


def test_what_only_a_function_knows_is_refused_with_the_key_that_names_it() -> None:
    class Inner(TypedDict):
        n: int

    class Local(TypedDict):
        name: str
        inner: list[Inner]

    with pytest.raises(InvalidGraph, match=r"Local\.inner cannot be resolved: name 'Inner' is not defined") as caught:
        schema_of(Local)

    assert __name__ in str(caught.value)
    assert isinstance(caught.value.__cause__, NameError)


def test_a_local_reducer_is_refused_with_its_key_instead_of_being_lost() -> None:
    def newest(current: int, write: int) -> int:
        return write

    @dataclass
    class Local:
        name: str
        total: Annotated[int, newest]

    with pytest.raises(InvalidGraph, match=r"Local\.total cannot be resolved: name 'newest' is not defined"):
        schema_of(Local)


def test_what_only_type_checkers_import_is_refused_in_a_state() -> None:
    with pytest.raises(InvalidGraph, match=r"Hidden\.price cannot be resolved: name 'Decimal' is not defined"):
        schema_of(Hidden)


def test_a_pydantic_class_with_an_open_reference_is_refused_with_its_key() -> None:
    class Open(BaseModel):
        name: str
        later: NeverDefined  # type: ignore[name-defined]  # noqa: F821  # the case

    with pytest.raises(InvalidGraph, match=r"Open\.later cannot be resolved"):
        schema_of(Open)


def test_a_nested_class_that_cannot_be_resolved_still_counts_itself() -> None:
    assert HiddenRecord in set(classes_in(Wrapped))


def test_the_first_parameter_of_a_function_is_resolved_from_its_module() -> None:
    def node(state: State) -> Any: ...

    assert input_hint(node) is State


def test_one_unresolvable_annotation_hides_no_other() -> None:
    def node(state: State, told: Runtime[Any], price: Decimal = ...) -> Literal["a", "b"]: ...  # type: ignore[empty-body]

    assert hints_of(node).keys() == {"state", "told", "return"}
    assert input_hint(node) is State
    assert injected_parameters(node) == {"told": "runtime"}


def test_a_function_annotated_with_a_class_it_cannot_reach_sees_the_whole_state() -> None:
    class Local(TypedDict):
        n: int

    def node(state: Local) -> Any: ...

    assert input_hint(node) is None
