"""A graph with another one inside, and workers that run both on the scheduler's stage."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphs.checkpoint import Result
from graphs.commands import Interrupt
from graphs.frames import frame_ns, graph_at
from graphs.graph import Child, Graph
from graphs.interrupts import GraphInterrupt
from scheduler.calls import Call, Calls
from scheduler.claim import Claim, Progress
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.dispatch import Inline, StepOrder
from scheduler.errors import LeaseLost
from scheduler.failure import describe, lost
from scheduler.frame import Outcome
from scheduler.steps import Steps

from .stage import THREAD, begin, line, overtime, wrote

#: What a node does with its step.
Act = Callable[[Steps, Claim, Graph], Progress]

CHILD = line("x", "y", name="child")


def above(child: Graph, *nodes: str, keeps: bool | None = None, **options: Any) -> Graph:
    """Return a graph whose node ``c`` is another graph; its nodes follow each other."""
    graph = line(*(nodes or ("c", "z")), name="parent", **options)
    return replace(graph, children={"c": Child(child, keeps)})


PARENT = above(CHILD)


def says(steps: Steps, claimed: Claim, graph: Graph) -> Progress:
    """Say the node's name."""
    return steps.commit(claimed, graph, wrote(claimed, said=[claimed.step.node]))


def asks(steps: Steps, claimed: Claim, graph: Graph) -> Progress:
    """Ask, and say the answer once it is there."""
    if "q" in claimed.dialogue.answers:
        return steps.commit(claimed, graph, wrote(claimed, said=[claimed.dialogue.answers["q"]]))
    return steps.ask(claimed, graph, GraphInterrupt([Interrupt("?", "q")]))


def fails(steps: Steps, claimed: Claim, graph: Graph) -> Progress:
    """Fail for good."""
    return steps.fail(claimed, graph, describe(ValueError("no"), claimed.step.node))


def goes_up(steps: Steps, claimed: Claim, graph: Graph) -> Progress:
    """Leave the frame with a Command for the graph above."""
    return steps.leave(claimed, Outcome("command", command={"update": {"said": ["up"]}, "goto": []}))


@dataclass
class Troupe:
    """A worker: it runs what it is sent, and opens the frames of the graphs inside."""

    connection: Connection
    client: Client
    steps: Steps
    graph: Graph = PARENT
    #: What nodes do that do not just say their names.
    acts: Mapping[str, Act] | None = None
    #: Whether the node calls the graph in its body.
    in_body: bool = False

    @property
    def calls(self) -> Calls:
        """Opens frames, with messages for their steps."""
        return Calls(self.connection, lambda call: call())

    @property
    def here(self) -> "Troupe":
        """The same worker, running the steps of a frame in the body of its caller."""
        connection = replace(self.connection, dispatcher=Inline())
        return replace(self, connection=connection, steps=Steps(connection, self.client.runs, "here"))

    def play(self, orders: Sequence[StepOrder]) -> None:
        """Run everything that is due, one step after the other."""
        waiting = list(orders)
        while waiting:
            waiting.extend(self.run(waiting.pop(0)).orders)

    def run(self, order: StepOrder) -> Progress:
        """Run one step, if it is there to be run."""
        claimed = self.steps.claim(order.ref, "delivery")
        return Progress() if claimed is None else self.act(claimed)

    def act(self, claimed: Claim) -> Progress:
        """Do what a step's node does."""
        graph = graph_at(self.graph, claimed.ns)
        if claimed.verdict == "close":
            return self.steps.close(claimed, graph)
        if claimed.verdict != "run":
            node = claimed.step.node
            doomed = overtime(node) if claimed.verdict == "timed_out" else lost(node, claimed.losses)
            return self.steps.fail(claimed, graph, doomed)
        if claimed.step.node in graph.children:
            return self._calls(claimed, graph)
        return (self.acts or {}).get(claimed.step.node, says)(self.steps, claimed, graph)

    def enter(self, claimed: Claim, **call: Any) -> Progress:
        """Open the frame of the graph that stands at a step's node."""
        child = graph_at(self.graph, claimed.ns).children[claimed.step.node]
        ns = frame_ns(claimed.ns, claimed.step, keeps=child.keeps)
        return self.calls.enter(Call(claimed, child.graph, ns, child.keeps, {"said": ["in"]}, **call))

    def take(self, claimed: Claim, graph: Graph) -> Progress:
        """Do with a frame's outcome what the step that called it does."""
        child = graph.children[claimed.step.node]
        ns = frame_ns(claimed.ns, claimed.step, keeps=child.keeps)
        back = self.calls.outcome(claimed, ns)
        if back is None:  # it was called again, by a worker that has the step now
            raise LeaseLost(claimed.ref.thread_id, claimed.ref.step_id)
        if back.failure is not None:
            return self.steps.fail(claimed, graph, back.failure)
        if back.kind == "interrupted":
            return self.steps.ask(claimed, graph, GraphInterrupt(back.questions))
        if back.command is not None:
            return self.steps.commit(claimed, graph, wrote(claimed, **back.command["update"]))
        left = self.calls.left(claimed, ns, back.cursor, keeps=child.keeps)
        return self.steps.commit(claimed, graph, Result(claimed.step, (dict(left.values),), (), left.children))

    def _calls(self, claimed: Claim, graph: Graph) -> Progress:
        if self.in_body:
            self.here.play(self.here.enter(claimed, parks=False).orders)
            return self.take(claimed, graph)
        progress = Progress() if claimed.returned else self.enter(claimed)
        return self.take(claimed, graph) if claimed.returned or progress.left else progress


def called(troupe: Troupe, **config: Any) -> tuple[Claim, list[StepOrder]]:
    """Begin a run whose first step calls its graph; return the step's claim, and the first steps of the frame."""
    (order,) = begin(troupe.client, troupe.graph, {"said": []}, **config).orders
    claimed = troupe.steps.claim(order.ref, "delivery")
    assert claimed is not None
    return claimed, list(troupe.enter(claimed).orders)


def everything_falls_due(connection: Connection) -> None:
    """Let all leases end, and the moment pass of every due entry that there is."""
    keys = connection.place(THREAD).keys
    for step_id, data in connection.redis.hgetall(keys.steps).items():
        step = json.loads(data)
        if step["state"] == "leased":
            connection.client.hset(keys.steps, step_id.decode(), json.dumps(step | {"until": 1}))
    members: Any = connection.client.zrange(keys.due, 0, -1)
    for member in members:
        connection.client.zadd(keys.due, {member: 1})
