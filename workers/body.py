"""What a function calls while it runs: tasks and graphs, run where it runs, under the lease of its step."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any

from graphs.channels import MISSING
from graphs.checkpoint import PUSH, Result, Step, step_id
from graphs.errors import NodeCancelledError, NodeTimeoutError
from graphs.frames import frame_ns
from graphs.graph import Graph
from graphs.interrupts import GraphInterrupt
from graphs.retry import retry_delay_s
from graphs.signals import ParentCommand
from graphs.task import Task
from scheduler.calls import Call, Calls
from scheduler.claim import Claim
from scheduler.errors import LeaseLost, NotSerializable
from scheduler.excess import StateTooLarge
from scheduler.records import Records

from .attempt import Attempt
from .crew import CallFuture, Crew
from .inline import InlineRunner
from .loop import run
from .nesting import BodyExecution

#: How much is shown of arguments that cannot be sent.
_LONGEST_REPR = 1000


class Nesting:
    """Runs what functions call; ``runner`` is tied to it last, since the nodes of the graphs may call as well."""

    def __init__(self, calls: Calls, records: Records) -> None:
        self.calls = calls
        self.records = records
        self.runner: InlineRunner | None = None

    def call(self, attempt: Attempt) -> Result:
        """Call the node of an attempt, and see through what it calls."""
        body = BodyCalls(self, attempt.claim, attempt)
        try:
            return body.crew.see_through(lambda: attempt.call(body))
        except ParentCommand as up:
            if up.command.graph is not None:
                raise
            return attempt.take(up.command, body.children)  # of a graph that it called: it stands for the node's own


@dataclass(slots=True)
class BodyCalls:
    """Runs what one function calls: that of a step, or that of a task which the step has called."""

    nesting: Nesting
    #: The step under whose lease all of it runs.
    claim: Claim
    #: The attempt at what the function stands for.
    attempt: Attempt
    #: Where the graphs that keep their state were left: frame -> checkpoint.
    children: dict[str, str] = field(default_factory=dict)
    crew: Crew = field(init=False)
    _frames: Iterator[int] = field(default_factory=count, init=False, repr=False)
    _tasks: Iterator[int] = field(default_factory=count, init=False, repr=False)

    def __post_init__(self) -> None:
        self.crew = Crew(self.claim.run.config.get("max_concurrency"))

    def next_call(self, graph: Graph, keeps: bool | None) -> Callable[[Any], BodyExecution]:
        """Return what begins a graph, in a frame named here: in the function's own order, not in that of threads."""
        ns = frame_ns(self.claim.ns, self.attempt.claim.step, keeps=keeps, nth=next(self._frames))
        return partial(self._begin, graph, keeps, ns)

    def _begin(self, graph: Graph, keeps: bool | None, ns: str, value: Any) -> BodyExecution:
        """Return the execution of a graph; one that this step has called before, in an attempt cut short, goes on."""
        if self.nesting.runner is None:
            raise RuntimeError("Nesting is given its runner where it is made.")
        update = None if value is None else graph.input.read(value)
        call = Call(self.claim, graph, ns, keeps, update, parks=False)
        return BodyExecution(self.nesting.calls, self.nesting.runner, call, self.attempt.local, self.children)

    def begin_task(self, task: Task[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> CallFuture:
        """Begin a task, or find what it returned in an attempt at the step that was cut short.

        Where the run has reached a limit of what it may spend, no other is begun: the step pauses instead.
        """
        caller, index = self.attempt.claim.step, next(self._tasks)
        id_ = step_id(self.claim.stored.checkpoint.id, self.claim.ns, task.name, PUSH, caller.id, index)
        called = _Called(task, Step(id_, task.name, (PUSH, index), (PUSH,)), args, kwargs)
        return self.crew.begin(partial(self._value, called))

    def _value(self, called: "_Called") -> Any:
        records, began = self.nesting.records, time.monotonic()
        records.allow(called.task.classes)
        value = records.find(self.claim, called.step)
        if value is MISSING:
            if breach := records.breach(self.claim):
                raise GraphInterrupt(breach=breach)
            value = self._tried(called)
            records.put(self.claim, called.step, value, round((time.monotonic() - began) * 1000))
        return value

    def _tried(self, called: "_Called") -> Any:
        """Return what a task returns, after as many attempts as its policies allow."""
        for number in count(1):
            try:
                return self._once(called, number)
            except LeaseLost:
                raise
            except asyncio.CancelledError:  # its own; one from the outside abandons it
                raise NodeCancelledError(called.task.name) from None
            except Exception as error:  # whatever it raises is for its policies to judge, and then for its caller
                noise = random.random()  # nosec B311  # spreads retries, guards nothing
                delay_s = retry_delay_s(called.task.retry, error, number, noise)
                if delay_s is None:
                    raise
            run(asyncio.sleep(delay_s)) if called.task.is_async else time.sleep(delay_s)

    def _once(self, called: "_Called", number: int) -> Any:
        ref = replace(self.claim.ref, step_id=called.step.id)
        attempt = replace(self.attempt, claim=replace(self.claim, ref=ref, step=called.step, attempt=number))
        if number == 1:
            called.announce(attempt)
        body = BodyCalls(
            self.nesting, replace(self.claim, tried=self.claim.tried or number > 1), attempt, self.children
        )
        with attempt.entered(body):
            return body.crew.see_through(lambda: run(called.begin(attempt.offered)))


@dataclass(frozen=True, slots=True)
class _Called:
    """A task that was called."""

    task: Task[..., Any]
    step: Step
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def announce(self, attempt: Attempt) -> None:
        """Show that the task begins, and with what; arguments need not be of a kind that can be stored."""
        show, shown = (
            attempt.writer("tasks"),
            {"id": self.step.id, "name": self.task.name, "triggers": self.step.triggers},
        )
        try:
            show({**shown, "input": (self.args, self.kwargs)})
        except (NotSerializable, StateTooLarge):
            show({**shown, "input": repr((self.args, self.kwargs))[:_LONGEST_REPR]})

    def begin(self, offered: Mapping[str, Any]) -> Any:
        """Call the function; of an async one return the coroutine, which keeps to the time limit."""
        value, timeout = self.task.call(self.args, self.kwargs, offered), self.task.timeout
        limit_s = None if timeout is None else timeout.run_timeout_s
        return value if limit_s is None else _in_time(value, self.task.name, limit_s)


async def _in_time(coroutine: Coroutine[Any, Any, Any], name: str, limit_s: float) -> Any:
    try:
        async with asyncio.timeout(limit_s) as limit:
            return await coroutine
    except TimeoutError:
        if limit.expired():
            raise NodeTimeoutError(name, limit_s) from None
        raise
