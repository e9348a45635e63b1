"""State classes taken apart: their keys, what a node sees, what an input may be, which classes they name."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from enum import Enum
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
)

import pytest
from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from graphs.channels import LastValue, Reduced
from graphs.errors import InvalidGraph, InvalidInput, InvalidUpdateError
from graphs.schema import ROOT, as_mapping, classes_in, context_of, expect_mapping, initial_values, schema_of

T = TypeVar("T")


class Dict(TypedDict):
    name: str
    log: NotRequired[Annotated[list[str], operator.add]]


class Partial(TypedDict, total=False):
    name: str
    log: Annotated[list[str], operator.add]


class Marked(TypedDict, total=False):
    name: Required[str]
    log: Required[Annotated[list[str], operator.add]]


class Longer(Dict):
    more: int


@dataclass
class Record:
    LIMIT: ClassVar[int] = 3
    seed: InitVar[int] = 0
    name: str = "nobody"
    log: Annotated[list[str], operator.add] = field(default_factory=list)
    length: int = field(init=False, default=0)


class Model(BaseModel):
    KIND: ClassVar[str] = "model"
    name: str
    log: Annotated[list[str], Field(max_length=3), operator.add] = []
    size: Annotated[int, Field(gt=0)] = 1
    _cache: int = PrivateAttr(0)


class PlainClass:
    name: str


class Pair(NamedTuple):
    left: int
    right: int


NAME = LastValue("name")
LOG = Reduced("log", operator.add, list)


@pytest.mark.parametrize(
    ("cls", "kind", "channels"),
    [
        (Dict, "mapping", {"name": NAME, "log": LOG}),
        (Partial, "mapping", {"name": NAME, "log": LOG}),
        (Marked, "mapping", {"name": NAME, "log": LOG}),
        (Longer, "mapping", {"name": NAME, "log": LOG, "more": LastValue("more")}),
        (Record, "dataclass", {"name": NAME, "log": LOG}),
        (Model, "pydantic", {"name": NAME, "log": LOG, "size": LastValue("size")}),
        (dict, "root", {ROOT: LastValue(ROOT)}),
        (str, "root", {ROOT: LastValue(ROOT)}),
        (Annotated[list[int], operator.add], "root", {ROOT: Reduced(ROOT, operator.add, list)}),
        (dict[str, int], "root", {ROOT: LastValue(ROOT)}),
    ],
)
def test_every_kind_of_state_has_its_keys(cls: Any, kind: str, channels: Mapping[str, Any]) -> None:
    schema = schema_of(cls)

    assert (schema.kind, schema.channels) == (kind, channels)


@pytest.mark.parametrize("given", [{"foo": "bar"}, ["hi"], Record(), "State", None, 3])
def test_an_object_is_no_state_class(given: Any) -> None:
    with pytest.raises(InvalidGraph, match="Expected a state class or Annotated"):
        schema_of(given)


@pytest.mark.parametrize("cls", [PlainClass, Pair])
def test_a_class_with_keys_of_another_kind_is_refused_by_name(cls: Any) -> None:
    with pytest.raises(InvalidGraph, match=rf"{cls.__name__} declares keys, but is not a TypedDict"):
        schema_of(cls)


@pytest.mark.parametrize(
    ("cls", "view"),
    [
        (Dict, {"name": "x", "log": ["a"]}),
        (Record, Record(name="x", log=["a"])),
        (Model, Model(name="x", log=["a"])),
    ],
)
def test_a_node_sees_the_state_in_the_form_of_its_class(cls: Any, view: Any) -> None:
    seen = schema_of(cls).view({"name": "x", "log": ["a"], "hidden": 1})

    assert (seen, type(seen)) == (view, type(view))


def test_a_key_that_was_never_written_is_absent_from_a_dict() -> None:
    assert schema_of(Dict).view({"log": []}) == {"log": []}


def test_a_key_that_was_never_written_has_the_default_of_its_class() -> None:
    assert schema_of(Record).view({}).name == "nobody"


def test_the_list_that_a_node_sees_is_its_own() -> None:
    values = {"log": ["a"]}

    schema_of(Dict).view(values)["log"].append("b")

    assert values == {"log": ["a"]}


def test_a_root_state_is_seen_as_the_bare_value() -> None:
    assert schema_of(dict).view({ROOT: {"a": 1}}) == {"a": 1}
    assert schema_of(dict).view({}) is None


def test_a_value_that_does_not_fit_a_pydantic_state_is_refused_when_a_node_is_to_see_it() -> None:
    with pytest.raises(ValidationError):
        schema_of(Model).view({"name": "x", "size": -1})


@pytest.mark.parametrize(
    ("cls", "given", "writes"),
    [
        (Dict, {"name": "x"}, {"name": "x"}),
        (Dict, {"name": "x", "unknown": 1}, {"name": "x"}),
        (Dict, {}, {}),
        (Record, {"name": "x"}, {"name": "x"}),
        (Record, Record(name="x", log=["a"]), {"name": "x", "log": ["a"]}),
        (Model, Model(name="x"), {"name": "x"}),
        (Dict, Model(name="x", size=3), {"name": "x"}),
        (dict, {"anything": 1}, {ROOT: {"anything": 1}}),
        (str, "text", {ROOT: "text"}),
    ],
)
def test_an_input_is_read_as_writes_to_the_known_keys(cls: Any, given: Any, writes: Any) -> None:
    assert schema_of(cls).read(given) == writes


def test_a_pydantic_input_is_validated_and_kept_raw() -> None:
    assert schema_of(Model).read({"name": "x", "size": "3"}) == {"name": "x", "size": "3"}


@pytest.mark.parametrize("given", [{"name": "x", "size": "many"}, {"size": 1}, {}])
def test_an_input_that_does_not_fit_a_pydantic_state_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        schema_of(Model).read(given)


@pytest.mark.parametrize("given", ["text", 3, ["name"], [("name", "x")]])
def test_an_input_of_another_kind_is_refused_with_the_keys_that_it_may_have(given: Any) -> None:
    with pytest.raises(InvalidInput, match=r"must be a dict with keys of Dict \(name, log\), got (str|int|list)\."):
        schema_of(Dict).read(given)


def test_an_input_without_any_known_key_is_refused_with_the_keys_on_both_sides() -> None:
    with pytest.raises(InvalidInput, match=r"none of the keys of Dict \(name, log\); it has: nmae, 1\."):
        schema_of(Dict).read({"nmae": "x", 1: 2})


def test_what_a_caller_does_to_its_input_afterwards_changes_nothing() -> None:
    given: dict[str, Any] = {"name": "x", "log": ["a"]}

    writes = schema_of(Dict).read(given)
    given["log"].append("b")

    assert writes == {"name": "x", "log": ["a"]}


def test_reduced_keys_start_empty_and_plain_keys_not_at_all() -> None:
    assert initial_values(schema_of(Dict).channels) == {"log": []}


def test_a_default_that_was_changed_in_place_counts_as_changed() -> None:
    model = Model(name="x")
    model.log.append("a")

    assert as_mapping(model) == {"name": "x", "log": ["a"]}


def test_a_field_that_was_set_to_none_counts_as_set() -> None:
    class Answer(BaseModel):
        text: str | None = "none yet"
        remark: str | None = None

    assert as_mapping(Answer(text=None)) == {"text": None}


def test_of_a_dataclass_all_fields_count() -> None:
    assert as_mapping(Leaf(Color.RED, "x")) == {"color": Color.RED, "label": "x"}


def test_a_value_that_was_stored_raw_stays_raw_and_is_seen_as_its_type() -> None:
    values = {"name": "x", "size": "3"}

    assert schema_of(Model).view(values).size == 3
    assert values["size"] == "3"


def test_a_default_that_is_made_from_other_fields_does_not_count_as_changed() -> None:
    class Derived(BaseModel):
        name: str
        slug: str = Field(default_factory=lambda fields: fields["name"].lower())

    assert as_mapping(Derived(name="X")) == {"name": "X"}


@pytest.mark.parametrize("value", ["text", None, 3, ["a"], Record])
def test_what_has_no_fields_is_no_mapping(value: Any) -> None:
    assert as_mapping(value) is None

    with pytest.raises(InvalidUpdateError, match=r"^Expected dict, got "):
        expect_mapping(value)


@pytest.mark.parametrize(
    ("schema", "value", "context"),
    [
        (Record, {"name": "x"}, Record(name="x")),
        (Model, {"name": "x"}, Model(name="x")),
        (Dict, {"name": "x"}, {"name": "x"}),
        (Record, Record(name="x"), Record(name="x")),
        (Record, None, None),
        (None, {"name": "x"}, {"name": "x"}),
    ],
)
def test_a_context_dict_becomes_an_instance_of_a_schema_with_fields(schema: Any, value: Any, context: Any) -> None:
    assert context_of(schema, value) == context


class Color(Enum):
    RED = "red"


@dataclass
class Leaf:
    color: Color
    label: str


@dataclass
class Tree:
    leaf: Leaf
    children: list["Tree"]


@dataclass
class Box(Generic[T]):
    item: T


class Shelf(BaseModel):
    tree: Tree | None = None


class Forest(TypedDict):
    shelves: Annotated[list[Shelf], operator.add]


LeafId = NewType("LeafId", Leaf)


@pytest.mark.parametrize(
    ("hint", "classes"),
    [
        (int, {int}),
        (Leaf, {Leaf, Color, str}),
        (list[Color], {list, Color}),
        (dict[str, list[tuple[Color, ...]]], {dict, str, list, tuple, Color}),
        (Color | None, {Color, type(None)}),
        (Optional[Color], {Color, type(None)}),  # noqa: UP045  # both spellings are in use
        (Annotated[Color, "remark", Leaf], {Color}),
        (NotRequired[Color], {Color}),
        (Literal[Color.RED, "text", 3], {Color, str, int}),
        (Box[Color], {Box, Color}),
        (LeafId, {Leaf, Color, str}),
        (Tree, {Tree, Leaf, Color, str, list}),
        (Pair, {Pair, int}),
        (None, set()),
        (Any, set()),
    ],
)
def test_every_class_that_an_annotation_names_is_found(hint: Any, classes: set[Any]) -> None:
    assert set(classes_in(hint)) == classes


def test_classes_are_found_through_all_kinds_of_nesting_and_recursion() -> None:
    assert {Forest, Shelf, Tree, Leaf, Color} <= set(classes_in(Forest))


def test_a_callable_names_the_classes_of_its_result() -> None:
    assert Leaf in set(classes_in(Callable[[int], Leaf]))


def test_each_class_is_yielded_once() -> None:
    found = list(classes_in(dict[str, Forest | Tree | list[Forest]]))

    assert len(found) == len(set(found))
