"""The ops of the store: what they refuse, and what they accept."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.errors import InvalidNamespaceError, TreadleError
from graphs.store import GetOp, Item, ListNamespacesOp, MatchCondition, PutOp, SearchItem, SearchOp

MORNING = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
EVENING = datetime(2026, 5, 1, 20, 0, tzinfo=UTC)


def test_an_item_as_dict_is_ready_for_json() -> None:
    item = Item(value={"likes": "tea"}, key="taste", namespace=("users", "u1"), created_at=MORNING, updated_at=EVENING)

    assert item.dict() == {
        "namespace": ["users", "u1"],
        "key": "taste",
        "value": {"likes": "tea"},
        "created_at": "2026-05-01T08:30:00+00:00",
        "updated_at": "2026-05-01T20:00:00+00:00",
    }


def test_a_search_item_as_dict_has_its_score_too() -> None:
    item = SearchItem(value={}, key="k", namespace=("n",), created_at=MORNING, updated_at=MORNING, score=0.5)

    assert item.dict()["score"] == 0.5
    assert item.dict()["key"] == "k"


def test_an_item_can_be_in_a_set_although_its_value_is_a_dict() -> None:
    item = Item(value={"a": 1}, key="k", namespace=("n",), created_at=MORNING, updated_at=MORNING)
    same = Item(value={"a": 1}, key="k", namespace=("n",), created_at=MORNING, updated_at=MORNING)

    assert len({item, same}) == 1


@pytest.mark.parametrize(
    ("namespace", "says"),
    [
        ((), "empty"),
        (("users", ""), "at least one character"),
        (("users", "a.b"), "no '.'"),
        (("users", "a\0b"), "no NUL"),
        (("users", 7), "not int"),
        (("users", None), "not NoneType"),
        (("users", "\ud800"), "surrogates"),
        ("users", "a string"),
    ],
)
def test_a_bad_namespace_is_refused_with_the_reason(namespace: Any, says: str) -> None:
    with pytest.raises(InvalidNamespaceError, match=says) as of_put:
        PutOp(namespace, "k", {})
    with pytest.raises(InvalidNamespaceError, match=says):
        GetOp(namespace, "k")

    assert isinstance(of_put.value, TreadleError)
    assert isinstance(of_put.value, ValueError)


def test_a_search_prefix_may_be_empty_but_not_malformed() -> None:
    assert SearchOp(()).namespace_prefix == ()
    with pytest.raises(InvalidNamespaceError):
        SearchOp(("a.b",))


def test_a_namespace_may_come_as_a_list_and_is_a_tuple_then() -> None:
    listed: Any = ["users", "u1"]

    assert PutOp(listed, "k", {}).namespace == ("users", "u1")
    assert GetOp(listed, "k").namespace == ("users", "u1")
    assert SearchOp(listed).namespace_prefix == ("users", "u1")


@pytest.mark.parametrize(
    ("key", "error"), [("", ValueError), ("\udfff", ValueError), (7, TypeError), (None, TypeError)]
)
def test_a_bad_key_is_refused(key: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="key"):
        PutOp(("n",), key, {})
    with pytest.raises(error, match="key"):
        GetOp(("n",), key)


@pytest.mark.parametrize("value", ["text", 1, ["a"], True])
def test_a_value_that_is_no_dict_is_refused_and_the_item_named(value: Any) -> None:
    with pytest.raises(TypeError, match=r"item 'taste' in \('users',\).*pass a dict"):
        PutOp(("users",), "taste", value)


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), 1e12])
def test_a_ttl_that_is_no_lifetime_is_refused(ttl: float) -> None:
    with pytest.raises(ValueError, match="ttl of item 'k'"):
        PutOp(("n",), "k", {}, ttl=ttl)


def test_limits_offsets_and_depths_below_their_least_are_refused() -> None:
    with pytest.raises(ValueError, match=r"limit is a whole number .* got -1"):
        SearchOp((), limit=-1)
    with pytest.raises(ValueError, match=r"offset is a whole number .* got -2"):
        ListNamespacesOp(offset=-2)
    with pytest.raises(ValueError, match="max_depth is a whole number of 1 or more, got 0"):
        ListNamespacesOp(max_depth=0)


@pytest.mark.parametrize("filter", [{"age": {"$near": 3}}, {"age": {"$gt": 3, "plain": 1}}, {"a": {"b": {"$in": []}}}])
def test_an_unknown_operator_is_refused_even_where_nothing_is_stored(filter: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no operator .*\$lte"):
        SearchOp((), filter)


VALUE = {"name": "Ada", "age": 36, "tags": ["a", "b"], "home": {"city": "London", "floor": 3}, "gone": None}


@pytest.mark.parametrize(
    "filter",
    [
        None,
        {},
        {"name": "Ada"},
        {"name": {"$eq": "Ada"}},
        {"name": {"$ne": "Bob"}},
        {"missing": {"$ne": 1}},
        {"gone": None},
        {"age": {"$gt": 35}},
        {"age": {"$gte": 36, "$lte": 36}},
        {"age": {"$lt": 36.5}},
        {"name": {"$gt": "Abe"}},
        {"tags": ["a", "b"]},
        {"tags": ("a", "b")},
        {"home": {"city": "London"}},
        {"home": {"floor": {"$gte": 3}}},
        {"name": "Ada", "age": 36},
    ],
)
def test_a_filter_accepts_a_value_that_satisfies_all_of_it(filter: dict[str, Any] | None) -> None:
    assert SearchOp((), filter).accepts(VALUE)


@pytest.mark.parametrize(
    "filter",
    [
        {"name": "Bob"},
        {"name": "Ada", "age": 37},
        {"name": {"$ne": "Ada"}},
        {"age": {"$gt": 36}},
        {"age": {"$gte": 30, "$lt": 36}},
        {"age": {"$gt": "35"}},
        {"gone": {"$lt": 1}},
        {"missing": {"$gte": 0}},
        {"missing": 1},
        {"tags": ["a"]},
        {"tags": ["b", "a"]},
        {"home": {"city": "Paris"}},
        {"home": {"street": "x"}},
        {"name": {"first": "Ada"}},
    ],
)
def test_a_filter_rejects_a_value_that_misses_any_of_it(filter: dict[str, Any]) -> None:
    assert not SearchOp((), filter).accepts(VALUE)


@given(st.integers(), st.integers())
def test_the_operators_agree_with_python_on_numbers(stored: int, operand: int) -> None:
    def accepted(operator: str) -> bool:
        return SearchOp((), {"n": {operator: operand}}).accepts({"n": stored})

    names = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")
    assert [accepted(name) for name in names] == [
        stored == operand,
        stored != operand,
        stored > operand,
        stored >= operand,
        stored < operand,
        stored <= operand,
    ]


@pytest.mark.parametrize(
    ("condition", "namespace", "accepted"),
    [
        (MatchCondition("prefix", ("users",)), ("users", "u1"), True),
        (MatchCondition("prefix", ("users",)), ("users",), True),
        (MatchCondition("prefix", ("users",)), ("users-old", "u1"), False),
        (MatchCondition("prefix", ("users", "*", "facts")), ("users", "u1", "facts", "deep"), True),
        (MatchCondition("prefix", ("users", "*", "facts")), ("users", "u1", "tastes"), False),
        (MatchCondition("prefix", ("users", "*")), ("users",), False),
        (MatchCondition("suffix", ("facts",)), ("users", "u1", "facts"), True),
        (MatchCondition("suffix", ("facts",)), ("facts", "u1"), False),
        (MatchCondition("suffix", ("*", "facts")), ("u1", "facts"), True),
        (MatchCondition("suffix", ("*", "facts")), ("facts",), False),
        (MatchCondition("suffix", ()), ("any",), True),
    ],
)
def test_a_condition_matches_whole_labels_with_a_wildcard(
    condition: MatchCondition, namespace: tuple[str, ...], accepted: bool
) -> None:
    assert condition.accepts(namespace) is accepted


def test_a_match_type_that_does_not_exist_is_refused() -> None:
    unknown: Any = "infix"

    with pytest.raises(ValueError, match="'prefix' or 'suffix'"):
        MatchCondition(unknown, ("a",))


def test_a_namespace_has_to_meet_every_condition() -> None:
    op = ListNamespacesOp((MatchCondition("prefix", ("users",)), MatchCondition("suffix", ("facts",))))

    assert op.accepts(("users", "u1", "facts"))
    assert not op.accepts(("users", "u1"))
    assert not op.accepts(("teams", "facts"))
