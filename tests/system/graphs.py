"""The graphs that the system tests run on real workers."""

import asyncio
import ctypes
import operator
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import NodeError
from treadle.func import entrypoint, task
from treadle.graph import END, START, CompiledStateGraph, StateGraph
from treadle.runtime import Runtime
from treadle.types import RetryPolicy, Send, TimeoutPolicy, interrupt

CHAIN_LENGTH = 20


class Trail(TypedDict):
    """A state that remembers who was here."""

    trail: Annotated[list[Any], operator.add]


class Way(TypedDict, total=False):
    """A state without a reducer: it goes through graphs inside of graphs as it is."""

    way: list[Any]


class Chat(TypedDict):
    """The notebook's state: no reducer, so every list replaces the one before."""

    messages: list[str]


def chat() -> StateGraph:
    """Build the notebook's chatbot."""
    builder = StateGraph(Chat)
    builder.add_node("chat", _answer)
    return builder.set_entry_point("chat").add_edge("chat", END)


def chain() -> StateGraph:
    """Build a chain of steps, each of which appends its number."""
    return StateGraph(Trail).add_sequence(
        [(f"step_{number}", _append(number)) for number in range(CHAIN_LENGTH)]
    ).set_entry_point("step_0")  # fmt: skip


def parallel() -> StateGraph:
    """Build two branches that only end when both run at the same time, and a join."""
    builder = StateGraph(Trail)
    for name in ("left", "right"):
        builder.add_node(name, _meet(name)).add_edge(START, name)
    return builder.add_node("join", _append("join")).add_edge(["left", "right"], "join").add_edge("join", END)


def blocking() -> StateGraph:
    """Build a node that blocks in C code for a minute, past its time limit of two seconds."""
    builder = StateGraph(Trail).add_node("block", _block, timeout=2)
    return builder.set_entry_point("block")


def holding() -> StateGraph:
    """Build a node that holds the interpreter, in C, as long as the last number in the trail says, in seconds."""
    return StateGraph(Trail).add_node("hold", _hold).set_entry_point("hold")


def napping() -> StateGraph:
    """Build a node that sleeps past its time limit, as code that waits does."""
    return StateGraph(Trail).add_node("nap", _nap, timeout=1).set_entry_point("nap")


def slow() -> StateGraph:
    """Build a node that takes as long as the last number in the trail says, in seconds, and one after it."""
    builder = StateGraph(Trail).add_node("slow", _sleep).add_node("after", _append("after"))
    return builder.set_entry_point("slow").add_edge("slow", "after")


def deadly() -> StateGraph:
    """Build a node that kills its process."""
    return StateGraph(Trail).add_node("die", _die).set_entry_point("die")


def failing() -> StateGraph:
    """Build a node that fails twice before it succeeds, and one that always fails, behind a switch."""
    builder = StateGraph(Trail)
    builder.add_node("flaky", _flaky, retry=RetryPolicy(initial_interval=0.1, jitter=False, retry_on=ValueError))
    builder.add_node("broken", _broken)
    builder.set_conditional_entry_point(lambda state: "broken" if "broken" in state["trail"] else "flaky")
    return builder


def pooled() -> StateGraph:
    """Build a node for each of two queues."""
    builder = StateGraph(Trail)
    builder.add_node("here", _worker).add_node("there", _worker, queue="other")
    return builder.set_entry_point("here").add_edge("here", "there")


def asynchronous() -> StateGraph:
    """Build an async node that streams while it runs."""
    builder = StateGraph(Trail).add_node("write", _write)
    return builder.set_entry_point("write")


def asking() -> StateGraph:
    """Build a node that asks two questions beside one that asks none."""
    builder = StateGraph(Trail).add_node("ask", _ask).add_node("work", _append("work"))
    return builder.add_edge(START, "ask").add_edge(START, "work")


def mapping() -> StateGraph:
    """Build a map over as many items as the trail's first number says, and a reduction."""
    builder = StateGraph(Trail).add_node("item", _item).add_node("sum", _sum)
    builder.add_conditional_edges(START, _fan_out)
    return builder.add_edge("item", "sum")


def nested() -> StateGraph:
    """Build graphs inside of each other, five levels deep, with a question at the bottom."""
    graph = StateGraph(Way).add_sequence([("ask", _ask_the_way)]).add_edge(START, "ask")
    for level in reversed(range(4)):
        outer = StateGraph(Way).add_node("down", _pass(f"down {level}")).add_node("inside", graph.compile())
        outer.add_node("up", _pass(f"up {level}")).add_edge(START, "down")
        graph = outer.add_edge("down", "inside").add_edge("inside", "up")
    return graph


def pooled_inside() -> StateGraph:
    """Build a graph inside of another one, with a node for each of two queues."""
    inside = StateGraph(Way).add_node("here", _worker_on_the_way).add_node("there", _worker_on_the_way, queue="other")
    inside.add_edge(START, "here").add_edge("here", "there")
    return StateGraph(Way).add_node("inside", inside.compile()).add_edge(START, "inside")


def handled() -> StateGraph:
    """Build nodes that fail, run too long, or kill their process, each with a handler, and pick one by the trail."""
    builder = StateGraph(Trail).set_node_defaults(error_handler=_handle)
    builder.add_node("broken", _broken).add_node("nap", _nap, timeout=0.5).add_node("die", _die)
    builder.add_node("silent", _nap, timeout=TimeoutPolicy(idle_timeout=0.5))
    return builder.set_conditional_entry_point(lambda state: state["trail"][0])


def draining() -> StateGraph:
    """Build a node that drains its run, and one after it."""
    builder = StateGraph(Trail).add_node("drain", _drain).add_node("after", _append("after"))
    return builder.set_entry_point("drain").add_edge("drain", "after")


BUILDERS: dict[str, Callable[[], StateGraph]] = {
    "chat": chat,
    "chain": chain,
    "parallel": parallel,
    "blocking": blocking,
    "holding": holding,
    "napping": napping,
    "slow": slow,
    "deadly": deadly,
    "failing": failing,
    "pooled": pooled,
    "asynchronous": asynchronous,
    "asking": asking,
    "mapping": mapping,
    "nested": nested,
    "pooled_inside": pooled_inside,
    "handled": handled,
    "draining": draining,
}


def compiled(name: str, saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return one of these graphs on a saver."""
    return BUILDERS[name]().compile(saver, name=name)


def _answer(state: Chat) -> Chat:
    return {"messages": [*state["messages"], f"Bot: I received -> {state['messages'][-1]}"]}


def _append(item: Any) -> Callable[[Trail], dict[str, Any]]:
    return lambda state: {"trail": [item]}


def _meet(name: str) -> Callable[..., dict[str, Any]]:
    """Return a node that waits, through the long-term memory, until its sibling runs as well."""
    other = {"left": "right", "right": "left"}[name]

    def meet(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
        assert runtime.store is not None
        assert runtime.execution_info is not None
        meeting = ("meetings", runtime.execution_info.run_id)
        runtime.store.put(meeting, name, {"pid": os.getpid()})
        deadline = time.monotonic() + 10
        while runtime.store.get(meeting, other) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{other} did not run at the same time")
            time.sleep(0.01)
        return {"trail": [name]}

    return meet


def _block(state: Trail) -> None:
    ctypes.PyDLL(None).sleep(60)  # PyDLL holds the GIL: no signal handler of Python's runs until it returns


def _hold(state: Trail) -> dict[str, Any]:
    began, sample = time.perf_counter(), 1_000_000
    sum(range(sample))  # one call in C: it neither lets another thread run nor looks at signals
    rate = sample / (time.perf_counter() - began)
    sum(range(int(rate * state["trail"][-1])))
    return {"trail": ["held"]}


def _nap(state: Trail) -> None:
    time.sleep(30)


def _sleep(state: Trail) -> dict[str, Any]:
    time.sleep([item for item in state["trail"] if isinstance(item, int | float)][-1])
    return {"trail": ["slept"]}


def _die(state: Trail) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _flaky(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
    if runtime.attempt < 3:
        raise ValueError(f"attempt {runtime.attempt}")
    return {"trail": [f"attempt {runtime.attempt}"]}


def _broken(state: Trail) -> None:
    raise ZeroDivisionError("this node is broken")


def _handle(state: Trail, error: NodeError) -> dict[str, Any]:
    return {"trail": [error.node, type(error.error).__name__]}


def _drain(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
    assert runtime.control is not None
    runtime.control.request_drain("deploy")
    return {"trail": ["drained"]}


def _worker(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
    return {"trail": [os.getppid()]}


def _pass(item: str) -> Callable[[Way], Way]:
    def step(state: Way) -> Way:
        time.sleep(0.2)
        return {"way": [*state["way"], item]}

    return step


def _ask_the_way(state: Way) -> Way:
    return {"way": [*state["way"], interrupt("on?")]}


def _worker_on_the_way(state: Way) -> Way:
    return {"way": [*state["way"], os.getppid()]}


def _ask(state: Trail) -> dict[str, Any]:
    return {"trail": [interrupt("name?"), interrupt("age?")]}


def _fan_out(state: Trail) -> list[Send]:
    return [Send("item", number) for number in range(state["trail"][0])]


def _item(number: int) -> dict[str, Any]:
    time.sleep(0.01)
    return {"trail": [number]}


def _sum(state: Trail) -> dict[str, Any]:
    return {"trail": [sum(state["trail"][1:])]}


async def _write(state: Trail, runtime: Runtime[None]) -> dict[str, Any]:
    for word in ("one", "two"):
        runtime.stream_writer(word)
    return {"trail": ["written"]}


@task
def note(file: str) -> int:
    """Add a line to a file, and return the process that did."""
    with Path(file).open("a") as lines:
        lines.write("noted\n")
    return os.getpid()


@task
async def appear(file: str) -> None:
    """Wait until a file is there."""
    while not Path(file).exists():
        await asyncio.sleep(0.02)


def workflow(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return a function that notes that it was here, waits for a file, and asks."""

    @entrypoint(checkpointer=saver)
    def workflow(folder: str) -> list[Any]:
        noted = note(f"{folder}/notes")
        appear(f"{folder}/go").result()
        return [noted.result(), os.getpid(), interrupt("done?")]

    return workflow


all_graphs = [*(compiled(name, RedisSaver()) for name in BUILDERS), workflow(RedisSaver())]
few_graphs = [compiled("slow", RedisSaver())]
