"""LangChain's chat models inside of nodes: their tokens are heard while they come, and their messages kept."""

import asyncio
import threading
from collections.abc import Callable
from itertools import cycle
from typing import Annotated, Any, TypedDict

import pytest

from tests.workers.lines import CONFIG, single
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.graph import CompiledStateGraph, MessagesState, StateGraph, add_messages

pytest.importorskip("langchain_core")

from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import (
    FakeListChatModel,
    FakeMessagesListChatModel,
    GenericFakeChatModel,
)
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import tool

from workers.tokens import listening

TEXT = "hello big world"
WORDS = ["hello", " ", "big", " ", "world"]


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    documents: list[Document]


def model(text: str = TEXT, **config: Any) -> Runnable[Any, Any]:
    return GenericFakeChatModel(messages=cycle([text])).with_config(**config)


def asking(asked: Runnable[Any, Any]) -> Callable[[Any], Any]:
    return lambda state: {"messages": [asked.invoke(state["messages"])]}


def heard(graph: CompiledStateGraph, **config: Any) -> list[tuple[Any, dict[str, Any]]]:
    return list(graph.stream({"messages": "hi"}, {**CONFIG, **config}, stream_mode="messages"))


def contents(found: list[tuple[Any, dict[str, Any]]]) -> list[Any]:
    return [message.content for message, _ in found]


def test_the_tokens_of_a_model_are_shown_and_its_message_not_again(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, asking(model()), Talk)

    found = heard(graph)

    assert contents(found) == WORDS
    assert {type(message) for message, _ in found} == {AIMessageChunk}
    assert {message.id for message, _ in found} == {graph.get_state(CONFIG).values["messages"][-1].id}


def test_a_conversation_with_a_model_is_one_of_objects(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, asking(model()), MessagesState)
    graph.invoke({"messages": "hi"}, CONFIG)

    messages = graph.invoke({"messages": [{"role": "user", "content": "ho"}]}, CONFIG)["messages"]

    said = [(type(message), message.content) for message in messages]
    assert said == [(HumanMessage, "hi"), (AIMessage, TEXT), (HumanMessage, "ho"), (AIMessage, TEXT)]
    assert graph.get_state(CONFIG).values["messages"] == messages


def test_messages_are_updated_and_removed_by_id(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, lambda state: None, Talk)
    graph.invoke({"messages": [HumanMessage("one", id="1"), AIMessage("two", id="2")]}, CONFIG)

    graph.update_state(CONFIG, {"messages": [AIMessage("better", id="2"), RemoveMessage("1")]})

    assert graph.get_state(CONFIG).values["messages"] == [AIMessage("better", id="2")]


def test_a_state_of_objects_comes_back_as_it_was_written(saver: BaseCheckpointSaver) -> None:
    call = {"name": "search", "args": {"q": "x"}, "id": "c1", "type": "tool_call"}
    said = [AIMessage("", tool_calls=[call], id="1"), ToolMessage("4", tool_call_id="c1", id="2")]
    page = Document("text", metadata={"page": 1})
    graph = single(saver, lambda state: {"messages": said, "documents": [page]}, Talk)

    output = graph.invoke({"messages": []}, CONFIG)

    assert output == {"messages": said, "documents": [page]} == graph.get_state(CONFIG).values


def test_a_token_says_where_it_comes_from(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, asking(model(tags=["joke"], metadata={"mood": "good"})), Talk)

    metadata = heard(graph, tags=["mine"], metadata={"user": "ada"})[0][1]

    expected = {
        "user": "ada",
        "mood": "good",
        "langgraph_node": "node",
        "langgraph_step": 1,
        "langgraph_triggers": ("branch:to:node",),
        "langgraph_checkpoint_ns": f"node:{metadata['step_id']}",
        "checkpoint_ns": f"node:{metadata['step_id']}",
        "thread_id": "t",
        "run_id": saver.client.runs.recent("t")[0].id,
        "attempt": 1,
        "ls_model_type": "chat",
    }
    assert {key: metadata[key] for key in expected} == expected
    assert sorted(metadata["tags"]) == ["joke", "mine"]


@pytest.mark.parametrize("tag", ["nostream", "langsmith:nostream"])
def test_tokens_of_a_model_with_the_tag_are_not_shown(saver: BaseCheckpointSaver, tag: str) -> None:
    quiet, loud = model("not for you", tags=[tag]), model()

    def node(state: Talk) -> dict[str, Any]:
        quiet.invoke("hi")
        return {"messages": [loud.invoke("hi")]}

    assert contents(heard(single(saver, node, Talk))) == WORDS


def test_a_model_that_does_not_stream_is_shown_as_a_whole_and_once(saver: BaseCheckpointSaver) -> None:
    silent = FakeMessagesListChatModel(responses=[AIMessage(TEXT)])

    found = heard(single(saver, asking(silent), Talk))

    assert [(type(message), message.content) for message, _ in found] == [(AIMessage, TEXT)]


def test_a_model_that_is_streamed_by_the_node_itself_is_shown(saver: BaseCheckpointSaver) -> None:
    def node(state: Talk) -> dict[str, Any]:
        return {"messages": "".join(str(chunk.content) for chunk in model().stream("hi"))}

    assert contents(heard(single(saver, node, Talk)))[:-1] == WORDS


def test_a_model_that_is_given_the_config_is_heard_once(saver: BaseCheckpointSaver) -> None:
    def node(state: Talk, config: RunnableConfig) -> dict[str, Any]:
        return {"messages": [model().invoke("hi", config)]}

    assert contents(heard(single(saver, node, Talk))) == WORDS


def test_an_async_node_is_heard_by_an_async_caller(saver: BaseCheckpointSaver) -> None:
    async def node(state: Talk) -> dict[str, Any]:
        return {"messages": [await model().ainvoke(state["messages"])]}

    async def listen() -> list[Any]:
        stream = single(saver, node, Talk).astream({"messages": "hi"}, CONFIG, stream_mode="messages")
        return [message.content async for message, _ in stream]

    assert asyncio.run(listen()) == WORDS


def test_models_side_by_side_are_told_apart_by_their_metadata(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Talk)
    for name in ("left", "right"):
        builder.add_node(name, asking(model(f"I am {name}"))).set_entry_point(name)

    found = heard(builder.compile(saver))

    for name in ("left", "right"):
        said = [message.content for message, metadata in found if metadata["langgraph_node"] == name]
        assert said == ["I", " ", "am", " ", name]


def test_a_token_is_shown_while_its_model_still_speaks(saver: BaseCheckpointSaver) -> None:
    seen: list[Any] = []
    first_seen = threading.Event()

    class Waiting(FakeListChatModel):
        """Says its second letter when somebody has seen the first."""

        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            first, second = super()._stream(*args, **kwargs)
            yield first
            assert first_seen.wait(10), "nobody saw the first"
            yield second

    graph = single(saver, asking(Waiting(responses=["ok"])), Talk)
    for message, _ in graph.stream({"messages": "hi"}, CONFIG, stream_mode="messages"):
        seen.append(message.content)
        first_seen.set()

    assert seen == ["o", "k"]


CALLS: dict[str, tuple[Callable[[CompiledStateGraph, Any], Any], bool]] = {
    "invoke": (lambda graph, given: graph.invoke(given, CONFIG), False),
    "ainvoke": (lambda graph, given: asyncio.run(graph.ainvoke(given, CONFIG)), False),
    "batch": (lambda graph, given: graph.batch([given], CONFIG), False),
    "stream of values": (lambda graph, given: list(graph.stream(given, CONFIG, stream_mode="values")), False),
    "stream of messages": (lambda graph, given: list(graph.stream(given, CONFIG, stream_mode="messages")), True),
    "stream of two": (lambda graph, given: list(graph.stream(given, CONFIG, stream_mode=["values", "messages"])), True),
    "invoke for messages": (lambda graph, given: graph.invoke(given, CONFIG, stream_mode="messages"), True),
    "submit": (lambda graph, given: graph.submit(given, CONFIG).result(10), True),
}


@pytest.mark.parametrize(("call", "streams"), CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("nested", ["", "as a node", "in a body"])
def test_models_stream_only_where_somebody_may_follow(
    call: Callable[[CompiledStateGraph, Any], Any], streams: bool, nested: str
) -> None:
    streamed: list[bool] = []

    class Noting(FakeListChatModel):
        """Notes that it is asked to stream."""

        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            streamed.append(True)
            yield from super()._stream(*args, **kwargs)

    graph = single(MemorySaver(), asking(Noting(responses=["ok"])), Talk)
    if nested:
        inner = single(None, asking(Noting(responses=["ok"])), Talk)
        graph = single(MemorySaver(), inner if nested == "as a node" else lambda state: inner.invoke(state), Talk)

    call(graph, {"messages": "hi"})

    assert bool(streamed) is streams
    assert graph.get_state(CONFIG).values["messages"][-1].content == "ok"


def test_a_time_limit_that_strikes_while_a_token_is_shown_reaches_the_node() -> None:
    class TimeUp(Exception):
        """The pool's signal, which can strike anywhere."""

    def show(message: Any, metadata: Any) -> None:
        raise TimeUp

    with listening({"metadata": {}, "tags": []}, show), pytest.raises(TimeUp):
        model().invoke("hi")


def test_what_is_known_of_a_step_is_not_told_with_every_token() -> None:
    told: list[Any] = []

    with listening({"metadata": {"user": "ada", "mood": "bad"}, "tags": []}, lambda *said: told.append(said)):
        model(metadata={"mood": "good"}).invoke("hi")

    assert [metadata.get("user") for _, metadata in told] == [None] * 5
    assert {metadata["mood"] for _, metadata in told} == {"good"}


def test_a_short_form_among_objects_is_shown_as_the_object_that_it_becomes(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, lambda state: {"messages": ("assistant", "ho")}, MessagesState)

    found = list(graph.stream({"messages": [HumanMessage("hi")]}, CONFIG, stream_mode="messages"))

    assert [(type(message), message.content) for message, _ in found] == [(AIMessage, "ho")]


def test_a_runnable_is_a_node_and_is_given_the_config(saver: BaseCheckpointSaver) -> None:
    def note(message: Any, config: RunnableConfig) -> dict[str, Any]:
        return {"messages": [message, ("system", config["configurable"]["thread_id"])]}

    chain = RunnableLambda(lambda state: state["messages"]) | model() | RunnableLambda(note)
    graph = single(saver, chain, Talk)

    assert contents(heard(graph))[:-1] == WORDS
    assert [message.content for message in graph.get_state(CONFIG).values["messages"]] == ["hi", TEXT, "t"]


def test_a_tool_works_in_a_node(saver: BaseCheckpointSaver) -> None:
    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    def node(state: Talk) -> dict[str, Any]:
        return {"messages": [add.invoke(call) for call in state["messages"][-1].tool_calls]}  # type: ignore[union-attr]

    call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "c1", "type": "tool_call"}
    asked = AIMessage("", tool_calls=[call], id="1")

    answer = single(saver, node, Talk).invoke({"messages": [asked]}, CONFIG)["messages"][-1]

    assert (type(answer), answer.content, answer.tool_call_id) == (ToolMessage, "3", "c1")


def test_a_message_that_a_node_makes_has_the_same_id_in_the_stream_and_in_the_state(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, lambda state: {"messages": [AIMessage("made"), HumanMessage("up")]}, Talk)

    found = heard(graph)

    assert [message for message, _ in found] == graph.get_state(CONFIG).values["messages"][1:]
    assert None not in [message.id for message, _ in found]


def test_an_object_under_another_key_is_shown_as_well(saver: BaseCheckpointSaver) -> None:
    class Draft(TypedDict):
        messages: Annotated[list[Any], add_messages]
        draft: Any

    found = heard(single(saver, lambda state: {"draft": AIMessage("to be")}, Draft))

    assert contents(found) == ["to be"]
