"""What all doors are tried on: a graph on threads that stand still, and values that fit nowhere."""

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, TypedDict

from treadle.checkpoint.memory import MemorySaver
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import interrupt


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]
    x: Any


def say(state: State) -> State:
    return {"said": ["a"]}


def ask(state: State) -> State:
    return {"x": interrupt("Really?")}


class Odd:
    """An object that nothing can be made of, and that fails to say what it is."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def nested(depth: int) -> list[Any]:
    """Return lists inside of each other."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def itself() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


DEEP, LOOP, HUGE = nested(5000), itself(), 10**5000
SURROGATE = "a\ud800"
NOT_NUMBERS: tuple[Any, ...] = (True, "3", b"3", [], {}, Odd(), math.nan, math.inf, -math.inf)
NOT_WHOLE = (*NOT_NUMBERS, 1.5)
NOT_SECONDS = (*NOT_NUMBERS, 0, -1, -0.5, HUGE, 1e300)
NOT_TEXTS: tuple[Any, ...] = (True, 7, 1.5, b"x", [], {}, Odd(), SURROGATE, HUGE)
NOT_DICTS: tuple[Any, ...] = (True, 7, 1.5, "x", b"x", [1], (1,), Odd(), HUGE, DEEP)
NOT_LISTS: tuple[Any, ...] = (True, 7, 1.5, b"x", {"a": 1}, Odd(), HUGE)
NO_DURATIONS = (*(value for value in NOT_SECONDS if not isinstance(value, int) or value <= 0), timedelta(0))

RESTS: dict[str, Any] = {"thread_id": "rests"}
WAITS: dict[str, Any] = {"thread_id": "waits"}
NEW: dict[str, Any] = {"thread_id": "new"}
X = {"x": 1}


def stage(saver: MemorySaver) -> CompiledStateGraph:
    """Return a graph with a thread that rests, and one that waits for an answer."""
    builder = StateGraph(State).add_node("say", say).add_node("ask", ask)
    graph = builder.add_edge(START, "say").add_edge("say", "ask").compile(saver, name="stage")
    graph.invoke(X, {**RESTS, "interrupt_before": ["ask"]})
    graph.invoke(X, WAITS)
    return graph


Errors = type[Exception] | tuple[type[Exception], ...]


@dataclass(frozen=True, slots=True)
class Door:
    """A way in, and what must not pass it."""

    name: str
    #: Tries to pass with one of the values.
    call: Callable[[Any, Any], Any]
    values: Iterable[Any]
    errors: Errors
    #: What the error says.
    told: str


def refusals(door: Door, subject: Any) -> list[str]:
    """Try all values at a door; return what was not refused as it should be: which value, and what came instead."""
    wrong = []
    for index, value in enumerate(door.values):
        try:
            door.call(subject, value)
        except door.errors as error:
            if door.told not in str(error):
                wrong.append(f"{index}: {type(error).__name__} says {error!s:.200}")
        except BaseException as error:
            wrong.append(f"{index}: {type(error).__name__} came: {error!s:.200}")
        else:
            wrong.append(f"{index}: passed")
    return wrong
