"""What a step wrote and its chunk repeats: left out where it is the very same, and put in again exactly."""

import operator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.messages import add_messages
from scheduler.echoes import with_echoes, without_echoes
from scheduler.serde import Serde

SERDE = Serde()

values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def back(updates: list[dict[str, Any]], tails: dict[str, Any]) -> list[dict[str, Any]]:
    """Return updates after a way through the store."""
    kept, echoes = SERDE.loads(SERDE.dumps(list(without_echoes(updates, tails))))
    chunks = {name: SERDE.dumps(tail) for name, tail in tails.items()}
    with_echoes(kept, echoes, lambda name: SERDE.loads(chunks[name]))
    return list(kept)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), max_size=3))
def test_writes_come_back_with_their_keys_in_order_and_their_types(updates: list[dict[str, Any]]) -> None:
    tails = {key: value for update in updates for key, value in update.items()}

    found = back(updates, tails)

    assert SERDE.dumps(found) == SERDE.dumps(updates)


def test_what_was_added_to_a_list_is_kept_once() -> None:
    said = ["one", "two"]

    kept, echoes = without_echoes([{"items": said}], {"items": operator.add(["zero"], said)[1:]})

    assert (kept, len(echoes)) == ([{"items": None}], 1)


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": values}, optional={"id": st.text()})))
def test_messages_come_back_without_the_ids_that_the_merge_gave_them(said: list[dict[str, Any]]) -> None:
    tail = add_messages([], said)

    assert back([{"messages": said}], {"messages": tail}) == [{"messages": said}]


def test_messages_without_ids_are_kept_once() -> None:
    said = [{"role": "user", "content": "hi"}]

    kept, echoes = without_echoes([{"messages": said}], {"messages": add_messages([], said)})

    assert (kept, echoes) == ([{"messages": None}], [(0, 0, [0])])


def test_what_is_equal_and_not_the_same_is_kept_apart() -> None:
    kept, echoes = without_echoes([{"items": [True, "x" * 50]}], {"items": [1, "x" * 50]})

    assert (kept, echoes) == ([{"items": [True, "x" * 50]}], [])
