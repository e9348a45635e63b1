"""Conversations: messages kept over turns, and shown in the messages mode, each once."""

from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest

from graphs.errors import InvalidUpdateError
from tests.workers.lines import CONFIG, single
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.graph import CompiledStateGraph, MessagesState, StateGraph
from treadle.graph.message import REMOVE_ALL_MESSAGES, add_messages, push_message
from treadle.types import Overwrite, RetryPolicy

Message = dict[str, Any]


def says(content: str, message_id: str, role: str = "assistant") -> Message:
    return {"role": role, "content": content, "id": message_id}


def talking(saver: BaseCheckpointSaver, node: Any, state: Any = MessagesState, **options: Any) -> CompiledStateGraph:
    return single(saver, node, state, **options)


def shown(graph: CompiledStateGraph, *said: Any) -> list[tuple[Any, dict[str, Any]]]:
    return list(graph.stream({"messages": list(said)}, CONFIG, stream_mode="messages"))


def test_a_conversation_goes_on_over_turns(saver: BaseCheckpointSaver) -> None:
    graph = talking(saver, lambda state: {"messages": ("assistant", f"{len(state['messages'])} so far")})

    for turn in ("one", "two", "three"):
        output = graph.invoke({"messages": turn}, CONFIG)

    said = [(message["role"], message["content"]) for message in output["messages"]]
    assert said == [
        ("user", "one"),
        ("assistant", "1 so far"),
        ("user", "two"),
        ("assistant", "3 so far"),
        ("user", "three"),
        ("assistant", "5 so far"),
    ]


def test_a_message_is_replaced_or_removed_by_its_id(saver: BaseCheckpointSaver) -> None:
    turns: Iterator[Any] = iter(
        [
            [says("draft", "1"), says("note", "2")],
            [says("final", "1"), {"role": "remove", "id": "2"}],
            [{"role": "remove", "id": REMOVE_ALL_MESSAGES}, says("new", "3")],
        ]
    )
    graph = talking(saver, lambda state: {"messages": next(turns)})

    found = [graph.invoke({"messages": []}, CONFIG)["messages"] for _ in range(3)]

    assert found == [[says("draft", "1"), says("note", "2")], [says("final", "1")], [says("new", "3")]]


def test_what_a_node_returns_is_shown_once_and_neither_input_nor_history_again(saver: BaseCheckpointSaver) -> None:
    answers: Iterator[Message] = iter([says("one", "1"), says("two", "2")])
    graph = talking(saver, lambda state: {"messages": [*state["messages"], next(answers)]})
    first = shown(graph, says("hi", "a", "user"))

    second = shown(graph, says("ho", "b", "user"))

    assert [message for message, _ in (*first, *second)] == [says("one", "1"), says("two", "2")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("hi", {"role": "user", "content": "hi"}),
        (("assistant", "hi"), {"role": "assistant", "content": "hi"}),
        ({"role": "assistant", "content": "hi"}, {"role": "assistant", "content": "hi"}),
    ],
)
def test_short_forms_are_shown_as_messages(saver: BaseCheckpointSaver, given: Any, message: Message) -> None:
    found = shown(talking(saver, lambda state: {"messages": given}))

    assert [one for one, _ in found] == [message]


@pytest.mark.parametrize(
    "update",
    [
        {"messages": Overwrite([says("x", "1")])},
        {"messages": [{"role": "remove", "id": REMOVE_ALL_MESSAGES}]},
        {"other": [says("x", "1")]},
        None,
    ],
)
def test_what_is_no_new_message_is_not_shown(saver: BaseCheckpointSaver, update: Any) -> None:
    class Talk(TypedDict):
        messages: Annotated[list[Any], add_messages]
        other: Any

    assert shown(talking(saver, lambda state: update, Talk)) == []


def test_a_message_says_where_it_comes_from(saver: BaseCheckpointSaver) -> None:
    graph = talking(saver, lambda state, config: {"messages": says(str(sorted(config["metadata"])), "1")})
    config = {**CONFIG, "metadata": {"user": "ada"}}

    [(message, metadata)] = graph.stream({"messages": []}, config, stream_mode="messages")

    [run] = saver.client.runs.recent("t")
    step_id = metadata["step_id"]
    of_node = {
        "user": "ada",
        "thread_id": "t",
        "langgraph_step": 1,
        "langgraph_node": "node",
        "langgraph_triggers": ("branch:to:node",),
        "langgraph_path": ("__pregel_pull", "node"),
        "langgraph_checkpoint_ns": f"node:{step_id}",
    }
    ids = {"run_id": run.id, "step_id": step_id, "checkpoint_ns": f"node:{step_id}", "attempt": 1}
    assert metadata == of_node | ids
    assert message["content"] == str(sorted(of_node))


def test_a_pushed_message_is_shown_at_once_and_kept_when_its_node_has_finished(saver: BaseCheckpointSaver) -> None:
    def node(state: MessagesState) -> dict[str, Any]:
        assert push_message(says("thinking", "1")) == says("thinking", "1")
        return {"messages": says("done", "2")}

    chunks = list(talking(saver, node).stream({"messages": []}, CONFIG, stream_mode=["messages", "updates", "values"]))

    told = [chunk[0] if mode == "messages" else chunk for mode, chunk in chunks]
    thinking, done = says("thinking", "1"), says("done", "2")
    assert told == [
        {"messages": []},
        thinking,
        done,
        {"node": [{"messages": thinking}, {"messages": done}]},
        {"messages": [thinking, done]},
    ]


def test_chunks_that_are_pushed_without_a_key_are_only_shown(saver: BaseCheckpointSaver) -> None:
    def node(state: MessagesState) -> dict[str, Any]:
        for text in ("do", "ne"):
            push_message(says(text, "1"), state_key=None)
        return {"messages": says("done", "1")}

    graph = talking(saver, node)

    assert [message["content"] for message, _ in shown(graph)] == ["do", "ne"]
    assert graph.get_state(CONFIG).values == {"messages": [says("done", "1")]}


def test_a_pushed_message_needs_an_id(saver: BaseCheckpointSaver) -> None:
    graph = talking(saver, lambda state: push_message("hi"))

    with pytest.raises(InvalidUpdateError, match="Message ID is required"):
        graph.invoke({"messages": []}, CONFIG)


def test_every_attempt_says_which_it_is(saver: BaseCheckpointSaver) -> None:
    failures = iter([ConnectionError("once")])

    def node(state: MessagesState) -> None:
        push_message(says("hi", "1"))
        for failure in failures:
            raise failure

    policy = RetryPolicy(initial_interval=0.001, jitter=False)
    found = shown(talking(saver, node, retry_policy=policy))

    assert [(message["content"], metadata["attempt"]) for message, metadata in found] == [("hi", 1), ("hi", 2)]
    assert len({metadata["step_id"] for _, metadata in found}) == 1


def test_nodes_side_by_side_are_told_apart_by_their_metadata(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(MessagesState)
    for name in ("a", "b"):
        builder.add_node(name, lambda state, name=name: {"messages": says(name, name)}).set_entry_point(name)

    found = shown(builder.compile(saver))

    assert {message["content"]: metadata["langgraph_node"] for message, metadata in found} == {"a": "a", "b": "b"}


def test_a_run_begun_in_the_background_shows_its_messages_to_a_later_reader(saver: BaseCheckpointSaver) -> None:
    handle = talking(saver, lambda state: {"messages": says("hi", "1")}).submit({"messages": []}, CONFIG)
    handle.wait(10)

    [part] = handle.stream("messages")

    assert (part["type"], part["ns"], part["data"][0]) == ("messages", (), says("hi", "1"))


def test_what_a_graph_inside_says_is_shown_once_with_its_place(saver: BaseCheckpointSaver) -> None:
    def node(state: MessagesState) -> dict[str, Any]:
        push_message(says("live", "1"))
        return {"messages": says("done", "2")}

    inner = single(None, node, MessagesState)
    parts = single(saver, inner, MessagesState).stream({"messages": []}, CONFIG, stream_mode="messages", version="v2")

    found = [(part["data"][0]["content"], part["ns"]) for part in parts]
    assert [content for content, _ in found] == ["live", "done"]
    assert [len(ns) for _, ns in found] == [1, 1]
