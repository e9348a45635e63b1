"""The stage for inputs that come while a thread is busy: what it may be busy with, and who goes on with that."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from graphs.graph import Graph
from graphs.sleeping import Asleep
from scheduler.claim import Claim
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.delayed import DelayedRuns
from scheduler.dispatch import StepOrder
from scheduler.errors import LeaseLost
from scheduler.inputs import Inputs
from scheduler.steps import Steps
from scheduler.storing import Started
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import THREAD, Death, begin, claim, fan, line, now_ms, overtime, refs, state, wrote
from .troupe import PARENT, Troupe, called, everything_falls_due

LINE, FAN = line("a", "b"), fan("x", "y")
GRAPHS = {"line": LINE, "fan": FAN, "parent": PARENT}
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class World:
    """A client, a worker that holds steps, and a scheduler and other workers that go on with whatever falls due."""

    client: Client
    steps: Steps
    heir: Troupe
    watchdog: Watchdog
    dispatcher: RecordingDispatcher

    @property
    def connection(self) -> Connection:
        """The store."""
        return self.client.connection

    @property
    def line(self) -> list[str]:
        """The runs that wait for their turn."""
        return list(Inputs(self.connection, THREAD).run_ids())

    def say(self, graph: Graph, word: str, on_busy: str = "reject", **config: Any) -> Started:
        """Let an input come."""
        return begin(self.client, graph, {"said": [word]}, on_busy=on_busy, **config)

    def said(self, graph: Graph) -> list[str]:
        """What the thread's state holds."""
        return list(state(self.client, graph).get("said", []))

    def settle(self) -> None:
        """Let time pass until nothing is left to be done."""
        while True:
            self._wake()
            everything_falls_due(self.connection)
            self.dispatcher.sent.clear()
            self.dispatcher.announced.clear()
            self.watchdog.sweep()
            orders, announced = self.dispatcher.sent[:], self.dispatcher.announced[:]
            if not orders and not announced:
                return
            self.play(orders)
            for thread_id, run_id, _ in announced:
                started = DelayedRuns(self.heir.client).begin_here(thread_id, run_id, GRAPHS)
                self.play(started.orders if isinstance(started, Started) else ())

    def take_up(self) -> None:
        """Let a person say that a thread is to go on that waits for one."""
        if self.connection.redis.hget(self.connection.place(THREAD).keys.thread, "waits"):
            self.play(begin(self.client, LINE).orders)

    def play(self, orders: Iterable[StepOrder]) -> None:
        """Run steps, and what they make due."""
        waiting = list(orders)
        while waiting:
            order = waiting.pop(0)
            graph = GRAPHS[self.client.runs.get(THREAD, order.ref.run_id).graph]
            troupe = Troupe(self.heir.connection, self.heir.client, self.heir.steps, graph)
            with suppress(LeaseLost):
                waiting.extend(troupe.run(order).orders)

    def _wake(self) -> None:
        keys = self.connection.place(THREAD).keys
        for step_id, data in self.connection.redis.hgetall(keys.steps).items():
            step = json.loads(data)
            if step["state"] == "waiting":
                self.connection.client.hset(keys.steps, step_id.decode(), json.dumps(step | {"due": 1}))


@dataclass(frozen=True)
class Busy:
    """What a thread is busy with: the active run, and how those go on who hold its steps."""

    graph: Graph
    run_id: str
    go_on: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Situation:
    """How a thread comes to be busy, and what is to be seen of the active run afterwards."""

    make: Callable[[World], Busy]
    #: What a run of the graph says that nobody disturbs, and what stays of it where another input interrupts it.
    usual: tuple[str, ...]
    kept: tuple[str, ...]
    #: How it ends where another input interrupts it.
    ends: str = "interrupted"
    #: Whether it has stopped by itself, and who waits for a person.
    free: bool = False
    asks: bool = False


def _begun(world: World, graph: Graph, **config: Any) -> tuple[Started, dict[str, Any]]:
    started = world.say(graph, "0", **config)
    return started, refs(started.orders)


def _committing(world: World, claimed: Claim, graph: Graph) -> Callable[[], object]:
    """Return how a worker goes on that has a step: it may have lost it."""

    def commit() -> None:
        with suppress(LeaseLost):
            world.play(world.steps.commit(claimed, graph, wrote(claimed, said=[claimed.step.node])).orders)

    return commit


def queued(world: World) -> Busy:
    started, _ = _begun(world, LINE)
    return Busy(LINE, started.run.id)


def leased(world: World) -> Busy:
    started, at = _begun(world, LINE)
    return Busy(LINE, started.run.id, _committing(world, claim(world.steps, at["a"]), LINE))


def last_step(world: World) -> Busy:
    started, at = _begun(world, LINE)
    claimed = claim(world.steps, at["a"])
    (order,) = world.steps.commit(claimed, LINE, wrote(claimed, said=["a"])).orders
    return Busy(LINE, started.run.id, _committing(world, claim(world.steps, order.ref), LINE))


def sibling_done(world: World) -> Busy:
    started, at = _begun(world, FAN)
    _committing(world, claim(world.steps, at["x"]), FAN)()
    return Busy(FAN, started.run.id, _committing(world, claim(world.steps, at["y"]), FAN))


def closer_died(world: World) -> Busy:
    """All steps are done, and the worker is dead that should have closed the superstep."""
    busy = sibling_done(world)
    with pytest.MonkeyPatch.context() as dying, suppress(Death):
        dying.setattr(world.connection.scripts, "commit_superstep", _dies)
        busy.go_on()
    return Busy(FAN, busy.run_id)


def _dies(*_: Any) -> None:
    raise Death


def held_back(world: World) -> Busy:
    started, at = _begun(world, FAN, max_concurrency=1)
    return Busy(FAN, started.run.id, _committing(world, claim(world.steps, at["x"]), FAN))


def asleep(world: World) -> Busy:
    started, at = _begun(world, LINE)
    world.steps.sleep(claim(world.steps, at["a"]), _for_an_hour(world))
    return Busy(LINE, started.run.id)


def pausing(world: World) -> Busy:
    started, at = _begun(world, LINE)
    world.steps.retry(claim(world.steps, at["a"]), overtime("a"), HOUR_MS)
    return Busy(LINE, started.run.id)


def asleep_beside_done(world: World) -> Busy:
    started, at = _begun(world, FAN)
    world.steps.sleep(claim(world.steps, at["x"]), _for_an_hour(world))
    _committing(world, claim(world.steps, at["y"]), FAN)()
    return Busy(FAN, started.run.id)


def asleep_beside_leased(world: World) -> Busy:
    started, at = _begun(world, FAN)
    world.steps.sleep(claim(world.steps, at["x"]), _for_an_hour(world))
    return Busy(FAN, started.run.id, _committing(world, claim(world.steps, at["y"]), FAN))


def asleep_and_held_back(world: World) -> Busy:
    started, at = _begun(world, FAN, max_concurrency=1)
    world.steps.sleep(claim(world.steps, at["x"]), _for_an_hour(world))
    return Busy(FAN, started.run.id)


def nested(world: World) -> Busy:
    started, (order,) = _nest(world)
    return Busy(PARENT, started, _committing(world, claim(world.steps, order.ref), PARENT.children["c"].graph))


def asleep_nested(world: World) -> Busy:
    started, (order,) = _nest(world)
    world.steps.sleep(claim(world.steps, order.ref), _for_an_hour(world))
    return Busy(PARENT, started)


def drained(world: World) -> Busy:
    """Somebody stops it, and takes it up again unless an input has its turn."""
    busy = leased(world)
    world.client.runs.drain(THREAD, busy.run_id, "deploy")

    def go_on() -> None:
        busy.go_on()
        world.take_up()

    return Busy(LINE, busy.run_id, go_on)


def lost(world: World) -> Busy:
    """The worker is dead that has the step."""
    started, at = _begun(world, LINE)
    claim(world.steps, at["a"])
    return Busy(LINE, started.run.id)


def ended(world: World) -> Busy:
    started, _ = _begun(world, LINE)
    world.play(started.orders)
    return Busy(LINE, started.run.id)


def asked(world: World) -> Busy:
    started, _ = _begun(world, LINE, interrupt_before=["b"])
    world.play(started.orders)
    return Busy(LINE, started.run.id, world.take_up)


def spent(world: World) -> Busy:
    started, at = _begun(world, LINE, budget={"tokens": 1})
    claimed = claim(world.steps, at["a"])
    claimed.spent.add(tokens=1)
    world.steps.commit(claimed, LINE, wrote(claimed, said=["a"]))
    return Busy(LINE, started.run.id, world.take_up)


def _nest(world: World) -> tuple[str, list[StepOrder]]:
    troupe = Troupe(world.connection, world.client, world.steps)
    caller, orders = called(troupe)
    return caller.ref.run_id, orders


def _for_an_hour(world: World) -> Asleep:
    until_ms = now_ms(world.connection) + HOUR_MS
    return Asleep(until_ms, {"1a": until_ms})


_LINE, _FAN, _NEST = ("0", "a", "b"), ("0", "x", "y", "join"), ("in", "x", "y", "z")
SITUATIONS = {
    "its step has no worker yet": Situation(queued, _LINE, ("0", "a")),
    "its step runs": Situation(leased, _LINE, ("0", "a")),
    "its worker is dead": Situation(lost, _LINE, ("0", "a")),
    "its last step runs": Situation(last_step, _LINE, _LINE, "success"),
    "one of its steps is done": Situation(sibling_done, _FAN, ("0", "x", "y")),
    "all of its steps are done, and nobody closes": Situation(closer_died, _FAN, ("0", "x", "y")),
    "one of its steps is held back": Situation(held_back, _FAN, ("0", "x", "y")),
    "it sleeps": Situation(asleep, _LINE, ("0",)),
    "it pauses before another attempt": Situation(pausing, _LINE, ("0",)),
    "it sleeps beside a step that is done": Situation(asleep_beside_done, _FAN, ("0",)),
    "it sleeps beside a step that is held back": Situation(asleep_and_held_back, _FAN, ("0",)),
    "it sleeps beside a step that runs": Situation(asleep_beside_leased, _FAN, ("0", "x", "y")),
    "it is in a graph inside": Situation(nested, _NEST, ()),
    "it sleeps in a graph inside": Situation(asleep_nested, _NEST, ()),
    "somebody drains it": Situation(drained, _LINE, ("0", "a"), asks=True),
    "it has ended": Situation(ended, _LINE, _LINE, "success", free=True),
    "it asks a person": Situation(asked, _LINE, ("0", "a"), free=True, asks=True),
    "its budget is spent": Situation(spent, _LINE, ("0", "a"), free=True, asks=True),
}
