"""The graphs of the machine, and beside each what it comes to, said by hand and not by the planner."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphs.builder import GraphBuilder
from graphs.commands import END, START, Send
from graphs.graph import Graph
from tests.scheduler.stage import State, fan, line, silent
from tests.scheduler.troupe import CHILD, above

#: The steps of a superstep, by what tells them apart: a node's name, and its place among the Sends to it.
Due = Sequence[str]
Goto = tuple[str | Send, ...]


@dataclass(frozen=True)
class Play:
    """A graph, where its nodes go, and what its supersteps are."""

    graph: Graph
    #: Due steps, and how much was said when they have ended -> the steps that are due then.
    following: Callable[[Due, int], Due]
    #: By the name of a node, and how much has been said when it has ended: where it goes.
    goto: Callable[[str, int], Goto] = lambda node, said: ()
    first: Due = ("a",)
    #: What a step says that does not say its own name.
    says: Mapping[str, Sequence[str]] = field(default_factory=dict)
    at_once: int | None = None


def _chain(*supersteps: Due) -> Callable[[Due, int], Due]:
    """Return what follows in a graph whose supersteps are always the same."""
    after = dict(zip(map(tuple, supersteps), [*supersteps[1:], ()], strict=True))
    return lambda due, said: after[tuple(due)]


def _loop() -> Play:
    """Return a graph that goes round until five words were said."""
    builder = GraphBuilder(State).add_node("a", silent).add_node("b", silent).add_edge(START, "a").add_edge("b", "a")
    builder.add_conditional_edges("a", lambda state: END)

    def following(due: Due, said: int) -> Due:
        return ("a",) if due == ("b",) else goto("a", said)

    def goto(node: str, said: int) -> tuple[str, ...]:
        return ("b",) if node == "a" and said < 5 else ()

    return Play(builder.build("loop", None, None), following, goto)


def _map_reduce(at_once: int | None = None) -> Play:
    """Return a graph that sends three parts to one node, and then reduces them."""
    builder = GraphBuilder(State)
    for name in ("a", "w", "r"):
        builder.add_node(name, silent)
    builder.add_edge(START, "a").add_conditional_edges("a", lambda state: END).add_edge("w", "r")

    def goto(node: str, said: int) -> Goto:
        return tuple(Send("w", {"answer": part}) for part in range(3)) if node == "a" else ()

    return Play(builder.build("sends", None, None), _chain(("a",), ("w0", "w1", "w2"), ("r",)), goto, at_once=at_once)


def _joins(node: str, said: int) -> Goto:
    return ("join",) if node == "a'" else ()


_LIMITED = line("a", "b", a={"timeout": 5})
_HANDLED = fan("a", "b", name="handled", a={"error_handler": silent})
_NESTED = replace(above(CHILD, "a", "c", "z"), name="nested")
_WIDE = replace(above(fan("x", "y", name="inner"), "c", "z", c={"timeout": 5}), name="wide")

PLAYS: Mapping[str, Play] = {
    "a chain": Play(line("a", "b", "c"), _chain(("a",), ("b",), ("c",))),
    "a chain with a time limit": Play(_LIMITED, _chain(("a",), ("b",))),
    "a fan-out and a join": Play(fan("a", "b", "c"), _chain(("a", "b", "c"), ("join",)), first=("a", "b", "c")),
    "a loop": _loop(),
    "a question": Play(line("a", "ask", "b", name="asks"), _chain(("a",), ("ask",), ("b",))),
    "a question beside a step": Play(fan("ask", "b", name="both"), _chain(("ask", "b"), ("join",)), first=("ask", "b")),
    "a graph inside": Play(_NESTED, _chain(("a",), ("c",), ("z",)), says={"c": ("in", "x", "y")}),
    "a fan-out inside": Play(_WIDE, _chain(("c",), ("z",)), first=("c",), says={"c": ("in", "x", "y", "join")}),
    "Sends": _map_reduce(),
    "Sends, two at once": _map_reduce(at_once=2),
    "an error handler": Play(_HANDLED, _chain(("a", "b"), ("join",)), first=("a", "b"), goto=_joins),
}
