"""The channel of a chat: as the reducer merges, at a cost that does not grow with the chat."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.beside import Beside, grown_from
from graphs.channels import MISSING, LastValue, Reduced
from graphs.commands import Overwrite
from graphs.conversation import Conversation, channel_of_chat
from graphs.errors import InvalidUpdateError
from graphs.messages import add_messages

CHAT = Conversation("messages", add_messages, list)
IDS = [str(number) for number in range(120)]


def said(*ids: str | None) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"{id_}"} | ({} if id_ is None else {"id": id_}) for id_ in ids]


def message(id_: str | None, role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content} | ({} if id_ is None else {"id": id_})


messages = st.builds(
    message, st.one_of(st.none(), st.sampled_from(IDS)), st.sampled_from(["user", "ai"]), st.text(max_size=3)
)


@given(st.lists(st.lists(st.one_of(messages, st.text(max_size=3), st.tuples(st.just("ai"), st.text(max_size=3))))))
def test_a_long_chat_is_merged_as_the_reducer_merges_it(turns: list[list[Any]]) -> None:
    merged = plain = add_messages([], said(*IDS[:100]))
    for turn in turns:
        merged, plain = CHAT.apply(merged, [turn]), add_messages(plain, turn)

    assert merged == plain


@given(st.lists(messages, min_size=1), st.lists(messages, min_size=1))
def test_two_branches_of_a_long_chat_know_nothing_of_each_other(one: list[Any], other: list[Any]) -> None:
    start = CHAT.apply(add_messages([], said(*IDS[:100])), [said("x")])

    left, right = CHAT.apply(start, [one]), CHAT.apply(start, [other])

    assert CHAT.apply(left, [other]) == add_messages(add_messages(start, one), other)
    assert CHAT.apply(right, [one]) == add_messages(add_messages(start, other), one)
    assert start == add_messages([], said(*IDS[:100], "x"))


def test_what_was_added_over_many_turns_is_found_by_its_id() -> None:
    chat: Any = said(*IDS)
    for number in range(1000):
        chat = CHAT.apply(chat, [said(f"turn {number}")])

    replaced = CHAT.apply(chat, [[message("turn 3", "user", "again"), message("0", "user", "first")]])

    assert len(replaced) == len(chat)
    assert (replaced[0]["content"], replaced[len(IDS) + 3]["content"]) == ("first", "again")
    assert chat[0]["content"] == "0"


@pytest.mark.parametrize(
    "removed", [{"role": "remove", "id": "7"}, {"role": "remove", "id": "__remove_all__"}], ids=lambda one: one["id"]
)
def test_a_removal_is_found_in_a_long_chat(removed: dict[str, Any]) -> None:
    chat = CHAT.apply(said(*IDS), [said("new")])

    after = CHAT.apply(chat, [[removed, *said("later")]])

    assert after == add_messages(chat, [removed, *said("later")])
    assert CHAT.apply(after, [said("7")]) == add_messages(after, said("7"))


@pytest.mark.parametrize("odd", [["a text"], said(None), said("1"), [5]], ids=["text", "no id", "twice", "no message"])
def test_what_was_written_past_the_reducer_is_brought_into_order_as_ever(odd: Sequence[Any]) -> None:
    chat = CHAT.apply(said(*IDS), [Overwrite([*said(*IDS), *odd])])

    if odd == [5]:
        with pytest.raises(InvalidUpdateError):
            CHAT.apply(chat, ["hi"])
    else:
        assert CHAT.apply(chat, ["hi"]) == add_messages(chat, "hi")


def test_a_list_that_is_longer_only_at_its_end_says_what_it_has_grown_out_of() -> None:
    before = said(*IDS)

    assert grown_from.get(CHAT.apply(before, ["hi"])) is before
    assert grown_from.get(CHAT.apply(before, [said("3")])) is None


def test_the_first_write_is_the_chat_where_nothing_was_there() -> None:
    assert CHAT.apply(MISSING, [said("1")]) == said("1")


def test_another_channel_stays_what_it_is() -> None:
    total, last = Reduced("total", max), LastValue("last")

    assert (channel_of_chat(total), channel_of_chat(last)) == (total, last)


def test_what_lies_beside_objects_is_forgotten_after_a_while() -> None:
    beside, first, rest = Beside[str](), [1], [[number] for number in range(100)]
    beside.put(first, "first")
    for one in rest:
        beside.put(one, "later")

    assert beside.get(first) is None
    assert beside.get(rest[-1]) == "later"
    assert beside.get([99]) is None
