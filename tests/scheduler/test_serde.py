"""Values to bytes and back: what goes in comes out, what cannot is refused by name, and nothing is ever run."""

import math
import pickle
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

from graphs.commands import Overwrite
from graphs.copies import handed
from scheduler.errors import NotSerializable
from scheduler.excess import StateTooLarge
from scheduler.serde import Serde, Unknown, class_name


class Point(NamedTuple):
    x: int
    y: int = 0


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Right(Flag):
    READ = 1
    WRITE = 2


@dataclass
class Note:
    text: str
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tags.append("made")


@dataclass(frozen=True, slots=True)
class Frozen:
    value: Any


class Model(BaseModel):
    count: int = 0
    note: Note | None = None

    @field_validator("count")
    @classmethod
    def never_on_reading(cls, value: int) -> int:
        assert value < 10, "validated"
        return value


CLASSES = (Point, Colour, Level, Right, Note, Frozen, Model)
PLAIN = [
    None,
    True,
    0,
    -(2**63),
    2**64,
    -(10**40),
    1.5,
    -0.0,
    math.inf,
    "",
    "ä💡\x00",
    b"\x00\xff",
    (),
    (1, (2, [3])),
    set(),
    {1, "a"},
    frozenset({frozenset({1})}),
    {1: "int", "1": "text"},
    datetime(2024, 1, 2, 3, 4, 5, 6),
    datetime(2024, 1, 2, tzinfo=UTC),
    datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    date(2024, 1, 2),
    time(1, 2, 3),
    timedelta(days=-1, microseconds=1),
    UUID(int=5),
    Decimal("1.10"),
    1 + 2j,
    deque([1, 2], maxlen=3),
    PurePosixPath("a/b"),
]
INSTANCES = [
    Point(1, 2),
    Colour.RED,
    Level.HIGH,
    Right.READ | Right.WRITE,
    Frozen((1, {2})),
    Overwrite([1]),
    [Point(1), {"k": Colour.RED}],
]

moments = st.dates() | st.datetimes().map(lambda value: value.replace(fold=0)) | st.timedeltas()
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
values = st.recursive(
    scalars
    | st.dates()
    | st.datetimes().map(lambda value: value.replace(fold=0))
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.timedeltas(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


def again(value: Any) -> Any:
    serde = Serde(CLASSES)
    return serde.loads(serde.dumps(value))


def same(one: Any, other: Any) -> bool:
    return one == other and repr(one) == repr(other)


@given(values)
def test_plain_values_come_back_equal_and_of_the_same_types(value: Any) -> None:
    assert same(again(value), value)


@pytest.mark.parametrize("value", [*PLAIN, *INSTANCES], ids=lambda value: type(value).__name__)
def test_a_value_comes_back_as_what_it_was(value: Any) -> None:
    assert same(again(value), value)
    assert type(again([value])[0]) is type(value)


def test_a_bytearray_comes_back_as_bytes() -> None:
    assert same(again(bytearray(b"x")), b"x")


def test_not_a_number_comes_back_as_not_a_number() -> None:
    assert math.isnan(again(math.nan))


def test_a_models_fields_come_back_with_which_of_them_were_set() -> None:
    value = again(Model(count=3, note=Note("n")))

    assert value == Model(count=3, note=Note("n"))
    assert again(Model(note=None)).model_fields_set == {"note"}


def test_reading_runs_no_code_of_the_values_class() -> None:
    note, model = Note("n"), Model.model_construct(count=99)
    del note.tags[:]

    assert again(note).tags == []
    assert again(model).count == 99


def test_of_a_class_that_is_not_allowed_nothing_is_stored() -> None:
    with pytest.raises(NotSerializable, match=r"State key 'x' holds a .*Frozen, .*Annotate it in the graph's state"):
        Serde().dumps({"deep": [Frozen(1)]}, "State key 'x'")


def test_an_instance_of_a_class_that_the_reader_does_not_allow_comes_back_as_its_content() -> None:
    data = Serde(CLASSES).dumps([Point(1, 2), Colour.RED])

    assert Serde().loads(data) == [Unknown(class_name(Point), [1, 2]), Unknown(class_name(Colour), "red")]


def test_what_is_not_known_here_goes_on_as_it_came() -> None:
    value = {"model": Model(count=1, note=Note("one")), "points": [Point(1, 2), Colour.RED]}
    data = Serde(CLASSES).dumps(value)

    assert Serde().dumps(Serde().loads(data)) == data


def test_classes_can_be_allowed_later() -> None:
    serde = Serde()

    serde.allow([Frozen])

    assert serde.loads(serde.dumps(Frozen(1))) == Frozen(1)


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        (object(), "object"),
        (lambda: None, "function"),
        (Serde, "type"),
        (iter([]), "list_iterator"),
        (defaultdict(list), "collections:defaultdict"),
        (OrderedDict(), "collections:OrderedDict"),
        (ValueError("x"), "ValueError"),
        (open, "builtin_function_or_method"),
        (range(3), "range"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_type_and_place(value: Any, type_name: str) -> None:
    with pytest.raises(NotSerializable) as refused:
        Serde().dumps({"a": [value]}, "Key 'a'")

    assert (refused.value.where, refused.value.type_name) == ("Key 'a'", type_name)
    assert str(refused.value).endswith(".")


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(NotSerializable, match="str"):
        Serde().dumps({"a": "\ud800"})


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(NotSerializable):
        Serde().dumps(endless)


def nested(kind: type[list[Any]] | type[tuple[Any, ...]], depth: int) -> Any:
    value: Any = kind()
    for _ in range(depth):
        value = kind([value])
    return value


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("depth", [50, 200, 500, 1_000, 5_000])
def test_what_is_stored_can_be_read_however_deep_it_is(kind: Any, depth: int) -> None:
    serde = Serde()
    try:
        data = serde.dumps(nested(kind, depth))
    except NotSerializable:
        assert depth > 100
        return

    assert same(serde.loads(data), nested(kind, depth))


@pytest.mark.parametrize(
    "key",
    [
        1,
        -5,
        2**63,
        1.5,
        True,
        None,
        b"x",
        (1, 2),
        date(2024, 1, 1),
        UUID(int=1),
        Colour.RED,
        Level.HIGH,
        frozenset({1}),
    ],
)
def test_the_keys_of_a_dict_come_back_as_they_were(key: Any) -> None:
    assert same(again({key: "value"}), {key: "value"})
    assert same(again([({key: {key: (1, 2)}, "text": 1},)]), [({key: {key: (1, 2)}, "text": 1},)])
    assert same(again(Frozen({key: 1})), Frozen({key: 1}))


def test_a_key_and_its_text_are_two_keys() -> None:
    both = {Colour.RED: 1, "red": 2, date(2024, 1, 1): 3, "2024-01-01": 4}

    assert same(again(both), both)


def test_a_key_whose_class_is_not_allowed_is_refused() -> None:
    with pytest.raises(NotSerializable, match="Colour"):
        Serde().dumps({Colour.RED: 1})


def test_a_value_larger_than_the_limit_is_refused_with_its_size() -> None:
    serde = Serde(limit_bytes=100)

    assert serde.loads(serde.dumps("x" * 98)) == "x" * 98
    with pytest.raises(StateTooLarge, match="State key 'x' takes 101 bytes, more than the limit of 100"):
        serde.dumps("x" * 99, "State key 'x'")


@pytest.mark.parametrize("data", [pickle.dumps({"a": 1}), ormsgpack.packb(ormsgpack.Ext(99, b"\xc0")), b"\xc1", b""])
def test_bytes_that_are_not_ours_are_an_error_and_never_run(data: bytes) -> None:
    try:
        value = Serde().loads(data)
    except Exception as error:
        assert not isinstance(error, SystemError)
    else:
        assert value != {"a": 1}


def test_a_list_that_a_caller_was_handed_is_stored_as_a_plain_one() -> None:
    taken = handed([{"number": number, 1: "odd"} for number in range(300)])

    back = Serde().loads(Serde().dumps({"taken": taken}))

    assert back == {"taken": [{"number": number, 1: "odd"} for number in range(300)]}
