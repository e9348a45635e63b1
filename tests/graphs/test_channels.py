"""State keys: how the writes of one superstep become the next value."""

import operator
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import partial
from typing import Annotated, Any, List, Literal, NotRequired, Optional, Required, TypedDict  # noqa: UP035  # a case

import pytest
from typing_extensions import ReadOnly

from graphs.channels import MISSING, Channel, LastValue, Reduced, channel_of
from graphs.commands import Overwrite
from graphs.errors import InvalidGraph, InvalidUpdateError


class Draft(TypedDict, total=False):
    title: str


def append(current: list[Any], write: Any) -> list[Any]:
    """Change the current value in place, as many reducers do."""
    current.append(write)
    return current


PLAIN = LastValue("k")
ADDED = Reduced("k", operator.add, list)


def test_a_plain_key_has_no_value_before_the_first_write() -> None:
    assert PLAIN.initial() is MISSING


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": 1}])
def test_a_plain_key_becomes_what_its_only_writer_wrote(value: Any) -> None:
    assert PLAIN.apply("before", [value]) == value


def test_two_writers_of_a_plain_key_in_one_superstep_are_refused() -> None:
    with pytest.raises(InvalidUpdateError, match=r"^At key 'k': Can receive only one value per step"):
        PLAIN.apply(1, [2, 3])


def test_a_reducer_folds_all_writes_in_their_order() -> None:
    assert ADDED.apply([1], [[2], [3, 4], []]) == [1, 2, 3, 4]


def test_without_an_empty_value_the_first_write_is_the_value() -> None:
    channel = Reduced("k", max)

    assert channel.apply(channel.initial(), [3, 7, 5]) == 7


@pytest.mark.parametrize("channel", [PLAIN, ADDED])
@pytest.mark.parametrize("overwrite", [Overwrite([9]), {"__overwrite__": [9]}])
@pytest.mark.parametrize("others", [[], [[1]], [[1], [2]]])
def test_an_overwrite_replaces_the_value_and_beats_plain_writes(
    channel: Channel, overwrite: Any, others: list[Any]
) -> None:
    assert channel.apply([0], [*others, overwrite]) == [9]
    assert channel.apply([0], [overwrite, *others]) == [9]


def test_an_overwrite_with_none_is_an_overwrite() -> None:
    assert ADDED.apply([0], [[1], Overwrite(None)]) is None


@pytest.mark.parametrize("channel", [PLAIN, ADDED])
def test_two_overwrites_in_one_superstep_are_refused(channel: Channel) -> None:
    with pytest.raises(InvalidUpdateError, match=r"Can receive only one Overwrite value per super-step\."):
        channel.apply([0], [Overwrite([1]), {"__overwrite__": [2]}])


def test_a_dict_with_more_than_the_overwrite_key_is_a_plain_value() -> None:
    value = {"__overwrite__": 1, "other": 2}

    assert PLAIN.apply(MISSING, [value]) == value


def test_a_reducer_that_changes_its_argument_does_not_change_the_value_before() -> None:
    before = [1]

    after = Reduced("k", append, list).apply(before, [2, 3])

    assert (before, after) == ([1], [1, 2, 3])


def test_a_reducer_that_changes_its_argument_does_not_change_the_first_write() -> None:
    first = [1]

    after = Reduced("k", append).apply(MISSING, [first, 2])

    assert (first, after) == ([1], [1, 2])


@pytest.mark.parametrize(
    ("hint", "empty"),
    [
        (str, ""),
        (int, 0),
        (bool, False),
        (list, []),
        (list[str], []),
        (List[str], []),  # noqa: UP006  # both spellings are in use
        (dict[str, int], {}),
        (set[int], set()),
        (frozenset[int], frozenset()),
        (Sequence[int], []),
        (Sequence, []),
        (Mapping[str, int], {}),
        (MutableMapping[str, int], {}),
        (AbstractSet[int], set()),
        (Draft, {}),
    ],
)
def test_a_reduced_key_starts_from_the_empty_value_of_its_type(hint: Any, empty: Any) -> None:
    initial = channel_of("k", Annotated[hint, operator.add]).initial()

    assert (initial, type(initial)) == (empty, type(empty))


@pytest.mark.parametrize(
    "hint",
    [
        datetime,
        int | None,
        Optional[list[int]],  # noqa: UP045  # both spellings are in use
        Literal["a"],
        Any,
        Callable[[], int],
    ],
)
def test_a_reduced_key_whose_type_has_no_empty_value_starts_without_one(hint: Any) -> None:
    assert channel_of("k", Annotated[hint, operator.add]).initial() is MISSING


def test_empty_values_are_never_shared() -> None:
    assert ADDED.initial() is not ADDED.initial()


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[list[int], operator.add],
        Annotated[list[int], operator.add, "what it is for"],
        Annotated[list[int], "what it is for", operator.add],
        Required[Annotated[list[int], operator.add]],
        NotRequired[Annotated[list[int], operator.add]],
        ReadOnly[Annotated[list[int], operator.add]],
        NotRequired[ReadOnly[Annotated[list[int], operator.add]]],
        Annotated[NotRequired[list[int]], operator.add],
        Annotated[Required[Annotated[list[int], "inner"]], operator.add],
    ],
)
def test_a_reducer_is_found_wherever_annotated_and_required_are_mixed(hint: Any) -> None:
    assert channel_of("k", hint) == Reduced("k", operator.add, list)


@pytest.mark.parametrize("hint", [int, list[int], NotRequired[int], Annotated[int, "only a remark"], Any])
def test_a_key_without_a_reducer_is_plain(hint: Any) -> None:
    assert channel_of("k", hint) == LastValue("k")


def test_the_last_of_several_reducers_counts() -> None:
    assert channel_of("k", Annotated[int, min, max]) == Reduced("k", max, int)


BAD_REDUCERS: list[Any] = [
    lambda: None,
    lambda current: current,
    lambda current, write, more: current,
    lambda current, *, write: current,
    lambda current, write, *, strict: current,
    partial(operator.add, 1),
]

GOOD_REDUCERS: list[Any] = [
    operator.add,
    max,  # tells nothing about its parameters
    set.union,
    lambda *values: values,
    lambda current, write, strict=False: current,
    lambda current, write, **options: current,
    partial(lambda scale, current, write: current, 2),
]


@pytest.mark.parametrize("reducer", BAD_REDUCERS)
def test_a_reducer_that_does_not_take_two_arguments_is_refused_by_name_of_its_key(reducer: Any) -> None:
    with pytest.raises(InvalidGraph, match=r"Invalid reducer for key 'total'\. Expected \(a, b\) -> c\. Got \("):
        channel_of("total", Annotated[list[int], reducer])


@pytest.mark.parametrize("reducer", GOOD_REDUCERS)
def test_a_reducer_that_can_be_called_with_two_arguments_is_taken(reducer: Any) -> None:
    assert channel_of("total", Annotated[list[int], reducer]) == Reduced("total", reducer, list)
