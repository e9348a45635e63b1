"""Chat messages as a state: merged by id."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.conversation import Conversation
from graphs.errors import InvalidUpdateError
from graphs.messages import REMOVE, REMOVE_ALL_MESSAGES, Message, MessagesState, add_messages
from graphs.schema import schema_of


def message(message_id: Any, content: str = "", role: str = "user") -> Message:
    return {"role": role, "content": content, "id": message_id}


def remove(message_id: Any) -> Message:
    return {"role": REMOVE, "id": message_id}


ONE, TWO, THREE = message("1", "one"), message("2", "two"), message("3", "three")


@pytest.mark.parametrize(
    ("left", "right", "merged"),
    [
        ([], [], []),
        ([ONE], [], [ONE]),
        ([], [ONE], [ONE]),
        ([ONE], TWO, [ONE, TWO]),
        (ONE, TWO, [ONE, TWO]),
        ([ONE, TWO], [THREE], [ONE, TWO, THREE]),
        ([ONE, TWO], [message("1", "new")], [message("1", "new"), TWO]),
        ([ONE], [message("2", "a"), message("2", "b")], [ONE, message("2", "b")]),
        ([ONE, TWO], [remove("1")], [TWO]),
        ([ONE, TWO], [remove("1"), ONE], [TWO, ONE]),
        ([ONE], [TWO, remove("2")], [ONE]),
        ([ONE, TWO], [remove("2"), remove("1")], []),
        ([ONE, TWO], [remove(REMOVE_ALL_MESSAGES)], []),
        ([ONE, TWO], [THREE, remove(REMOVE_ALL_MESSAGES), ONE], [ONE]),
        ([], [remove(REMOVE_ALL_MESSAGES)], []),
        ([message(7, "x")], [message(7, "y")], [message(7, "y")]),
    ],
)
def test_messages_are_added_replaced_in_place_or_removed_by_id(left: Any, right: Any, merged: Any) -> None:
    assert add_messages(left, right) == merged


@pytest.mark.parametrize(
    ("given_as", "role", "content"),
    [
        ("hi", "user", "hi"),
        (("assistant", "hello"), "assistant", "hello"),
        ([["assistant", "hello"]], "assistant", "hello"),
        ({"role": "assistant", "content": "hello"}, "assistant", "hello"),
        ({"role": "assistant", "content": [{"type": "text"}]}, "assistant", [{"type": "text"}]),
    ],
)
def test_a_message_may_be_a_string_a_pair_or_a_dict(given_as: Any, role: str, content: Any) -> None:
    [merged] = add_messages([], given_as)

    assert (merged["role"], merged["content"]) == (role, content)


def test_other_fields_of_a_message_are_kept() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"name": "search"}], "id": "1"}

    assert add_messages([], [call]) == [call]


@pytest.mark.parametrize("wrong", [3, None, {"content": "no role"}, ("a", "b", "c"), ("a", 1), [["x"]], [None]])
def test_what_is_no_message_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidUpdateError, match=r"^Expected a message, got "):
        add_messages([ONE], wrong)


@pytest.mark.parametrize("message_id", ["9", None])
def test_a_message_that_is_not_there_cannot_be_removed(message_id: Any) -> None:
    with pytest.raises(InvalidUpdateError, match=f"no message with id {message_id!r} to remove"):
        add_messages([ONE], remove(message_id))


def test_merging_changes_neither_side() -> None:
    left, right = [dict(ONE)], [{"role": "user", "content": "no id"}, message("1", "new")]

    add_messages(left, right)

    assert (left, right) == ([ONE], [{"role": "user", "content": "no id"}, message("1", "new")])


def test_messages_that_stay_are_the_very_objects_they_were() -> None:
    left = [dict(ONE), dict(TWO)]

    merged = add_messages(left, "new")

    assert [merged[0] is left[0], merged[1] is left[1]] == [True, True]


def test_an_id_follows_from_what_was_before_and_what_is_said() -> None:
    again, elsewhere, other = add_messages([ONE], "hi"), add_messages([TWO], "hi"), add_messages([ONE], "ho")

    assert add_messages([ONE], "hi") == again
    assert len({again[-1]["id"], elsewhere[-1]["id"], other[-1]["id"]}) == 3


def test_ids_are_the_same_in_every_process() -> None:
    assert add_messages([], "hi")[0]["id"] == "a52d064f02a1db40"


def test_the_same_words_twice_are_two_messages() -> None:
    once = add_messages([], "hi")

    assert len(add_messages(once, "hi")) == len(add_messages([], ["hi", "hi"])) == 2


def test_the_same_words_after_a_removal_are_a_new_message() -> None:
    left = add_messages([ONE], "hi")

    merged = add_messages(left, [remove("1"), "hi"])

    assert [m["content"] for m in merged] == ["hi", "hi"]


def test_the_same_words_after_a_reordering_are_a_new_message() -> None:
    left = add_messages([ONE], "hi")

    merged = add_messages(left, [remove("1"), ONE, "hi"])

    assert [m["content"] for m in merged] == ["hi", "one", "hi"]


def test_the_messages_of_a_messages_state_start_empty_and_are_merged() -> None:
    assert schema_of(MessagesState).channels == {"messages": Conversation("messages", add_messages, list)}


contents = st.sampled_from(["hi", "ho", ""])
incoming = st.one_of(
    contents,
    st.builds(message, st.sampled_from("123"), contents),
    st.just(remove(REMOVE_ALL_MESSAGES)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(incoming, max_size=6), st.lists(incoming, max_size=6))
def test_merging_at_once_or_one_after_the_other_gives_the_same(first: list[Any], second: list[Any]) -> None:
    assert add_messages([], [*first, *second]) == add_messages(add_messages([], first), second)


@settings(max_examples=25, deadline=None)
@given(st.lists(contents, max_size=8))
def test_no_message_without_an_id_is_ever_lost(said: list[str]) -> None:
    merged: list[Message] = []
    for content in said:
        merged = add_messages(merged, content)

    assert [m["content"] for m in merged] == said
    assert len({m["id"] for m in merged}) == len(said)
