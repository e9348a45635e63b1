"""Error handlers: what takes over when a node has failed for good."""

import asyncio
import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableConfig

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import NodeError, NodeTimeoutError, ParentCommand
from treadle.graph import END, START, CompiledStateGraph, StateGraph
from treadle.runtime import Runtime
from treadle.types import Command, RetryPolicy, Send, interrupt

CONFIG = {"thread_id": "t"}


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


class Broken(Exception):
    """An error that no store knows."""


def broken(state: Trail) -> None:
    raise Broken("node")


def append(item: Any) -> Any:
    return lambda state: {"trail": [item]}


def handled(saver: BaseCheckpointSaver, handler: Any, node: Any = broken, **options: Any) -> CompiledStateGraph:
    """Compile a node with a handler beside one without, and a node that its edge leads to."""
    builder = StateGraph(Trail)
    builder.add_node("node", node, error_handler=handler, **options).add_edge(START, "node")
    builder.add_node("other", append("other")).add_edge(START, "other")
    builder.add_node("after", append("after")).add_edge("node", "after")
    builder.add_node("rescue", append("rescue"))
    return builder.compile(saver)


def test_a_handler_gets_the_state_and_the_error_and_its_writes_apply(saver: BaseCheckpointSaver) -> None:
    seen: list[Any] = []

    def handler(state: Trail, error: NodeError) -> dict[str, Any]:
        seen.append((state["trail"], error.node, error.error))
        return {"trail": ["handled"]}

    output = handled(saver, handler).invoke({"trail": ["in"]}, CONFIG)

    ((trail, node, error),) = seen
    assert (trail, node) == (["in"], "node")
    assert isinstance(error, Broken) and error.args == ("node",)
    assert output == {"trail": ["in", "handled", "other"]}


def test_the_edges_of_the_failed_node_are_not_followed_and_a_command_routes(saver: BaseCheckpointSaver) -> None:
    def handler(state: Trail) -> Command:
        return Command(update={"trail": ["handled"]}, goto="rescue")

    output = handled(saver, handler).invoke({"trail": []}, CONFIG)

    assert output == {"trail": ["handled", "other", "rescue"]}


def test_a_handler_runs_after_the_retries(saver: BaseCheckpointSaver) -> None:
    attempts: list[Any] = []

    def node(state: Trail) -> None:
        attempts.append("node")
        raise Broken

    policy = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=3, retry_on=Broken)
    handled(saver, lambda state: attempts.append("handler"), node, retry_policy=policy).invoke({"trail": []}, CONFIG)

    assert attempts == ["node", "node", "node", "handler"]


def test_a_handler_runs_in_the_same_superstep_beside_the_siblings(saver: BaseCheckpointSaver) -> None:
    began = threading.Event()

    def sibling(state: Trail) -> dict[str, Any]:
        assert began.wait(10), "the handler waits for its sibling to end"
        return {"trail": ["sibling"]}

    def handler(state: Trail) -> dict[str, Any]:
        began.set()
        return {"trail": ["handled"]}

    builder = StateGraph(Trail).add_node("node", broken, error_handler=handler).add_node("sibling", sibling)
    graph = builder.add_edge(START, "node").add_edge(START, "sibling").compile(saver)

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": ["handled", "sibling"]}
    assert [snapshot.metadata["step"] for snapshot in graph.get_state_history(CONFIG) if snapshot.metadata] == [
        1,
        0,
        -1,
    ]


def test_a_handler_is_shown_as_a_task_of_its_own(saver: BaseCheckpointSaver) -> None:
    graph = handled(saver, append("handled"))

    chunks = list(graph.stream({"trail": []}, CONFIG, stream_mode=["updates", "tasks"]))

    updates = [chunk for mode, chunk in chunks if mode == "updates"]
    ends = {chunk["name"]: chunk for mode, chunk in chunks if mode == "tasks" and "result" in chunk}
    begun = [chunk["name"] for mode, chunk in chunks if mode == "tasks" and "input" in chunk]
    assert {"__error_handler__node": {"trail": ["handled"]}} in updates
    assert all("node" not in update for update in updates)
    assert ends["node"]["error"] is not None
    assert ends["__error_handler__node"]["result"] == {"trail": ["handled"]}
    assert begun == ["node", "other", "__error_handler__node"]


def test_the_default_handler_serves_the_nodes_that_have_none(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail).set_node_defaults(error_handler=append("default"))
    builder.add_node("a", broken).add_node("b", broken, error_handler=append("own"))
    graph = builder.add_edge(START, "a").add_edge(START, "b").compile(saver)

    updates = list(graph.stream({"trail": []}, CONFIG))

    assert {name for update in updates for name in update} == {"__default_error_handler__", "__error_handler__b"}
    assert graph.get_state(CONFIG).values == {"trail": ["default", "own"]}


def test_a_handler_that_fails_fails_the_run_and_is_where_it_goes_on(saver: BaseCheckpointSaver) -> None:
    calls: list[str] = []

    def node(state: Trail) -> None:
        calls.append("node")
        raise Broken("node")

    def handler(state: Trail, error: NodeError) -> dict[str, Any]:
        calls.append(f"handler of {type(error.error).__name__}")
        if len(calls) == 2:
            raise ZeroDivisionError("handler")
        return {"trail": ["handled"]}

    builder = StateGraph(Trail).set_node_defaults(error_handler=append("default"))
    builder.add_node("node", node, error_handler=handler)
    builder.add_node("other", lambda state: calls.append("other"))
    graph = builder.add_edge(START, "node").compile(saver)

    with pytest.raises(ZeroDivisionError, match="handler"):
        graph.invoke({"trail": []}, CONFIG)
    stopped = graph.get_state(CONFIG)
    output = graph.invoke(None, CONFIG)

    assert stopped.next == ("__error_handler__node",)
    assert "ZeroDivisionError" in stopped.tasks[0].error
    assert calls == ["node", "handler of Broken", "handler of NodeFailed"]
    assert output == {"trail": ["handled"]}
    assert graph.get_state(CONFIG).next == ()


def test_a_run_pauses_before_a_handler(saver: BaseCheckpointSaver) -> None:
    graph = handled(saver, append("handled"))

    paused = graph.invoke({"trail": []}, CONFIG, interrupt_before=["__error_handler__node"])
    waiting = graph.get_state(CONFIG).next
    output = graph.invoke(None, CONFIG)

    assert paused == {"trail": []}
    assert waiting == ("__error_handler__node",)
    assert output == {"trail": ["handled", "other"]}


def test_a_handler_may_ask(saver: BaseCheckpointSaver) -> None:
    graph = handled(saver, lambda state: {"trail": [interrupt("what now?")]})

    asked = graph.invoke({"trail": []}, CONFIG)
    output = graph.invoke(Command(resume="this"), CONFIG)

    assert [question.value for question in asked["__interrupt__"]] == ["what now?"]
    assert output == {"trail": ["this", "other"]}


def test_a_steering_command_leaves_the_failed_node_to_its_handler(saver: BaseCheckpointSaver) -> None:
    calls: list[str] = []

    def node(state: Trail) -> None:
        calls.append("node")
        raise Broken

    graph = handled(saver, append("handled"), node)
    graph.invoke({"trail": []}, CONFIG, interrupt_before=["__error_handler__node"])

    output = graph.invoke(Command(update={"trail": ["said"]}, goto="rescue"), CONFIG)

    assert calls == ["node"]
    assert output == {"trail": ["said", "handled", "other", "rescue"]}


def test_a_handler_that_has_finished_does_not_run_again_when_a_command_steers(saver: BaseCheckpointSaver) -> None:
    calls: list[str] = []

    def handler(state: Trail) -> dict[str, Any]:
        calls.append("handler")
        return {"trail": ["handled"]}

    builder = StateGraph(Trail).add_node("node", broken, error_handler=handler).add_edge(START, "node")
    builder.add_node("ask", lambda state: {"trail": [interrupt("go on?")]}).add_edge(START, "ask")
    graph = builder.add_node("rescue", append("rescue")).compile(saver)
    graph.invoke({"trail": []}, CONFIG)

    asked = graph.invoke(Command(goto="rescue"), CONFIG)
    output = graph.invoke(Command(resume="yes"), CONFIG)

    assert "__interrupt__" in asked
    assert calls == ["handler"]
    assert output == {"trail": ["yes", "handled", "rescue"]}


def test_a_question_and_a_command_for_above_are_no_failures(saver: BaseCheckpointSaver) -> None:
    handler = append("handled")
    asking = handled(saver, handler, lambda state: {"trail": [interrupt("name?")]})
    leaving = handled(saver, handler, lambda state: Command(graph=Command.PARENT))

    asked = asking.invoke({"trail": []}, {"thread_id": "asks"})
    with pytest.raises(ParentCommand):
        leaving.invoke({"trail": []}, {"thread_id": "leaves"})

    assert "handled" not in asked["trail"]
    assert leaving.get_state({"thread_id": "leaves"}).values == {"trail": ["other"]}


@pytest.mark.parametrize("called", [False, True], ids=["as a node", "in a node's body"])
def test_the_failure_of_a_graph_inside_is_that_of_its_node(saver: BaseCheckpointSaver, called: bool) -> None:
    seen: list[NodeError] = []

    def handler(state: Trail, error: NodeError) -> dict[str, Any]:
        seen.append(error)
        return {"trail": ["handled"]}

    child = StateGraph(Trail).add_node("inner", broken).add_edge(START, "inner").compile()
    node = (lambda state: child.invoke(state)) if called else child
    builder = StateGraph(Trail).add_node("child", node, error_handler=handler).add_edge(START, "child")

    output = builder.compile(saver).invoke({"trail": []}, CONFIG)

    assert output == {"trail": ["handled"]}
    assert [(error.node, type(error.error)) for error in seen] == [("child", Broken)]


def test_a_handler_inside_of_a_graph_keeps_the_failure_there(saver: BaseCheckpointSaver) -> None:
    child = StateGraph(Trail).add_node("inner", broken, error_handler=append("inside")).add_edge(START, "inner")
    builder = StateGraph(Trail).add_node("child", child.compile(), error_handler=append("outside"))

    output = builder.add_edge(START, "child").compile(saver).invoke({"trail": []}, CONFIG)

    assert output == {"trail": ["inside"]}


def test_a_handler_takes_over_from_a_node_that_ran_too_long(saver: BaseCheckpointSaver) -> None:
    never = threading.Event()
    seen: list[BaseException] = []

    def handler(state: Trail, error: NodeError) -> None:
        seen.append(error.error)

    handled(saver, handler, lambda state: never.wait(20) and None, timeout=0.05).invoke({"trail": []}, CONFIG)
    never.set()

    (error,) = seen
    assert isinstance(error, NodeTimeoutError)
    assert (error.node, error.kind, error.run_timeout) == ("node", "run", 0.05)


def test_a_handler_of_a_sent_step_sees_what_was_sent_and_writes_in_its_place(saver: BaseCheckpointSaver) -> None:
    def item(arg: Any) -> dict[str, Any]:
        if arg == 1:
            raise Broken
        return {"trail": [arg]}

    builder = StateGraph(Trail).add_node("item", item, error_handler=lambda arg: {"trail": [f"handled {arg}"]})
    builder.add_conditional_edges(START, lambda state: [Send("item", number) for number in range(3)])

    assert builder.compile(saver).invoke({"trail": []}, CONFIG) == {"trail": [0, "handled 1", 2]}


def test_a_join_is_emptied_when_its_target_failed_and_was_handled(saver: BaseCheckpointSaver) -> None:
    runs: list[str] = []

    def join(state: Trail) -> None:
        runs.append("join")
        raise Broken

    builder = StateGraph(Trail).add_node("a", append("a")).add_node("b", append("b"))
    builder.add_node("join", join, error_handler=lambda state: Command(goto="last"))
    builder.add_node("last", append("last")).add_edge("last", END)
    builder.add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "join")

    output = builder.compile(saver).invoke({"trail": []}, CONFIG)

    assert (runs, output) == (["join"], {"trail": ["a", "b", "last"]})


def test_a_failure_that_is_handled_or_tried_again_cancels_no_sibling(saver: BaseCheckpointSaver) -> None:
    failed = threading.Event()

    def fails(state: Trail) -> None:
        raise Broken("node")

    def once(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
        if runtime.execution_info is not None and runtime.execution_info.node_attempt == 1:
            raise Broken("once")
        return {"trail": ["again"]}

    def handler(state: Trail) -> dict[str, Any]:
        failed.set()
        return {"trail": ["handled"]}

    async def sibling(state: Trail) -> dict[str, Any]:
        assert await asyncio.to_thread(failed.wait, 10)
        await asyncio.sleep(0)  # where it would be cancelled
        return {"trail": ["sibling"]}

    policy = RetryPolicy(initial_interval=0.001, retry_on=Broken)
    builder = StateGraph(Trail).add_node("node", fails, error_handler=handler).add_node("sibling", sibling)
    builder.add_node("once", once, retry_policy=policy)
    for name in ("node", "sibling", "once"):
        builder.add_edge(START, name)

    output = builder.compile(saver).invoke({"trail": []}, CONFIG)

    assert output == {"trail": ["handled", "again", "sibling"]}


def test_an_async_handler_runs_although_a_sibling_has_failed(saver: BaseCheckpointSaver) -> None:
    begun, over = threading.Event(), threading.Event()

    async def handler(state: Trail) -> dict[str, Any]:
        begun.set()
        assert await asyncio.to_thread(over.wait, 10)
        return {"trail": ["handled"]}

    def other(state: Trail) -> None:
        assert begun.wait(10)
        raise Broken("other")

    async def cancelled(state: Trail) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            over.set()

    builder = StateGraph(Trail).add_node("node", broken, error_handler=handler).add_node("other", other)
    builder.add_node("cancelled", cancelled).add_edge(START, "node").add_edge(START, "other")
    graph = builder.add_edge(START, "cancelled").compile(saver)

    with pytest.raises(Broken, match="other"):
        graph.invoke({"trail": []}, CONFIG)

    assert graph.get_state(CONFIG).values == {"trail": ["handled"]}
    assert graph.get_state(CONFIG).next == ("other", "cancelled")


def test_a_handler_that_fails_cancels_the_siblings_of_its_node(saver: BaseCheckpointSaver) -> None:
    async def sibling(state: Trail) -> None:
        await asyncio.sleep(60)

    builder = StateGraph(Trail).add_node("node", broken, error_handler=broken).add_node("sibling", sibling)
    graph = builder.add_edge(START, "node").add_edge(START, "sibling").compile(saver)

    with pytest.raises(Broken, match="node"):
        graph.invoke({"trail": []}, CONFIG)

    assert graph.get_state(CONFIG).next == ("__error_handler__node", "sibling")


def test_what_a_handler_says_is_heard_while_it_runs(saver: BaseCheckpointSaver) -> None:
    def handler(state: Trail, config: RunnableConfig) -> None:
        for piece in FakeListChatModel(responses=["sorry"]).stream("?", config):
            assert piece

    chunks = list(handled(saver, handler).stream({"trail": []}, CONFIG, stream_mode="messages"))

    assert "".join(chunk.content for chunk, _ in chunks) == "sorry"
    assert {metadata["langgraph_node"] for _, metadata in chunks} == {"__error_handler__node"}
