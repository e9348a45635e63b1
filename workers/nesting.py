"""The graphs that a node calls in its body: run where the node runs, in frames of their own, under the node's lease."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from graphs.frames import Root, frame_ns
from graphs.graph import Graph
from graphs.interrupts import GraphInterrupt
from graphs.outputs import GraphOutput
from graphs.signals import ParentCommand
from scheduler.aside import begin_aside
from scheduler.calls import Call, Calls
from scheduler.claim import Claim
from scheduler.errors import LeaseLost
from scheduler.failure import revived
from scheduler.following import Follower
from scheduler.frame_view import Look
from scheduler.parts import Part
from scheduler.snapshots import Snapshots
from scheduler.views import View

from .attempt import command_of
from .inline import Errors, InlineRunner


class Nesting:
    """Makes what runs the graphs that a node calls; ``runner`` is tied to it last, since its nodes may call as well."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.runner: InlineRunner | None = None

    def of(self, claim: Claim, graph: Graph) -> "BodyCalls":
        """Return what runs them for one attempt at a step."""
        if self.runner is None:
            raise RuntimeError("Nesting is given its runner where it is made.")
        return BodyCalls(self.calls, self.runner, claim)


@dataclass(slots=True)
class BodyCalls:
    """Begins the graphs that one attempt at a step calls, one frame for each call."""

    calls: Calls
    runner: InlineRunner
    claim: Claim
    #: Where the graphs that keep their state were left: frame -> checkpoint.
    children: dict[str, str] = field(default_factory=dict)
    _called: int = field(default=0, repr=False)

    def next_call(self, graph: Graph, keeps: bool | None) -> Callable[[Any], "BodyExecution"]:
        """Return what begins a graph, in a frame named here: in the node's own order, not in that of threads."""
        ns = frame_ns(self.claim.ns, self.claim.step, keeps=keeps, nth=self._called)
        self._called += 1
        return partial(self._begin, graph, keeps, ns)

    def _begin(self, graph: Graph, keeps: bool | None, ns: str, value: Any) -> "BodyExecution":
        """Return the execution of a graph; one that this step has called before, in an attempt cut short, goes on."""
        update = None if value is None else graph.input.read(value)
        call = Call(self.claim, graph, ns, keeps, update, parks=False)
        return BodyExecution(self.calls, self.runner, call, self.children)


class BodyExecution:
    """A graph that a node has called: seen through to its output, or followed."""

    def __init__(self, calls: Calls, runner: InlineRunner, call: Call, children: dict[str, str]) -> None:
        self._calls = calls
        self._runner = runner
        self._call = call
        self._children = children
        self._background: Future[Errors] | None = None
        self._after = 0

    def begin(self) -> None:
        """Run the graph on a thread of its own, so that it can be followed from this one."""
        self._after = self._calls.connection.log_end(self._call.claim.ref.thread_id)
        self._background = begin_aside(self._run_here)

    def output(self, keys: str | Sequence[str] | None = None) -> GraphOutput[Any]:
        """Return the graph's output.

        Raises:
            GraphInterrupt: the graph asks; the step asks with it.
            ParentCommand: a node's Command is for the graph that calls.
            LeaseLost: the step's lease is gone, and with it the frame.
            Exception: what a node of the graph raised.
        """
        call, ref = self._call, self._call.claim.ref
        errors = self._background.result() if self._background is not None else self._run_here()
        back = self._calls.outcome(call.claim, call.ns)
        if back is None:
            raise LeaseLost(ref.thread_id, ref.step_id)
        if back.failure is not None:
            raise errors.get(back.failure["id"]) or revived(back.failure, ref.thread_id, ref.run_id)
        if back.kind == "interrupted":
            raise GraphInterrupt(back.questions)
        left = self._calls.left(call.claim, call.ns, back.cursor, keeps=call.keeps)
        self._children |= left.children
        if back.command is not None:
            raise ParentCommand(command_of(back.command))
        return GraphOutput(call.graph.output_of(left.values, keys))

    def parts(self, modes: Sequence[str], *, subgraphs: bool = False, **shown: Any) -> Iterator[Part]:
        """Yield what happens in the graph, live; ``shown`` is as for Look."""
        connection, call = self._calls.connection, self._call
        ref = call.claim.ref
        snapshots = Snapshots(connection)
        look = Look(connection, snapshots, ref.thread_id, ref.run_id, modes, call.ns, **shown)
        view = View(look, Root(call.graph, call.ns), subgraphs)
        for happening in Follower(connection).follow_frame(ref.thread_id, ref.run_id, call.ns, self._after):
            yield from view.parts(happening)

    def abandon(self) -> None:
        """Do nothing: the graph ends with the step that called it."""

    def _run_here(self) -> Errors:
        call = self._call
        progress = self._calls.enter(call)
        limit = call.claim.run.config.get("max_concurrency")
        return self._runner.drain(Root(call.graph, call.ns), progress.orders, limit)
