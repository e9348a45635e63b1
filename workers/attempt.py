"""One attempt at a step: what its node is given, and what comes of calling it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from graphs.cache import BaseCache
from graphs.channels import MISSING
from graphs.checkpoint import Result
from graphs.commands import PREVIOUS, Command
from graphs.context import CallsGraphs, CallsTasks, StepContext, entered
from graphs.copies import own
from graphs.errors import NodeError
from graphs.frames import step_ns
from graphs.graph import Graph
from graphs.interrupts import Questions
from graphs.lean_values import lean
from graphs.node import Node
from graphs.routing import fresh, route, warn_of_unknown
from graphs.runtime import ExecutionInfo, RunControl, Runtime, server_info_of
from graphs.sleeping import Sleeps
from graphs.store import BaseStore
from graphs.timeouts import UNLIMITED, TimeoutPolicy
from graphs.updates import Written, written
from scheduler.claim import Claim
from scheduler.failure import Failure, revived
from scheduler.serde import Serde
from scheduler.step_metadata import step_metadata
from scheduler.steps import Steps

from .caching import CachePlace, lookup, place_of, store
from .limits import Clock, awaited
from .loop import run as run_anywhere
from .outlet import Outlet, heard
from .tracing import OFF, Tracing


@dataclass(frozen=True, slots=True)
class Means:
    """What an attempt works with, whichever step it is about."""

    steps: Steps
    serde: Serde
    #: The long-term memory that nodes get: by the names of the graphs that run, or of all others.
    stores: Mapping[str, BaseStore] = field(default_factory=dict)
    store: BaseStore | None = None
    #: Where results are kept of nodes that have a CachePolicy: by the names of the graphs that run, or of all others.
    caches: Mapping[str, BaseCache] = field(default_factory=dict)
    cache: BaseCache | None = None
    tracing: Tracing = OFF


@dataclass(frozen=True, slots=True)
class Local:
    """What only this process knows of a run."""

    control: RunControl = field(default_factory=RunControl)
    #: Failure id -> the exception that a node raised here.
    errors: dict[str, BaseException] = field(default_factory=dict)

    def raised(self, failure: Failure) -> Exception | None:
        """Return the very exception that a failure is the record of; None where it was raised elsewhere."""
        error = self.errors.get(failure["id"])
        return error if isinstance(error, Exception) else None


class Body(CallsGraphs, CallsTasks, Protocol):
    """Runs what a function calls while it runs."""


@lean(frozen=True)
class Attempt:
    """One attempt at a step."""

    claim: Claim
    graph: Graph
    means: Means
    local: Local
    clock: Clock

    @cached_property
    def node(self) -> Node:
        """The step's node."""
        return self.graph.node(self.claim.step.node)

    @property
    def limits(self) -> TimeoutPolicy:
        """The time limits of the step."""
        return self.claim.step.timeout or self.node.timeout or UNLIMITED

    def call(self, body: Body | None = None) -> Result:
        """Call the node, ask its routers, and return what it writes; ``body`` runs what it calls itself.

        Raises:
            GraphInterrupt: the node asks, and nobody has answered yet.
            ParentCommand: the node's Command is for the graph above.
            InvalidUpdateError, InvalidDestination: what it, or a router, returned does not fit.
        """
        with self.entered(body) as offered:
            value = self.node.call(self.input, offered)
            limited = self.node.is_async and self.clock.limited
            returned = run_anywhere(awaited(self.clock, value) if limited else value)
            said = written(returned, self.graph.channels)
            return self._routed(said, {} if body is None else body.children)

    @contextmanager
    def entered(self, body: Body | None) -> Iterator[Mapping[str, Any]]:
        """Make the step the current one, and yield what its function may ask for, by role."""
        ns, said = self.config["configurable"]["checkpoint_ns"], self.claim.dialogue
        questions, sleeps = Questions(ns, said.answers), Sleeps(ns, self.now_ms, said.slept)
        with (
            heard(self.config, self.outlet, wanted=self._is_heard) as config,
            entered(StepContext(config, self.runtime, questions, body, body, sleeps, self.outlet.push)),
        ):
            yield {**self.offered, "config": config}

    def now_ms(self) -> int:
        """Return the store's clock, from when it was last heard; never ahead of it, so that nobody wakes too early."""
        return self.claim.started_ms + int(self.clock.elapsed_s * 1000)

    def take(self, returned: Any, children: Mapping[str, str]) -> Result:
        """Return what the step writes when the graph that it called has ended.

        Args:
            returned: the graph's output, or its Command for this one.
            children: where it, and the graphs in it, stand that keep their state.

        Raises:
            ParentCommand, InvalidUpdateError, InvalidDestination: as for ``call``.
        """
        with entered(StepContext(self.config, self.runtime)):
            return self._routed(written(returned, self.graph.channels), children)

    def kept(self, call: Callable[[], Result]) -> Result:
        """Return what a cache has for the step; else what a call returns, which the cache then keeps.

        Raises:
            NotSerializable: what the step writes cannot be stored.
        """
        if self.found is not None:
            return self.found
        result = call()
        if self._place is not None and self._cache is not None and not result.children:  # a frame's state is no result
            store(self._cache, self._place, result, self.means.serde)
        return result

    @cached_property
    def found(self) -> Result | None:
        """What a cache has for the step; None: its node must be called."""
        if self._place is None or self._cache is None:
            return None
        return lookup(self._cache, self._place, self.claim.step, self.means.serde)

    @property
    def input(self) -> Any:
        """The node's view of the state, or what a Send gave it."""
        arg = self.claim.step.arg
        return self.node.input.view(self._values) if arg is MISSING else own(arg)

    @property
    def called_with(self) -> Mapping[str, Any]:
        """The keys that a graph in the node's place gets as its input: all of the state's, or what a Send gave."""
        arg = self.claim.step.arg
        return self._values if arg is MISSING else arg

    @cached_property
    def config(self) -> dict[str, Any]:
        """The run's config as the node sees it."""
        config, claim = dict(self.claim.run.config), self.claim
        ns = step_ns(claim.ns, claim.step.node, claim.ref.step_id)
        config["configurable"] = {**config["configurable"], "checkpoint_ns": ns}
        config["metadata"] = step_metadata(config, claim.step, claim.stored.checkpoint.number + 1, ns)
        return config

    @cached_property
    def runtime(self) -> Runtime[Any]:
        """Everything else that the node may use."""
        claim = self.claim
        info = ExecutionInfo(
            claim.ref.thread_id,
            claim.ref.run_id,
            claim.stored.checkpoint.id,
            self.config["configurable"]["checkpoint_ns"],
            claim.ref.step_id,
            claim.attempt,
            claim.first_ms / 1000,
        )
        return Runtime(
            claim.run.context,
            self.means.stores.get(claim.run.graph, self.means.store),
            self.writer(),
            info,
            self._values.get(PREVIOUS),
            self.local.control,
            server_info_of(self.config),
            self.clock.hear,
            claim.spent.add,
        )

    @cached_property
    def outlet(self) -> Outlet:
        """Where messages go while the node runs."""
        return Outlet(self.writer("messages"), self.claim.ref.step_id)

    @cached_property
    def offered(self) -> dict[str, Any]:
        """What functions may ask for beside the state, by role."""
        return {
            "config": self.config,
            "runtime": self.runtime,
            "store": self.runtime.store,
            "writer": self.runtime.stream_writer,
            "previous": self.runtime.previous,
            "error": self._error(),
        }

    def writer(self, mode: str = "custom") -> Callable[[Any], None]:
        """Return what shows a value to those who follow the run, in one stream mode."""
        claim, means = self.claim, self.means

        def write(value: Any) -> None:
            self.clock.hear(written=True)
            event = [claim.ref.run_id, claim.ref.step_id, claim.step.node, claim.attempt, value, claim.ns, mode]
            means.steps.publish(claim, means.serde.dumps(event, f"What node {claim.step.node!r} writes"))

        return write

    @property
    def _cache(self) -> BaseCache | None:
        return self.means.caches.get(self.claim.run.graph, self.means.cache)

    @cached_property
    def _place(self) -> CachePlace | None:
        policy = self.node.cache_policy
        return None if policy is None else place_of(self.graph, self.node, policy, self.input)

    @property
    def _is_heard(self) -> bool:
        """Whether models are to stream: somebody may follow them, or their tokens keep an idle limit away."""
        return self.claim.run.heard or self.clock.counts_signs

    @property
    def _values(self) -> Mapping[str, Any]:
        return self.claim.stored.checkpoint.values

    def _routed(self, said: Written, children: Mapping[str, str]) -> Result:
        name = self.claim.step.node
        warn_of_unknown(self.graph, name, said.goto)
        updates = self.outlet.updates(said.updates, self.graph.channels)
        state = fresh(self.graph, self._values, updates)
        goto = route(self.graph, name, state, self.offered, _ask)
        return Result(self.claim.step, updates, (*said.goto, *goto), children)

    def _error(self) -> NodeError | None:
        """Return what an error handler is told: the very exception, where it was raised in this process."""
        handed, ref = self.claim.handed, self.claim.ref
        if handed is None:
            return None
        raised = self.local.raised(handed.failure)
        return NodeError(handed.step.node, raised or revived(handed.failure, ref.thread_id, ref.run_id))


def command_of(record: Mapping[str, Any]) -> Command:
    """Return the Command that a graph below left for this one."""
    return Command(update=record["update"], goto=record["goto"])


def _ask(call: Callable[[], Any]) -> Any:
    return run_anywhere(call())
