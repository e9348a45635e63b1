"""The objects of langchain_core: states hold them without anybody naming their classes."""

import subprocess
import sys
from typing import Any

import pytest

from scheduler.errors import NotSerializable
from scheduler.langchain import langchain_classes
from scheduler.serde import Serde, Unknown

pytest.importorskip("langchain_core")

from langchain_core import messages
from langchain_core.documents import Document
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.prompts import PromptTemplate

CALL = tool_call(name="search", args={"q": "x"}, id="c1")
CHUNK = tool_call_chunk(name="search", args='{"q', id="c1", index=0)
USAGE = messages.ai.UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3)

OBJECTS = [
    messages.HumanMessage("hi", id="1", name="ada"),
    messages.HumanMessage([{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:"}}]),
    messages.HumanMessage("hi", field_of_their_own=3),
    messages.AIMessage("", tool_calls=[CALL], usage_metadata=USAGE, response_metadata={"model_name": "m"}),
    messages.AIMessageChunk(content="", tool_call_chunks=[CHUNK], chunk_position="last"),
    messages.ToolMessage("4", tool_call_id="c1", artifact={"pair": (1, 2)}, status="error"),
    messages.SystemMessage("be kind"),
    messages.ChatMessage(content="hi", role="critic"),
    messages.FunctionMessage(content="4", name="f"),
    messages.RemoveMessage("1"),
    Document("text", id="d", metadata={"page": 1}),
]


class TheirMessage(messages.HumanMessage):
    pass


@pytest.mark.parametrize("value", OBJECTS, ids=[type(value).__name__ for value in OBJECTS])
def test_an_object_comes_back_as_what_it_was(value: Any) -> None:
    found = Serde().loads(Serde().dumps([value]))

    assert found == [value]
    assert (type(found[0]), repr(found[0])) == (type(value), repr(value))


def test_chunks_that_were_stored_still_add_up() -> None:
    first, second = messages.AIMessageChunk(content="he", id="1"), messages.AIMessageChunk(content="llo", id="1")

    assert Serde().loads(Serde().dumps(first)) + second == first + second


def test_every_class_of_messages_is_known() -> None:
    assert {type(value) for value in OBJECTS} <= set(langchain_classes())


def test_a_class_of_the_users_own_is_named_by_the_user() -> None:
    with pytest.raises(NotSerializable, match="its class is not allowed"):
        Serde().dumps(TheirMessage(content="hi"))

    assert Serde([TheirMessage]).loads(Serde([TheirMessage]).dumps(TheirMessage(content="hi"))) == TheirMessage(
        content="hi"
    )


def test_no_name_in_the_store_leads_to_another_class_of_the_package() -> None:
    stored = Serde([PromptTemplate]).dumps(PromptTemplate.from_template("{x}"))

    assert type(Serde().loads(stored)) is Unknown


def test_a_process_that_knows_nothing_of_the_package_reads_its_objects() -> None:
    stored = Serde().dumps(messages.AIMessage("hi"))
    code = f"from scheduler.serde import Serde; print(Serde().loads({stored!r}).content)"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed.strip() == "hi"
