"""The messages mode: each message once, and of the steps that still count."""

from typing import Any

from graphs.builder import GraphBuilder
from graphs.checkpoint import Checkpoint, Step
from graphs.messages import MessagesState
from scheduler.chat import Chat
from scheduler.claim import Claim
from scheduler.client import Client
from scheduler.handle import RunHandle
from scheduler.run import Run
from scheduler.serde import Unknown
from scheduler.steps import Steps
from tests.scheduler.stage import THREAD, begin, claim, line, wrote

STEP = Step("s", "node", ("__pregel_pull", "node"), ("branch:to:node",))


def chat() -> Chat:
    builder = GraphBuilder(MessagesState).add_node("node", lambda state: None).set_entry_point("node")
    graph = builder.build("graph", None, None)
    return Chat(graph, Run("r", "t", "graph", "", config={"configurable": {"thread_id": "t"}, "metadata": {"user": 1}}))


def says(content: str, message_id: str | None = None) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return message if message_id is None else {**message, "id": message_id}


def finished(told: Chat, *messages: Any, before: Any = ()) -> list[Any]:
    checkpoint = Checkpoint("c", None, "loop", 4, {"messages": list(before)}, steps=(STEP,))
    return [message for message, _ in told.finished([{"messages": list(messages)}], STEP, checkpoint, 1)]


def test_a_message_that_was_told_live_is_not_told_again() -> None:
    told = chat()
    told.live((says("par", "1"), {}), STEP, 5, 1)

    assert finished(told, says("partial", "1"), says("other", "2")) == [says("other", "2")]


def test_a_message_of_the_state_is_not_told_again_even_when_it_is_replaced() -> None:
    assert finished(chat(), says("better", "1"), before=[says("draft", "1")]) == []


def test_a_message_that_was_taken_back_is_told_again() -> None:
    told = chat()
    told.live((says("par", "1"), {}), STEP, 5, 1)

    told.forget(STEP.id)

    assert finished(told, says("partial", "1")) == [says("partial", "1")]


def test_messages_without_ids_are_all_told() -> None:
    assert finished(chat(), says("x"), says("x")) == [says("x"), says("x")]


def test_a_message_of_a_class_that_is_missing_here_is_told_as_what_it_is() -> None:
    stranger = Unknown("langchain_core.messages.ai:AIMessageChunk", [{"content": "x"}, []])

    message, _ = chat().live((stranger, {}), STEP, 5, 1)

    assert message is stranger


def test_what_a_model_says_of_itself_stands_beside_what_is_known_of_its_step() -> None:
    _, metadata = chat().live((says("x", "1"), {"tags": ["joke"], "user": 2}), STEP, 5, 3)

    expected = {"user": 2, "tags": ["joke"], "langgraph_step": 5, "step_id": "s", "run_id": "r", "attempt": 3}
    assert {key: metadata[key] for key in expected} == expected


def test_an_attempt_that_was_superseded_says_nothing_more(client: Client, steps: Steps) -> None:
    graph = line("a", "b")
    started = begin(client, graph, {})
    first = claim(steps, started.orders[0].ref)
    say(client, steps, first, "in time")
    (order,) = steps.commit(first, graph, wrote(first)).orders
    say(client, steps, first, "too late")
    second = claim(steps, order.ref)
    steps.commit(second, graph, wrote(second))

    handle = RunHandle(client, graph, THREAD, started.run.id)

    assert [part["data"][0]["content"] for part in handle.stream("messages")] == ["in time"]


def say(client: Client, steps: Steps, claimed: Claim, content: str) -> None:
    event = [
        claimed.ref.run_id,
        claimed.ref.step_id,
        claimed.step.node,
        1,
        (says(content, content), {}),
        "",
        "messages",
    ]
    steps.publish(claimed, client.connection.serde.dumps(event))
