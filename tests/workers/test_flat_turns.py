"""A turn of a long chat: it sends, stores and copies what is new, and what callers do to it reaches nobody else."""

from collections.abc import Callable
from typing import Any

import pytest

from graphs.commands import END, START
from graphs.messages import MessagesState
from scheduler.calling import Call
from treadle.checkpoint.memory import MemorySaver
from treadle.graph import StateGraph

LONG = 1_000


def answer(state: MessagesState) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": f"answer to {state['messages'][-1]['content']}"}]}


def chat(saver: MemorySaver, node: Callable[[MessagesState], Any] = answer) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("chat", node)
    builder.add_edge(START, "chat")
    builder.add_edge("chat", END)
    return builder.compile(checkpointer=saver, name="chat")


def talk(graph: Any, thread_id: str, text: str = "hello") -> Any:
    return graph.invoke({"messages": [{"role": "user", "content": text}]}, {"thread_id": thread_id})


def with_history(saver: MemorySaver, length: int) -> Any:
    graph = chat(saver)
    said = [{"role": "user", "content": f"said {number}", "id": f"{number}"} for number in range(length)]
    graph.invoke({"messages": said}, {"thread_id": f"long-{length}"})
    return graph


def sent_in_a_turn(graph: Any, thread_id: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many bytes scripts are sent in one turn."""
    caller, sent = graph.checkpointer.engine.connection.scripts._caller, list[int]()
    call = caller.call

    def count(asked: Call) -> Any:
        sent.extend(len(arg) if isinstance(arg, bytes) else len(str(arg)) for arg in asked.args)
        return call(asked)

    with monkeypatch.context() as patched:
        patched.setattr(caller, "call", count)
        talk(graph, thread_id)
    return sum(sent)


def test_a_turn_of_a_long_chat_writes_as_much_as_one_of_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    saver = MemorySaver()
    short, long = with_history(saver, 10), with_history(saver, LONG)

    few, many = sent_in_a_turn(short, "long-10", monkeypatch), sent_in_a_turn(long, f"long-{LONG}", monkeypatch)

    assert abs(many - few) < 50  # numbers have more digits


def test_what_a_caller_does_to_a_long_chat_reaches_neither_the_thread_nor_another_caller() -> None:
    graph, config = with_history(MemorySaver(), LONG), {"thread_id": f"long-{LONG}"}
    first = talk(graph, f"long-{LONG}")

    first["messages"][0]["content"] = "changed"
    first["messages"].pop()
    seen = graph.get_state(config)
    seen.values["messages"][1].clear()
    second = talk(graph, f"long-{LONG}", "again")

    assert second["messages"][0]["content"] == "said 0"
    assert second["messages"][1]["content"] == "said 1"
    assert len(second["messages"]) == LONG + 5
    for snapshot in graph.get_state_history(config):
        assert all("said" in message["content"] for message in snapshot.values["messages"][:LONG])


def test_what_a_caller_was_handed_can_be_written_again() -> None:
    graph = with_history(MemorySaver(), LONG)
    handed = talk(graph, f"long-{LONG}")["messages"]

    graph.update_state({"thread_id": "copy"}, {"messages": handed}, as_node="chat")
    handed[0]["content"] = "changed"

    assert graph.get_state({"thread_id": "copy"}).values["messages"][0]["content"] == "said 0"


def test_a_node_that_changes_the_list_it_was_given_changes_nothing() -> None:
    def rude(state: MessagesState) -> dict[str, Any]:
        state["messages"].clear()
        return {"messages": [{"role": "assistant", "content": "gone?"}]}

    saver = MemorySaver()
    with_history(saver, LONG)

    after = talk(chat(saver, rude), f"long-{LONG}")

    assert len(after["messages"]) == LONG + 3


def test_many_turns_keep_history_log_and_forks() -> None:
    graph, config = chat(MemorySaver()), {"thread_id": "long"}
    for number in range(150):
        talk(graph, "long", f"{number}")

    history = [*graph.get_state_history(config)]
    old = next(shot for shot in history if len(shot.values["messages"]) == 21)
    [task] = old.tasks

    assert task.result == {"messages": [{"role": "assistant", "content": "answer to 10"}]}
    assert graph.checkpointer.client.log.verify("long") is None
    assert len({entry.seq for entry in graph.checkpointer.client.log.read("long")}) == 150 * 4 + 1
    assert len(graph.invoke(None, old.config)["messages"]) == 22
    assert len(talk(graph, "long", "on the branch")["messages"]) == 24
