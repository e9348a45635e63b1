"""Messages as objects of langchain_core: merged by the same rules, and dicts beside them become objects too."""

from typing import Annotated, Any, TypedDict

import pytest

from graphs.channels import Channel
from graphs.errors import InvalidGraph, InvalidUpdateError
from graphs.message_objects import with_ids
from graphs.messages import REMOVE_ALL_MESSAGES, add_messages
from graphs.schema import schema_of

pytest.importorskip("langchain_core")

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

ONE, TWO = HumanMessage("one", id="1"), AIMessage("two", id="2")


class Talk(TypedDict):
    any: Annotated[list[AnyMessage], add_messages]
    base: Annotated[list[BaseMessage], add_messages]
    plain: Annotated[list[Any], add_messages]


def channel(key: str) -> Channel:
    return schema_of(Talk).channels[key]


@pytest.mark.parametrize(
    ("left", "right", "merged"),
    [
        ([ONE], TWO, [ONE, TWO]),
        ([ONE, TWO], HumanMessage("new", id="1"), [HumanMessage("new", id="1"), TWO]),
        ([ONE, TWO], [RemoveMessage("1")], [TWO]),
        ([ONE, TWO], {"role": "remove", "id": "1"}, [TWO]),
        ([ONE, TWO], [RemoveMessage(REMOVE_ALL_MESSAGES), ONE], [ONE]),
        ([{"role": "user", "content": "one", "id": "1"}], [TWO], [ONE, TWO]),
        ([ONE], [{"role": "assistant", "content": "two", "id": "2"}], [ONE, TWO]),
        ([ONE], {"type": "ai", "content": "two", "id": "2"}, [ONE, TWO]),
        ([ONE], AIMessageChunk(content="two", id="2"), [ONE, TWO]),
    ],
)
def test_where_one_message_is_an_object_all_are(left: Any, right: Any, merged: Any) -> None:
    found = add_messages(left, right)

    assert found == merged
    assert [type(one) for one in found] == [type(one) for one in merged]


def test_short_forms_become_the_objects_of_their_roles() -> None:
    found = add_messages([ONE], ["hi", ("system", "be kind"), {"role": "tool", "content": "4", "tool_call_id": "c"}])

    assert [type(one) for one in found[1:]] == [HumanMessage, SystemMessage, ToolMessage]
    assert found[3].tool_call_id == "c"


def test_a_message_keeps_its_id_when_it_becomes_an_object() -> None:
    before = add_messages([], "hi")

    assert add_messages(before, TWO)[0] == HumanMessage("hi", id=before[0]["id"])


def test_an_object_without_an_id_gets_the_same_one_everywhere_and_the_callers_stays_as_it_was() -> None:
    given = HumanMessage("hi")

    first, second = add_messages([ONE], given), add_messages([ONE], given)

    assert first[1].id == second[1].id
    assert first[1].id is not None
    assert given.id is None


def test_objects_that_stay_are_the_very_objects_they_were() -> None:
    merged = add_messages([ONE, TWO], "new")

    assert [merged[0] is ONE, merged[1] is TWO] == [True, True]


@pytest.mark.parametrize("wrong", [3, None, {"role": "nobody", "content": "x"}, {"role": "remove"}])
def test_what_cannot_become_an_object_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidUpdateError, match=r"^Expected messages, got "):
        add_messages([ONE], wrong)


@pytest.mark.parametrize("key", ["any", "base"])
def test_an_annotation_that_names_objects_makes_all_messages_such(key: str) -> None:
    assert [type(one) for one in channel(key).apply([], ["hi"])] == [HumanMessage]


def test_without_such_an_annotation_dicts_stay_dicts() -> None:
    assert [type(one) for one in channel("plain").apply([], ["hi"])] == [dict]


def test_a_format_brings_the_content_of_new_messages_into_its_form() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "1234"}}
    reducer = add_messages(format="langchain-openai")

    found = reducer([], [HumanMessage([image], id="1"), ("user", "text")])

    assert found[0].content == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,1234"}}]
    assert (found[0].id, found[1].content) == ("1", "text")


def test_a_format_that_is_not_known_is_refused_where_it_is_declared() -> None:
    with pytest.raises(InvalidGraph, match="'langchain-openai' or None, got 'morse'"):
        add_messages(format="morse")  # type: ignore[arg-type]


def test_ids_that_a_write_is_given_follow_from_its_seed_alone() -> None:
    update = {"messages": [TWO, AIMessage("a"), AIMessage("a")], "last": AIMessage("a"), "other": [1]}

    first, again, elsewhere = with_ids(update, "s"), with_ids(update, "s"), with_ids(update, "t")

    ids = [one.id for one in (*first["messages"], first["last"])]
    assert (first, len(set(ids)), ids[0]) == (again, 4, "2")
    assert first["last"].id != elsewhere["last"].id
    assert first["other"] == [1]
