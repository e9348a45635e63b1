"""The graphs that a node calls in its body: run where the node runs, in frames of their own, under the node's lease."""

from dataclasses import dataclass, field
from typing import Any

from graphs.frames import frame_ns
from graphs.graph import Graph
from graphs.interrupts import GraphInterrupt
from graphs.signals import ParentCommand
from scheduler.calls import Call, Calls
from scheduler.claim import Claim
from scheduler.errors import LeaseLost
from scheduler.failure import revived
from scheduler.frame import Outcome

from .attempt import Local, command_of
from .executor import Root
from .inline import InlineRunner


class Nesting:
    """Makes what runs the graphs that a node calls; ``runner`` is tied to it last, since its nodes may call as well."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.runner: InlineRunner | None = None

    def of(self, claim: Claim, local: Local) -> "BodyCalls":
        """Return what runs them for one attempt at a step."""
        if self.runner is None:
            raise RuntimeError("Nesting is given its runner where it is made.")
        return BodyCalls(self.calls, self.runner, claim, local)


@dataclass(slots=True)
class BodyCalls:
    """Runs the graphs that one attempt at a step calls, one frame for each call."""

    calls: Calls
    runner: InlineRunner
    claim: Claim
    local: Local
    _called: int = field(default=0, repr=False)

    def call(self, graph: Graph, keeps: bool | None, value: Any) -> Any:
        """Run a graph and return its output; one that this step has run before, in an attempt cut short, goes on.

        Raises:
            GraphInterrupt: the graph asks; the step asks with it.
            ParentCommand: a node's Command is for the graph that calls.
            LeaseLost: the step's lease is gone, and with it the frame.
            Exception: what a node of the graph raised.
        """
        ns = frame_ns(self.claim.ns, self.claim.step, keeps=keeps, nth=self._called)
        self._called += 1
        back = self._back(graph, ns, keeps, value)
        if back.failure is not None:
            error = self.local.errors.get(back.failure["id"])
            raise error or revived(back.failure, self.claim.ref.thread_id, self.claim.ref.run_id)
        if back.kind == "interrupted":
            raise GraphInterrupt(back.questions)
        if back.command is not None:
            raise ParentCommand(command_of(back.command))
        return graph.output_of(self.calls.state(self.claim, ns, back.cursor))

    def _back(self, graph: Graph, ns: str, keeps: bool | None, value: Any) -> Outcome:
        update = None if value is None else graph.input.read(value)
        progress = self.calls.enter(Call(self.claim, graph, ns, keeps, update, parks=False))
        limit = self.claim.run.config.get("max_concurrency")
        self.runner.drain(Root(graph, ns), progress.orders, self.local, limit)
        back = self.calls.outcome(self.claim, ns)
        if back is None:
            raise LeaseLost(self.claim.ref.thread_id, self.claim.ref.step_id)
        return back
