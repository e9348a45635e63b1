"""Compiled graphs as their users meet them, run in this process."""

import threading
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest
import redis as redis_py
from pydantic import BaseModel, ValidationError

from scheduler.config import parse
from tests.conftest import RealRedis
from tests.workers.lines import CONFIG, Trail, append, line, single
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.redis import RedisSaver
from treadle.config import get_config, get_store
from treadle.errors import (
    CheckpointNotFound,
    EmptyInputError,
    GraphRecursionError,
    InvalidConfig,
    InvalidInput,
    InvalidThreadId,
    InvalidUpdateError,
    NodeTimeoutError,
    NotSerializable,
    RunCancelled,
    RunTimeout,
    ThreadBusy,
    TransitionNotAllowed,
    UnknownNode,
)
from treadle.graph import END, START, MessagesState, StateGraph
from treadle.runtime import Runtime, get_runtime
from treadle.store.memory import InMemoryStore
from treadle.types import RetryPolicy

# Identity and turns


class Chat(TypedDict):
    messages: list[str]


def test_without_a_reducer_the_second_turn_replaces_the_first(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, lambda s: {"messages": [*s["messages"], f"Bot: I received -> {s['messages'][-1]}"]}, Chat)

    first = graph.invoke({"messages": ["Hello"]}, CONFIG)
    second = graph.invoke({"messages": ["How are you?"]}, CONFIG)

    assert first == {"messages": ["Hello", "Bot: I received -> Hello"]}
    assert second == {"messages": ["How are you?", "Bot: I received -> How are you?"]}


def test_with_a_reducer_a_thread_remembers_its_turns(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, lambda s: {"messages": ("assistant", f"{len(s['messages'])} so far")}, MessagesState)
    graph.invoke({"messages": ("user", "one")}, CONFIG)

    output = graph.invoke({"messages": ("user", "two")}, CONFIG)

    assert [message["content"] for message in output["messages"]] == ["one", "1 so far", "two", "3 so far"]


def test_the_short_config_names_the_same_thread(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a")
    graph.invoke({"trail": [1]}, {"thread_id": "t"})

    assert graph.get_state(CONFIG).values == {"trail": [1, "a"]}


def test_two_threads_share_no_state(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a")

    one = graph.invoke({"trail": [1]}, {"thread_id": "one"})
    two = graph.invoke({"trail": [2]}, {"thread_id": "two"})

    assert (one, two) == ({"trail": [1, "a"]}, {"trail": [2, "a"]})


def test_without_a_checkpointer_every_call_stands_alone() -> None:
    graph = single(None, append("a"))

    outputs = [graph.invoke({"trail": []}) for _ in range(2)]

    assert outputs == [{"trail": ["a"]}, {"trail": ["a"]}]
    with pytest.raises(ValueError, match="No checkpointer set"):
        graph.get_state(CONFIG)


def test_what_a_caller_does_to_an_output_does_not_reach_the_thread(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a")

    graph.invoke({"trail": []}, CONFIG)["trail"].append("mine")

    assert graph.get_state(CONFIG).values == {"trail": ["a"]}


# State kinds


@dataclass
class Point:
    x: int
    y: int = 0


class Model(BaseModel):
    count: int = 0
    name: str = ""


def test_a_dataclass_state_reaches_nodes_as_an_instance(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, lambda point: {"y": point.x + point.y}, Point)

    assert graph.invoke({"x": 2, "y": 3}, CONFIG) == {"x": 2, "y": 5}


def test_a_pydantic_state_is_validated_at_the_door(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, lambda model: {"count": model.count + 1}, Model)

    with pytest.raises(ValidationError):
        graph.invoke({"count": "many"}, CONFIG)

    assert saver.threads.find("t") is None
    assert graph.invoke({"count": 1}, CONFIG)["count"] == 2


class Holder(TypedDict):
    point: Point


def test_classes_named_by_the_state_come_back_as_themselves(saver: BaseCheckpointSaver) -> None:
    graph = single(saver, lambda state: {"point": Point(state["point"].x, 7)}, Holder)

    assert graph.invoke({"point": Point(1)}, CONFIG) == {"point": Point(1, 7)}


# Steps


def test_parallel_branches_write_in_the_order_of_their_names_and_join_once(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail)
    barrier = threading.Barrier(3, timeout=10)
    for name in ("c", "a", "b"):
        builder.add_node(name, lambda state, name=name: (barrier.wait(), {"trail": [name]})[1]).add_edge(START, name)
    graph = builder.add_node("join", append("join")).add_edge(["c", "a", "b"], "join").compile(saver)

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": ["a", "b", "c", "join"]}


def test_a_router_sees_its_nodes_own_writes_and_may_go_round_in_circles(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail).set_entry_point("count")
    builder.add_node("count", lambda state: {"trail": [len(state["trail"])]})
    builder.add_conditional_edges("count", lambda state: END if state["trail"][-1] == 4 else "count")

    assert builder.compile(saver).invoke({"trail": []}, CONFIG) == {"trail": [0, 1, 2, 3, 4]}


def test_a_cycle_ends_at_the_recursion_limit_and_can_go_on(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Trail).add_node("round", append("round")).set_entry_point("round").add_edge("round", "round")
    graph = builder.compile(saver)

    with pytest.raises(GraphRecursionError, match="limit of 3"):
        graph.invoke({"trail": []}, {**CONFIG, "recursion_limit": 3})

    assert graph.get_state(CONFIG).values == {"trail": ["round"] * 3}
    assert graph.get_state(CONFIG).next == ("round",)


async def wait_and_append(state: Trail) -> dict[str, Any]:
    return {"trail": ["async"]}


def test_async_nodes_run_under_the_plain_calls(saver: BaseCheckpointSaver) -> None:
    assert single(saver, wait_and_append).invoke({"trail": []}, CONFIG) == {"trail": ["async"]}


# What nodes are given


class Context(TypedDict):
    user: str


def test_a_node_is_told_which_step_it_is(saver: BaseCheckpointSaver) -> None:
    seen: list[Any] = []

    def node(state: Trail, config: Any, runtime: Runtime[Context]) -> None:
        info = runtime.execution_info
        assert info is not None
        seen.append((info.thread_id, info.node_attempt, runtime.context, config["configurable"]["thread_id"]))
        seen.append((runtime.idempotency_key == info.task_id, get_config() == config, get_runtime() is runtime))

    single(saver, node).invoke({"trail": []}, CONFIG, context={"user": "ada"})

    assert seen == [("t", 1, {"user": "ada"}, "t"), (True, True, True)]


def test_the_idempotency_key_is_the_same_in_every_attempt_and_in_no_other_step(saver: BaseCheckpointSaver) -> None:
    keys: list[str] = []

    def node(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
        keys.append(runtime.idempotency_key)
        if runtime.attempt == 1:
            raise ConnectionError
        return {"trail": [runtime.attempt]}

    graph = single(saver, node, retry=RetryPolicy(initial_interval=0.001, jitter=False))
    outputs = [graph.invoke({"trail": []}, {"thread_id": name}) for name in ("one", "two")]

    assert outputs == [{"trail": [2]}, {"trail": [2]}]
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_the_long_term_memory_is_shared_by_threads(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        store = get_store()
        known = [item.value["name"] for item in store.search(("people",))]
        store.put(("people",), state["trail"][-1], {"name": state["trail"][-1]})
        return {"trail": known}

    builder = StateGraph(Trail).add_node("node", node).set_entry_point("node")
    graph = builder.compile(saver, store=InMemoryStore())
    graph.invoke({"trail": ["ada"]}, {"thread_id": "one"})

    assert graph.invoke({"trail": ["bob"]}, {"thread_id": "two"}) == {"trail": ["bob", "ada"]}


# Failures


def test_finished_siblings_of_a_failed_step_do_not_run_again(saver: BaseCheckpointSaver) -> None:
    calls: list[str] = []
    broken = True

    def good(state: Trail) -> dict[str, Any]:
        calls.append("good")
        return {"trail": ["good"]}

    def bad(state: Trail) -> dict[str, Any]:
        calls.append("bad")
        if broken:
            raise ZeroDivisionError
        return {"trail": ["bad"]}

    builder = StateGraph(Trail).add_node("good", good).add_node("bad", bad)
    graph = builder.add_edge(START, "good").add_edge(START, "bad").compile(saver)
    with pytest.raises(ZeroDivisionError):
        graph.invoke({"trail": []}, CONFIG)
    state = graph.get_state(CONFIG)
    broken = False

    output = graph.invoke(None, CONFIG)

    assert state.next == ("bad",)
    assert state.values == {"trail": ["good"]}
    assert output == {"trail": ["bad", "good"]}
    assert sorted(calls) == ["bad", "bad", "good"]


class CustomError(Exception):
    pass


def test_what_a_node_raises_reaches_the_caller_as_the_same_object(saver: BaseCheckpointSaver) -> None:
    error = CustomError("mine", 7)

    def node(state: Trail) -> None:
        raise error

    with pytest.raises(CustomError) as raised:
        single(saver, node).invoke({"trail": []}, CONFIG)

    assert raised.value is error


def test_a_new_input_on_a_failed_thread_keeps_its_state(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        if "bad" in state["trail"][-1:]:
            raise ZeroDivisionError
        return {"trail": ["ok"]}

    graph = single(saver, node)
    with pytest.raises(ZeroDivisionError):
        graph.invoke({"trail": ["bad"]}, CONFIG)

    assert graph.invoke({"trail": ["good"]}, CONFIG) == {"trail": ["bad", "good", "ok"]}


def test_a_node_past_its_time_limit_ends_the_run_as_timeout(saver: BaseCheckpointSaver) -> None:
    never = threading.Event()

    with pytest.raises(NodeTimeoutError, match=r"0\.05 s"):
        single(saver, lambda state: never.wait(30), timeout=0.05).invoke({"trail": []}, CONFIG)

    never.set()
    assert saver.client.runs.recent("t")[0].status == "timeout"


@pytest.mark.parametrize("where", ["call", "config", "thread"])
def test_a_run_past_its_time_limit_ends_as_timeout(saver: BaseCheckpointSaver, where: str) -> None:
    never = threading.Event()
    graph = single(saver, lambda state: never.wait(30))
    if where == "thread":
        saver.threads.create("t", timeout_s=0.1)
    config = {**CONFIG, "timeout": 0.1} if where == "config" else CONFIG

    with pytest.raises(RunTimeout, match="time limit"):
        graph.invoke({"trail": []}, config, timeout=0.1 if where == "call" else None)

    never.set()
    assert saver.threads.get("t").status == "failed"


def test_a_node_that_overruns_without_any_grace_ends_its_run_all_the_same(
    saver: BaseCheckpointSaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREADLE_GRACE_MS", "0")
    never = threading.Event()

    with pytest.raises(NodeTimeoutError):
        single(saver, lambda state: never.wait(30), timeout=0.05).invoke({"trail": []}, CONFIG)

    never.set()


def test_a_thread_whose_process_died_is_free_without_a_scheduler(real_redis: RealRedis) -> None:
    real_redis.flush()
    dead = RedisSaver(real_redis.url, inline=True)
    started = dead.client.start(line(dead, "a").graph, parse(CONFIG), {"trail": []})
    with redis_py.Redis.from_url(real_redis.url) as redis:
        redis.hset(dead.engine.connection.place("t", started.run.id).named("run"), "until", 1)

    graph = line(RedisSaver(real_redis.url, inline=True), "a")

    assert graph.invoke(None, CONFIG) == {"trail": ["a"]}


# Locking


def test_a_second_run_on_a_busy_thread_is_refused_or_waits(saver: BaseCheckpointSaver) -> None:
    running, go_on = threading.Event(), threading.Event()

    def node(state: Trail) -> dict[str, Any]:
        running.set()
        go_on.wait(20)
        return {"trail": [len(state["trail"])]}

    graph = single(saver, node)
    handle = graph.submit({"trail": ["first"]}, CONFIG)
    running.wait(10)

    with pytest.raises(ThreadBusy) as busy:
        graph.invoke({"trail": ["second"]}, CONFIG)
    go_on.set()
    output = graph.invoke({"trail": ["second"]}, CONFIG, on_busy="wait")

    assert (busy.value.run_id, busy.value.steps) == (handle.id, ("node",))
    assert output == {"trail": ["first", 1, "second", 3]}


def test_cancelling_ends_a_run_for_good_and_frees_the_thread(saver: BaseCheckpointSaver) -> None:
    running, go_on = threading.Event(), threading.Event()

    def node(state: Trail) -> dict[str, Any]:
        running.set()
        go_on.wait(20)
        return {"trail": ["done"]}

    graph = single(saver, node)
    handle = graph.submit({"trail": []}, CONFIG)
    running.wait(10)

    cancelled = handle.cancel("enough")
    go_on.set()

    assert (cancelled, handle.status, handle.cancel()) == (True, "cancelled", False)
    with pytest.raises(RunCancelled, match="enough"):
        handle.result(timeout=5)
    assert graph.invoke(None, CONFIG) == {"trail": ["done"]}


# Bad input: a clear error, and nothing is written


@pytest.mark.parametrize(
    ("config", "error", "match"),
    [
        (None, InvalidThreadId, "thread_id"),
        ({"configurable": {}}, InvalidThreadId, "thread_id"),
        ({"thread_id": ""}, InvalidThreadId, "empty"),
        ({"thread_id": "a\nb"}, InvalidThreadId, "unprintable"),
        ({"thread_id": "x" * 256}, InvalidThreadId, "longer"),
        ({"thread_id": 1.5}, InvalidThreadId, "float"),
        ({**CONFIG, "recursion_limit": 0}, InvalidConfig, "recursion_limit"),
        ({**CONFIG, "tiemout": 3}, InvalidConfig, "tiemout"),
        ({**CONFIG, "timeout": -1}, InvalidConfig, "timeout"),
        ({**CONFIG, "on_busy": "maybe"}, InvalidConfig, "on_busy"),
        ({**CONFIG, "interrupt_before": ["nowhere"]}, UnknownNode, "nowhere"),
        ({**CONFIG, "checkpoint_id": "first"}, InvalidConfig, "checkpoint id"),
        ({**CONFIG, "checkpoint_id": "1-1"}, CheckpointNotFound, "1-1"),
        ("t", InvalidConfig, "dict"),
    ],
)
def test_a_wrong_config_is_refused_at_the_door(
    saver: BaseCheckpointSaver, config: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        line(saver, "a").invoke({"trail": []}, config)

    assert saver.threads.list() == []


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        ("Hello", InvalidInput, "must be a dict"),
        ([1], InvalidInput, "must be a dict"),
        ({"trial": []}, InvalidInput, "trail"),
        ({"trail": [object()]}, NotSerializable, "trail"),
        (None, EmptyInputError, "no input"),
        ({"trail": 7}, InvalidUpdateError, "trail"),
    ],
)
def test_a_wrong_input_is_refused_at_the_door(
    saver: BaseCheckpointSaver, value: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        line(saver, "a").invoke(value, CONFIG)

    assert saver.threads.list() == []


@pytest.mark.parametrize(
    ("returned", "error", "match"),
    [
        ("text", InvalidUpdateError, "Expected dict, got"),
        ({"trail": [threading.Lock()]}, NotSerializable, r"trail.*lock"),
        ({"trail": 7}, InvalidUpdateError, "trail"),
    ],
)
def test_a_wrong_return_value_leaves_the_thread_where_it_was(
    saver: BaseCheckpointSaver, returned: Any, error: type[Exception], match: str
) -> None:
    graph = single(saver, lambda state: returned)

    with pytest.raises(error, match=match):
        graph.invoke({"trail": ["x"]}, CONFIG)

    state = graph.get_state(CONFIG)
    assert (state.values, state.next) == ({"trail": ["x"]}, ("node",))


def test_a_terminated_thread_refuses_to_run_and_says_why(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a")
    graph.invoke({"trail": []}, CONFIG)

    saver.threads.terminate("t")

    with pytest.raises(TransitionNotAllowed, match=r"terminated.*start"):
        graph.invoke({"trail": []}, CONFIG)


def test_a_foreign_checkpointer_is_refused() -> None:
    with pytest.raises(TypeError, match="Invalid checkpointer provided"):
        single(object(), append("a"))  # type: ignore[arg-type]


def test_what_a_graph_was_compiled_with_can_be_read(saver: BaseCheckpointSaver) -> None:
    graph = StateGraph(Trail).add_node("a", append("a")).set_entry_point("a").compile(saver, name="mine", debug=True)

    assert (graph.checkpointer, graph.name, graph.get_name()) == (saver, "mine", "mine")
    assert graph.copy().checkpointer is graph.with_config(tags=["x"]).checkpointer is saver


# Drawing


def test_a_compiled_graph_can_be_drawn_with_the_inside_of_its_subgraphs() -> None:
    inner = StateGraph(Chat).add_node("plan", lambda _: None).add_edge(START, "plan").compile(name="inner")
    graph = StateGraph(Chat).add_node("sub", inner).add_edge(START, "sub").compile(name="outer")

    assert set(graph.get_graph().nodes) == {START, "sub", END}
    assert "sub:plan" in graph.get_graph(xray=True).nodes
    assert "sub:plan" not in graph.get_graph(xray=0).nodes
