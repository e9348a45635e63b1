"""Runs one step: claim it, call its node, commit what came of it."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphs.channels import MISSING
from graphs.checkpoint import Result
from graphs.context import StepContext, entered
from graphs.copies import own
from graphs.errors import NodeTimeoutError
from graphs.graph import Graph
from graphs.interrupts import GraphInterrupt, Questions
from graphs.node import Node
from graphs.retry import retry_delay_s
from graphs.routing import fresh, route, warn_of_unknown
from graphs.runtime import ExecutionInfo, Runtime
from graphs.store import BaseStore
from graphs.updates import written
from scheduler.claim import Claim, Progress
from scheduler.dispatch import StepRef
from scheduler.failure import Failure, describe, parked, timed_out
from scheduler.serde import Serde
from scheduler.step_metadata import step_metadata
from scheduler.steps import REFUSED, Steps

from .limits import TimeUp, within
from .loop import run as run_anywhere
from .outlet import Outlet, heard

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step: the progress it made, and the exception where it failed."""

    progress: Progress
    error: Exception | None = None


class Executor:
    """Runs steps; the same in a Celery worker and in the process of the caller.

    Args:
        steps: claims and commits.
        serde: encodes what nodes write to the live stream.
        store: the long-term memory that nodes get.
        limits: whether this class keeps the time limits; False where the pool does (prefork).
        time_limit_errors: what the pool raises in a node whose soft time limit is up.
    """

    def __init__(
        self,
        steps: Steps,
        serde: Serde,
        store: BaseStore | None = None,
        *,
        limits: bool = True,
        time_limit_errors: tuple[type[Exception], ...] = (),
    ) -> None:
        self._steps = steps
        self._serde = serde
        self._store = store
        self._limits = limits
        self._time_up: tuple[type[BaseException], ...] = (TimeUp, *time_limit_errors)

    def run(self, ref: StepRef, delivery: str, graphs: Mapping[str, Graph]) -> Outcome | None:
        """Run a step, if it is there to be run; None for a stale or doubled message.

        Raises:
            LeaseLost: the lease ended meanwhile; nothing of this attempt was stored.
        """
        claim = self._steps.claim(ref, delivery)
        if claim is None:
            return None
        graph = graphs.get(claim.run.graph)
        reason = _why_parked(claim, graph)
        if graph is None or reason:
            return Outcome(self._steps.end(claim, parked(reason, claim.step.node)))
        if claim.verdict == "close":
            return Outcome(self._steps.close(claim, graph))
        if claim.verdict != "run":
            return self._doomed(claim, graph)
        return self._attempt(claim, graph)

    def _attempt(self, claim: Claim, graph: Graph) -> Outcome:
        node, began = graph.node(claim.step.node), time.monotonic()
        try:
            result = self._call(claim, graph, node)
        except GraphInterrupt as asked:
            return Outcome(self._steps.ask(claim, graph, asked.interrupts))
        except self._time_up:
            return self._overran(claim, graph, node)
        except (SystemExit, KeyboardInterrupt):  # the pool kills this process: hand the step back before it is gone
            ran_ms = (time.monotonic() - began) * 1000
            overran = claim.soft_ms is not None and ran_ms >= claim.soft_ms
            self._steps.release(claim.ref, claim.delivery, "timed out" if overran else "released")
            raise
        except Exception as error:  # whatever a node raises is the node's failure, and a durable fact
            return self._failed(claim, graph, describe(error, node.name), error)
        try:
            return Outcome(self._steps.commit(claim, graph, result))
        except REFUSED as error:
            return Outcome(self._steps.fail(claim, graph, describe(error, node.name)), error)

    def _call(self, claim: Claim, graph: Graph, node: Node) -> Result:
        values = claim.stored.checkpoint.values
        runtime = self._runtime(claim)
        outlet = Outlet(self._writer(claim, "messages"), claim.ref.step_id)
        offered: dict[str, Any] = {
            "runtime": runtime,
            "store": self._store,
            "writer": runtime.stream_writer,
            "previous": None,
        }

        def call() -> Result:
            state = node.input.view(values) if claim.step.arg is MISSING else own(claim.step.arg)
            said = written(run_anywhere(node.call(state, offered)), graph.channels)
            warn_of_unknown(graph, node.name, said.goto)
            updates = outlet.updates(said.updates, graph.channels)
            goto = route(graph, node.name, fresh(graph, values, updates), offered, _ask)
            return Result(claim.step, updates, (*said.goto, *goto))

        questions = Questions(_ns(claim), claim.dialogue.answers)
        with (
            heard(_config(claim), outlet) as offered["config"],
            entered(StepContext(offered["config"], runtime, questions, outlet.push)),
        ):
            return within(self._limit_s(claim, node), call)  # type: ignore[no-any-return]

    def _limit_s(self, claim: Claim, node: Node) -> float | None:
        """Return for how long a node may run, as far as this class keeps the limits."""
        of_node = [node.timeout_s] if self._limits and node.timeout_s is not None else []
        of_run = [max(0.001, claim.run.left_s(time.time()))] if claim.run.inline and claim.run.deadline_ms else []
        return min(of_node + of_run, default=None)

    def _overran(self, claim: Claim, graph: Graph, node: Node) -> Outcome:
        run = claim.run
        if run.inline and run.deadline_ms is not None and run.left_s(time.time()) <= 0:
            return Outcome(self._steps.end(claim, timed_out("The run", run.limit_s)))
        limit_s = node.timeout_s or 0.0
        failure = timed_out(f"Node {node.name!r}", limit_s, node.name)
        return self._failed(claim, graph, failure, NodeTimeoutError(node.name, limit_s))

    def _doomed(self, claim: Claim, graph: Graph) -> Outcome:
        failure = self._steps.doomed(claim)
        if claim.verdict != "timed_out":
            return Outcome(self._steps.fail(claim, graph, failure))
        return self._failed(claim, graph, failure, NodeTimeoutError(claim.step.node, (claim.soft_ms or 0) / 1000))

    def _failed(self, claim: Claim, graph: Graph, failure: Failure, error: Exception) -> Outcome:
        delay_s = retry_delay_s(graph.node(claim.step.node).retry, error, claim.attempt, random.random())
        if delay_s is not None:
            return Outcome(self._steps.retry(claim, failure, round(delay_s * 1000)), error)
        return Outcome(self._steps.fail(claim, graph, failure), error)

    def _runtime(self, claim: Claim) -> Runtime[Any]:
        info = ExecutionInfo(
            claim.ref.thread_id,
            claim.ref.run_id,
            claim.stored.checkpoint.id,
            claim.ns,
            claim.ref.step_id,
            claim.attempt,
            claim.first_ms / 1000,
        )
        return Runtime(claim.run.context, self._store, self._writer(claim), info)

    def _writer(self, claim: Claim, mode: str = "custom") -> Callable[[Any], None]:
        def write(value: Any) -> None:
            event = [claim.ref.run_id, claim.ref.step_id, claim.step.node, claim.attempt, value, mode]
            self._steps.publish(claim, self._serde.dumps(event, f"What node {claim.step.node!r} writes"))

        return write


def _ask(call: Callable[[], Any]) -> Any:
    return run_anywhere(call())


def _config(claim: Claim) -> dict[str, Any]:
    config, ns, number = dict(claim.run.config), _ns(claim), claim.stored.checkpoint.number + 1
    config["configurable"] = {**config["configurable"], "checkpoint_ns": ns}
    config["metadata"] = step_metadata(config, claim.step, number, ns)
    return config


def _ns(claim: Claim) -> str:
    return f"{claim.step.node}:{claim.ref.step_id}"


def _why_parked(claim: Claim, graph: Graph | None) -> str:
    """Return why this process must not go on with a run, or nothing."""
    if graph is None:
        return (
            f"No graph {claim.run.graph!r} is registered in worker {claim.worker}: name it in TREADLE_GRAPHS, "
            "restart the worker, and go on with invoke(None, config)."
        )
    if graph.fingerprint != claim.run.fingerprint:
        return (
            f"Graph {graph.name!r} changed since the run began ({claim.run.fingerprint} -> {graph.fingerprint}): "
            "deploy the version it began with, or go on with the new one by invoke(None, config)."
        )
    return ""
