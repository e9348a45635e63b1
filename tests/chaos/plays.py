"""The graphs that come with the chaos: each has a state from which follows, word for word, what must have happened."""

import operator
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict
from zlib import crc32

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.redis import RedisSaver
from treadle.func import entrypoint, task
from treadle.graph import END, START, CompiledStateGraph, StateGraph
from treadle.runtime import Runtime
from treadle.types import RetryPolicy, Send, interrupt

from . import witness

#: How long most nodes take; and one of so many, which takes longer than a lease.
_QUICK_S, _SLOW_S, _SLOW_ONE_OF = 0.03, 2.5, 12
_LINKS, _ITEMS = 6, 8
_SILENCE_S = 1.0


class State(TypedDict):
    """What was done, in order, and the turn that is played."""

    trail: Annotated[list[str], operator.add]
    turn: int


class Way(TypedDict):
    """The same without a reducer, so that it goes through graphs inside of graphs as it is."""

    trail: list[str]
    turn: int


class Part(TypedDict):
    """What one of many is given."""

    item: int
    turn: int


@dataclass(frozen=True, slots=True)
class Play:
    """A graph, what a client says to it, and what its state must be in the end."""

    name: str
    build: Callable[[BaseCheckpointSaver], CompiledStateGraph]
    #: What one turn adds to the trail, after the line of its input.
    lines: Callable[[int], Sequence[str]]
    #: Whether the input repeats the whole trail.
    repeats: bool = False
    #: Whether a client answers what is asked; else nobody does, and the default answer counts.
    answers: bool = False

    def input(self, turn: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the input of a turn on a thread with this state."""
        before = list(values.get("trail", [])) if self.repeats else []
        return {"trail": [*before, f"{turn} in"], "turn": turn}

    def reply(self, turn: int) -> str | None:
        """Return what a client answers; None: nobody does."""
        return answer(turn) if self.answers else None

    def trail(self, turns: int) -> list[str]:
        """Return what the trail must be after so many turns."""
        return [
            line for turn in range(turns) for line in (f"{turn} in", *(f"{turn} {one}" for one in self.lines(turn)))
        ]


def answer(turn: int) -> str:
    """Return what a client answers."""
    return f"yes to {turn}"


def chain(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return steps one after the other."""
    builder = StateGraph(State).add_sequence([(f"link_{number}", _mark(f"link {number}")) for number in range(_LINKS)])
    return builder.add_edge(START, "link_0").compile(saver, name="chaos_chain")


def fan(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return three branches and their join."""
    builder = StateGraph(State).add_node("join", _mark("join"))
    for name in ("left", "middle", "right"):
        builder.add_node(name, _mark(name)).add_edge(START, name)
    return builder.add_edge(["left", "middle", "right"], "join").add_edge("join", END).compile(saver, name="chaos_fan")


def many(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return a step for each of many items, of which three may run at a time, and what follows them."""
    builder = StateGraph(State).add_node("item", _item).add_node("sum", _mark("sum"))
    builder.add_conditional_edges(
        START, lambda state: [Send("item", {"item": n, "turn": state["turn"]}) for n in range(_ITEMS)]
    )
    graph = builder.add_edge("item", "sum").compile(saver, name="chaos_many")
    return graph.with_config({"max_concurrency": 3})


def asking(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return a question beside a step that must not run again when it is answered."""
    builder = (
        StateGraph(State).add_node("ask", _ask).add_node("beside", _mark("beside")).add_node("after", _mark("after"))
    )
    builder.add_edge(START, "ask").add_edge(START, "beside").add_edge(["ask", "beside"], "after")
    return builder.compile(saver, name="chaos_asking")


def nested(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return a graph in a graph, which asks in the middle."""
    inside = (
        StateGraph(Way).add_node("one", _walk("one")).add_node("two", _ask_the_way).add_node("three", _walk("three"))
    )
    inside.add_edge(START, "one").add_edge("one", "two").add_edge("two", "three")
    builder = StateGraph(Way).add_node("before", _walk("before")).add_node("inside", inside.compile())
    builder.add_node("behind", _walk("behind")).add_edge(START, "before").add_edge("before", "inside")
    return builder.add_edge("inside", "behind").compile(saver, name="chaos_nested")


def timers(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return a node that is tried again after a pause, a question that answers itself, and a node with a time limit."""
    builder = StateGraph(State)
    builder.add_node("flaky", _flaky, retry=RetryPolicy(initial_interval=0.4, jitter=False, max_attempts=100))
    builder.add_node("silent", _wait_in_vain).add_node("limited", _mark("limited"), timeout=60)
    builder.add_edge(START, "flaky").add_edge("flaky", "silent").add_edge("silent", "limited")
    return builder.compile(saver, name="chaos_timers")


def function(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """Return a function and its tasks, which asks between them."""

    @entrypoint(checkpointer=saver)
    def chaos_function(given: dict[str, Any], runtime: Runtime[None]) -> dict[str, Any]:
        witness.tell(runtime, "function")
        turn = given["turn"]
        noted = [note(turn, name) for name in ("first", "second")]
        done = [each.result() for each in noted]
        said = interrupt(f"function {turn}?")
        return {"trail": [*given["trail"], *done, f"{turn} said {said}", note(turn, "last").result()], "turn": turn}

    return chaos_function


@task
def note(turn: int, name: str) -> str:
    """Return a line."""
    time.sleep(_QUICK_S)
    return f"{turn} {name}"


PLAYS: tuple[Play, ...] = (
    Play("chain", chain, lambda turn: [f"link {number}" for number in range(_LINKS)]),
    Play("fan", fan, lambda turn: ["left", "middle", "right", "join"]),
    Play("many", many, lambda turn: [*(f"item {number}" for number in range(_ITEMS)), "sum"]),
    Play("asking", asking, lambda turn: [f"asked {answer(turn)}", "beside", "after"], answers=True),
    Play(
        "nested",
        nested,
        lambda turn: ["before", "one", f"asked {answer(turn)}", "three", "behind"],
        repeats=True,
        answers=True,
    ),
    Play("timers", timers, lambda turn: ["flaky", "asked silence", "limited"]),
    Play(
        "function",
        function,
        lambda turn: ["first", "second", f"said {answer(turn)}", "last"],
        repeats=True,
        answers=True,
    ),
)


def _mark(name: str) -> Callable[..., dict[str, Any]]:
    def mark(state: State, runtime: Runtime[None]) -> dict[str, Any]:
        _work(runtime, name)
        return {"trail": [f"{state['turn']} {name}"]}

    return mark


def _walk(name: str) -> Callable[..., dict[str, Any]]:
    def walk(state: Way, runtime: Runtime[None]) -> dict[str, Any]:
        _work(runtime, name)
        return {"trail": [*state["trail"], f"{state['turn']} {name}"]}

    return walk


def _item(state: Part, runtime: Runtime[None]) -> dict[str, Any]:
    _work(runtime, f"item {state['item']}")
    return {"trail": [f"{state['turn']} item {state['item']}"]}


def _ask(state: State, runtime: Runtime[None]) -> dict[str, Any]:
    _work(runtime, "ask")
    return {"trail": [f"{state['turn']} asked {interrupt('asking?')}"]}


def _ask_the_way(state: Way, runtime: Runtime[None]) -> dict[str, Any]:
    _work(runtime, "two")
    return {"trail": [*state["trail"], f"{state['turn']} asked {interrupt('nested?')}"]}


def _flaky(state: State, runtime: Runtime[None]) -> dict[str, Any]:
    _work(runtime, "flaky")
    if runtime.attempt == 1:
        raise ConnectionError("the first attempt fails, by design")
    return {"trail": [f"{state['turn']} flaky"]}


def _wait_in_vain(state: State, runtime: Runtime[None]) -> dict[str, Any]:
    _work(runtime, "silent")
    said = interrupt("is anybody there?", deadline=_SILENCE_S, default="silence")
    return {"trail": [f"{state['turn']} asked {said}"]}


def _work(runtime: Runtime[None], name: str) -> None:
    """Tell the witness, and take a while: as long in every attempt at a step."""
    witness.tell(runtime, name)
    is_slow = crc32(runtime.idempotency_key.encode()) % _SLOW_ONE_OF == 0
    time.sleep(_SLOW_S if is_slow else _QUICK_S)


#: What workers are told to load.
graphs = [play.build(RedisSaver()) for play in PLAYS]
