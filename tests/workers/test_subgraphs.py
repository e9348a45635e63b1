"""Graphs inside of graphs: what goes in and out, what they keep, and how their nodes fail and steer."""

from typing import Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.errors import GraphRecursionError, InvalidGraph, NotSerializable, SubgraphBusy
from treadle.graph import END, START, CompiledStateGraph, StateGraph
from treadle.runtime import Runtime
from treadle.store.memory import InMemoryStore
from treadle.types import Command, RetryPolicy, Send

from .nests import CONFIG, Plain, Trail, chain, says, side_by_side


class Counter(TypedDict, total=False):
    """A state of its own: nothing of it is the parent's, but what it shows."""

    count: int
    shown: int


class Shown(TypedDict, total=False):
    shown: int


def counting(keeps: bool | None) -> CompiledStateGraph:
    """Compile a graph that counts how often it was called, as far as it remembers."""

    def count(state: Counter) -> Counter:
        return {"count": state.get("count", 0) + 1, "shown": state.get("count", 0) + 1}

    return chain(keeps, schema=Counter, count=count)


def test_shared_keys_alone_go_in_and_out(saver: BaseCheckpointSaver) -> None:
    class Child(TypedDict, total=False):
        value: Any
        private: Any

    seen: list[Any] = []

    def look(state: Child) -> Child:
        seen.append(dict(state))
        return {"value": state["value"] + 1, "private": "secret"}

    graph = chain(saver, schema=Plain, child=chain(schema=Child, look=look))

    assert graph.invoke({"value": 1, "other": "parent's"}, CONFIG) == {"value": 2, "other": "parent's"}
    assert seen == [{"value": 1}]


def test_a_reducer_adds_what_the_graph_inside_had_got(saver: BaseCheckpointSaver) -> None:
    graph = chain(saver, before=says("before"), child=chain(x=says("x")), after=says("after"))

    output = graph.invoke({"trail": [0]}, CONFIG)

    assert output == {"trail": [0, "before", 0, "before", "x", "after"]}


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_graphs_nest_at_any_depth(saver: BaseCheckpointSaver, depth: int) -> None:
    def up(state: Plain) -> Plain:
        return {"value": state["value"] + 1}

    graph: Any = up
    for _ in range(depth):
        graph = chain(schema=Plain, down=up, inside=graph, up=up)

    assert chain(saver, schema=Plain, top=graph).invoke({"value": 0}, CONFIG)["value"] == 2 * depth + 1


def test_a_graph_with_nothing_to_do_is_left_at_once(saver: BaseCheckpointSaver) -> None:
    empty = StateGraph(Trail).add_node("never", says("never")).add_conditional_edges(START, lambda state: END)

    assert chain(saver, child=empty.compile(), after=says("after")).invoke({"trail": []}, CONFIG) == {
        "trail": ["after"]
    }


@pytest.mark.parametrize(("keeps", "shown"), [(None, [1, 1]), (False, [1, 1]), (True, [1, 2])])
@pytest.mark.parametrize("place", ["node", "body", "below"])
def test_a_graph_keeps_its_state_over_runs_when_it_is_told_to(
    saver: BaseCheckpointSaver, keeps: bool | None, shown: list[int], place: str
) -> None:
    child = counting(keeps)
    node = {"node": child, "body": lambda state: child.invoke({}), "below": chain(schema=Shown, inside=child)}[place]
    graph = chain(saver, schema=Shown, child=node)

    assert [graph.invoke({"shown": 0}, CONFIG)["shown"] for _ in range(2)] == shown


def test_a_graph_keeps_its_state_over_the_rounds_of_a_loop(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Shown).add_node("child", counting(True)).add_edge(START, "child")
    builder.add_conditional_edges("child", lambda state: END if state["shown"] >= 3 else "child")

    assert builder.compile(saver).invoke({"shown": 0}, CONFIG) == {"shown": 3}


def test_threads_do_not_share_what_a_graph_keeps(saver: BaseCheckpointSaver) -> None:
    graph = chain(saver, schema=Shown, child=counting(True))

    assert [graph.invoke({"shown": 0}, {"thread_id": name})["shown"] for name in ("a", "b")] == [1, 1]


@pytest.mark.parametrize("below", [False, True], ids=["child", "grandchild"])
def test_an_old_checkpoint_takes_what_the_graph_inside_was_then(saver: BaseCheckpointSaver, below: bool) -> None:
    child = counting(True)
    graph = chain(saver, schema=Shown, child=chain(True, schema=Shown, inside=child) if below else child)
    for _ in range(3):
        graph.invoke({"shown": 0}, CONFIG)
    starts = [state for state in graph.get_state_history(CONFIG) if state.next == ("child",)]

    replayed = graph.invoke(None, starts[1].config)["shown"]  # the second of the three runs
    later = graph.invoke({"shown": 0}, CONFIG)["shown"]

    assert (replayed, later) == (2, 3)


def test_a_graph_that_keeps_its_state_is_not_called_twice_at_once(saver: BaseCheckpointSaver) -> None:
    builder = StateGraph(Shown).add_node("child", counting(True))
    builder.add_conditional_edges(START, lambda state: [Send("child", {}), Send("child", {})], ["child"])

    with pytest.raises(SubgraphBusy, match="one after the other"):
        builder.compile(saver).invoke({"shown": 0}, CONFIG)


def test_a_number_is_no_name_for_a_graph_that_keeps_its_state() -> None:
    with pytest.raises(InvalidGraph, match="'1'"):
        StateGraph(Shown).add_node("1", counting(True))


def test_every_send_to_a_graph_is_a_call_of_its_own(saver: BaseCheckpointSaver) -> None:
    child = chain(add=lambda state: {"trail": [state["trail"][0] * 10]})
    builder = StateGraph(Trail).add_node("child", child)
    builder.add_conditional_edges(START, lambda state: [Send("child", {"trail": [n]}) for n in range(3)], ["child"])

    assert builder.compile(saver).invoke({"trail": []}, CONFIG) == {"trail": [0, 0, 1, 10, 2, 20]}


@pytest.mark.parametrize("calls", [1, 2])
def test_a_node_calls_graphs_in_its_body(saver: BaseCheckpointSaver, calls: int) -> None:
    child = chain(x=says("x"))

    def node(state: Trail) -> dict[str, Any]:
        return {"trail": [child.invoke({"trail": [n]})["trail"] for n in range(calls)]}

    assert chain(saver, node=node).invoke({"trail": []}, CONFIG) == {"trail": [[n, "x"] for n in range(calls)]}


@pytest.mark.parametrize("calls", [1, 2])
def test_an_async_node_calls_graphs_in_its_body(saver: BaseCheckpointSaver, calls: int) -> None:
    child = chain(x=says("x"))

    async def node(state: Trail) -> dict[str, Any]:
        return {"trail": [(await child.ainvoke({"trail": [n]}))["trail"] for n in range(calls)]}

    assert chain(saver, node=node).invoke({"trail": []}, CONFIG) == {"trail": [[n, "x"] for n in range(calls)]}


def test_a_graph_that_a_graph_in_a_body_calls_may_have_graphs_inside(saver: BaseCheckpointSaver) -> None:
    inner = chain(inside=chain(x=says("x")))
    outer = chain(node=lambda state: {"trail": inner.invoke({"trail": []})["trail"]})

    def node(state: Trail) -> dict[str, Any]:
        return outer.invoke({"trail": []})  # type: ignore[no-any-return]

    assert chain(saver, node=node).invoke({"trail": []}, CONFIG) == {"trail": ["x"]}


@pytest.mark.parametrize("called", ["node", "body"])
def test_a_command_for_the_parent_leaves_the_graph(saver: BaseCheckpointSaver, called: str) -> None:
    def up(state: Trail) -> Command:
        return Command(graph=Command.PARENT, update={"trail": ["up"]}, goto="there")

    child = chain(up=up, never=says("never"))

    def body(state: Trail) -> dict[str, Any]:
        child.invoke({"trail": []})
        return {"trail": ["never"]}

    builder = StateGraph(Trail).add_node("child", child if called == "node" else body).add_node("there", says("there"))

    assert builder.add_edge(START, "child").compile(saver).invoke({"trail": []}, CONFIG) == {"trail": ["up", "there"]}


def test_a_command_for_the_parent_drops_what_else_runs_in_the_graph(saver: BaseCheckpointSaver) -> None:
    ran: list[str] = []
    slow = chain(True, wait=lambda state: None, late=lambda state: ran.append("late"))
    child = side_by_side(
        slow=chain(slow=slow), up=lambda state: Command(graph=Command.PARENT, update={"trail": ["up"]})
    )

    assert chain(saver, child=child).invoke({"trail": []}, CONFIG) == {"trail": ["up"]}
    assert saver.threads.pending("t") == []


def test_a_command_for_the_parent_of_the_root_is_raised(saver: BaseCheckpointSaver) -> None:
    command: Command = Command(graph=Command.PARENT, update={"trail": ["up"]})

    with pytest.raises(BaseException, match="up") as raised:
        chain(saver, node=lambda state: command).invoke({"trail": []}, CONFIG)

    assert type(raised.value).__name__ == "ParentCommand"
    assert raised.value.args == (command,)


class OwnError(Exception):
    """An error that only this module knows."""


@pytest.mark.parametrize("called", ["node", "body"])
def test_what_a_node_deep_down_raises_is_what_the_caller_gets(saver: BaseCheckpointSaver, called: str) -> None:
    error = OwnError("deep down")

    def fail(state: Trail) -> None:
        raise error

    inner = chain(fail=fail)
    child = inner if called == "node" else lambda state: inner.invoke({"trail": []})

    with pytest.raises(OwnError) as raised:
        chain(saver, child=chain(inside=child)).invoke({"trail": []}, CONFIG)

    assert raised.value is error


def test_a_body_may_catch_what_the_graph_raised(saver: BaseCheckpointSaver) -> None:
    def fail(state: Trail) -> None:
        raise OwnError("no")

    child = chain(fail=fail)

    def node(state: Trail) -> dict[str, Any]:
        try:
            return child.invoke({"trail": []})  # type: ignore[no-any-return]
        except OwnError as error:
            return {"trail": [str(error)]}

    assert chain(saver, node=node).invoke({"trail": []}, CONFIG) == {"trail": ["no"]}


@pytest.mark.parametrize("where", ["into the graph", "out of the graph"])
def test_a_router_that_fails_around_a_graph_fails_its_node(saver: BaseCheckpointSaver, where: str) -> None:
    def route(state: Trail) -> str:
        raise OwnError(where)

    child = StateGraph(Trail).add_node("x", says("x"))
    parent = StateGraph(Trail).add_edge(START, "child")
    if where == "into the graph":
        parent.add_node("child", child.add_conditional_edges(START, route).compile())
    else:
        parent.add_node("child", child.add_edge(START, "x").compile()).add_conditional_edges("child", route)

    with pytest.raises(OwnError, match=where):
        parent.compile(saver).invoke({"trail": []}, CONFIG)

    assert saver.client.runs.recent("t")[0].status == "error"


@pytest.mark.parametrize("called", ["node", "body"])
def test_going_on_after_a_failure_repeats_what_is_unfinished(saver: BaseCheckpointSaver, called: str) -> None:
    ran: list[str] = []

    def once(state: Trail) -> dict[str, Any]:
        ran.append("once")
        return {"trail": ["once"]}

    def broken(state: Trail) -> dict[str, Any]:
        ran.append("broken")
        if ran.count("broken") < 2:
            raise ValueError("mend me")
        return {"trail": ["mended"]}

    child = chain(once=once, broken=broken)
    graph = chain(saver, child=child if called == "node" else lambda state: child.invoke({"trail": []}))
    with pytest.raises(ValueError, match="mend me"):
        graph.invoke({"trail": []}, CONFIG)

    assert graph.invoke(None, CONFIG) == {"trail": ["once", "mended"]}
    assert ran == ["once", "broken", "broken"]


@pytest.mark.parametrize("where", ["child", "parent"])
def test_a_retry_repeats_what_is_unfinished(saver: BaseCheckpointSaver, where: str) -> None:
    ran: list[str] = []
    again = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError)
    here, there = (again, None) if where == "child" else (None, again)

    def broken(state: Trail) -> dict[str, Any]:
        ran.append("broken")
        if ran.count("broken") < 3:
            raise ValueError("mend me")
        return {"trail": ["mended"]}

    child = StateGraph(Trail).add_node("once", lambda state: ran.append("once")).add_node("broken", broken, retry=here)
    child.add_edge(START, "once").add_edge("once", "broken")
    graph = StateGraph(Trail).add_node("child", child.compile(), retry=there).add_edge(START, "child").compile(saver)

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": ["mended"]}
    assert ran == ["once", "broken", "broken", "broken"]


def test_the_recursion_limit_holds_in_the_graph_inside(saver: BaseCheckpointSaver) -> None:
    loop = StateGraph(Trail).add_node("again", says("again")).add_edge(START, "again").add_edge("again", "again")

    with pytest.raises(GraphRecursionError):
        chain(saver, child=loop.compile()).invoke({"trail": []}, {**CONFIG, "recursion_limit": 5})

    assert saver.client.runs.recent("t")[0].status == "error"


def test_a_deferred_node_waits_for_the_rest_of_its_own_graph(saver: BaseCheckpointSaver) -> None:
    child = StateGraph(Trail).add_node("last", says("last"), defer=True).add_edge(START, "last")
    for name, after in (("a", None), ("b", "a"), ("c", "b")):
        child.add_node(name, says(name))
        child.add_edge(after or START, name)

    assert chain(saver, child=child.compile()).invoke({"trail": []}, CONFIG) == {"trail": ["a", "b", "c", "last"]}


@pytest.mark.parametrize("called", ["node", "body"])
def test_what_a_run_is_given_reaches_the_graphs_inside(saver: BaseCheckpointSaver, called: str) -> None:
    seen: list[Any] = []

    def look(state: Trail, config: Any, runtime: Runtime[Any]) -> None:
        assert runtime.store is not None
        ns = config["configurable"]["checkpoint_ns"]
        levels = [part.partition(":")[0] for part in ns.split("|")]
        seen.append((runtime.context, config["metadata"]["who"], config["configurable"]["mine"], levels))
        seen.append((config["tags"], config["configurable"]["thread_id"]))
        seen.append(runtime.store.get(("a",), "k").value)  # type: ignore[union-attr]

    child = chain(look=look)
    builder = StateGraph(Trail).add_node("child", child if called == "node" else lambda state: child.invoke({}))
    store = InMemoryStore()
    store.put(("a",), "k", {"kept": True})
    graph = builder.add_edge(START, "child").compile(saver, store=store)

    graph.invoke(
        {"trail": []},
        {"configurable": {"thread_id": "t", "mine": 1}, "metadata": {"who": "ada"}, "tags": ["x"]},
        context={"tenant": 7},
    )

    assert seen == [({"tenant": 7}, "ada", 1, ["child", "look"]), (["x"], "t"), {"kept": True}]


def test_an_own_thread_in_the_call_is_a_run_of_its_own(saver: BaseCheckpointSaver) -> None:
    child = chain(saver, x=says("x"))
    graph = chain(saver, node=lambda state: child.invoke({"trail": ["in"]}, {"thread_id": "other"}))

    assert graph.invoke({"trail": []}, CONFIG) == {"trail": ["in", "x"]}
    assert child.get_state({"thread_id": "other"}).values == {"trail": ["in", "x"]}


@pytest.mark.parametrize("inside", [True, False])
def test_a_command_for_the_parent_that_cannot_be_stored_is_its_nodes_failure(
    saver: BaseCheckpointSaver, inside: bool
) -> None:
    def up(state: Plain) -> Command:
        return Command(graph=Command.PARENT, update={"value": object()})

    graph = (
        chain(saver, schema=Plain, child=chain(schema=Plain, up=up)) if inside else chain(saver, schema=Plain, up=up)
    )

    with pytest.raises(NotSerializable, match="holds a object, which cannot be stored"):
        graph.invoke({}, CONFIG)

    assert graph.threads.get("t").status == "failed"
