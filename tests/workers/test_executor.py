"""What a worker does with a step, whatever comes of it."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypedDict

import pytest
import redis as redis_py

from graphs.frames import Root
from graphs.graph import Graph
from scheduler.calls import Calls
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import open_connection
from scheduler.dispatch import StepRef
from scheduler.settings import Settings
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher
from treadle.cache.memory import InMemoryCache
from treadle.errors import NodeExitedError, NodeTimeoutError, StoreUnavailable
from treadle.graph import END, StateGraph
from treadle.types import CachePolicy, RetryPolicy
from workers.attempt import Means
from workers.caching import place_of
from workers.executor import Executor
from workers.host import Host
from workers.outcome import Outcome


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


def one_node(node: Callable[..., Any], **options: Any) -> Graph:
    builder = StateGraph(Trail)
    builder.add_node("node", node, **options)
    return builder.set_entry_point("node").compile(name="one").graph


@dataclass
class Desk:
    """A worker, a client beside it, and the messages between them."""

    client: Client
    means: Means
    calls: Calls
    executor: Executor

    def start(self, graph: Graph) -> StepRef:
        started = self.client.start(graph, parse({"thread_id": "t"}), {"trail": []})
        return started.orders[0].ref

    def run(self, ref: StepRef, graph: Graph, delivery: str = "d") -> Outcome | None:
        return self.executor.run(ref, delivery, lambda run: Root(graph) if run.graph == graph.name else None)

    def status(self) -> str:
        return self.client.runs.recent("t")[0].status

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.client.log.read("t")]


@pytest.fixture
def desk(redis: redis_py.Redis) -> Desk:
    connection = open_connection(redis, Settings(), RecordingDispatcher())
    client = Client(connection, lambda call: call())
    steps = Steps(connection, client.runs, "me")
    calls = Calls(connection, lambda call: call())
    means = Means(steps, connection.serde)
    return Desk(client, means, calls, Executor(means, calls))


def test_a_doubled_message_is_dropped_without_a_word(desk: Desk) -> None:
    graph = one_node(lambda state: {"trail": ["once"]})
    ref = desk.start(graph)
    desk.run(ref, graph)

    again = desk.run(ref, graph)

    assert again is None
    assert desk.kinds().count("committed") == 1


def test_a_graph_of_another_shape_parks_the_thread_and_loses_nothing(desk: Desk) -> None:
    graph = one_node(lambda state: {"trail": ["old"]})
    ref = desk.start(graph)
    builder = StateGraph(Trail).add_node("node", lambda state: {"trail": ["new"]})
    changed = builder.add_node("more", lambda state: None).set_entry_point("node").compile(name="one").graph

    desk.run(ref, changed)

    thread = desk.client.threads.get("t")
    (run,) = desk.client.runs.recent("t")
    assert (thread.status, run.status) == ("paused", "interrupted")
    assert run.error is not None
    assert "changed since the run began" in run.error["message"]
    resumed = desk.client.start(changed, parse({"thread_id": "t"}), None)
    desk.run(resumed.orders[0].ref, changed)
    assert desk.client.output(changed, "t", resumed.run.id).value == {"trail": ["new"]}


def test_a_graph_that_the_process_does_not_know_parks_the_thread(desk: Desk) -> None:
    ref = desk.start(one_node(lambda state: None))

    desk.executor.run(ref, "d", lambda run: None)

    assert desk.client.threads.get("t").status == "paused"


def test_a_failure_worth_another_attempt_waits_in_the_store(desk: Desk) -> None:
    def node(state: Trail) -> None:
        raise ConnectionError

    graph = one_node(node, retry=RetryPolicy(initial_interval=7, jitter=False))
    ref = desk.start(graph)

    outcome = desk.run(ref, graph)

    assert outcome is not None
    assert outcome.progress.retry_ms == 7000
    (step,) = desk.client.threads.pending("t")
    assert (step.state, step.attempt, step.worker) == ("waiting", 1, None)


def test_a_process_that_is_told_to_end_hands_its_step_back(desk: Desk) -> None:
    def node(state: Trail) -> None:
        raise SystemExit

    graph = one_node(node)
    ref = desk.start(graph)

    with pytest.raises(SystemExit):
        desk.run(ref, graph)

    (step,) = desk.client.threads.pending("t")
    assert (step.state, step.attempt) == ("waiting", 0)
    assert desk.kinds()[-1] == "released"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), BaseException("own")])
def test_a_node_that_wants_to_end_its_worker_fails_and_ends_nothing(desk: Desk, error: BaseException) -> None:
    def node(state: Trail) -> None:
        raise error

    graph = one_node(node)
    ref = desk.start(graph)
    executor = Executor(desk.means, desk.calls, host=Host(is_ending=lambda error: False))

    outcome = executor.run(ref, "d", lambda _: Root(graph))

    assert outcome is not None and isinstance(outcome.error, NodeExitedError)
    assert outcome.error.how == repr(error)
    assert desk.status() == "error"


def test_a_step_with_one_chance_left_is_claimed_anew_when_it_runs_alone(desk: Desk) -> None:
    graph = one_node(lambda state: {"trail": ["alive"]})
    ref = desk.start(graph)
    for number in range(2):
        assert desk.means.steps.claim(ref, f"lost {number}") is not None
        desk.means.steps.release(ref, f"lost {number}", "lost worker", "signal 9 (SIGKILL)")
    executor = Executor(desk.means, desk.calls, host=Host(max_attempts=3))

    executor.run(ref, "d", lambda _: Root(graph))

    assert desk.status() == "success"
    assert desk.kinds()[-5:] == ["leased", "released", "leased", "committed", "finished"]


def test_how_the_last_worker_ended_is_in_the_log_and_in_the_error(desk: Desk) -> None:
    graph = one_node(lambda state: None)
    ref = desk.start(graph)
    for number in range(3):
        assert desk.means.steps.claim(ref, f"lost {number}") is not None
        desk.means.steps.release(ref, f"lost {number}", "lost worker", "signal 9 (SIGKILL)")

    desk.run(ref, graph)

    (run,) = desk.client.runs.recent("t")
    assert run.error is not None
    assert (
        "3 times (killed, out of memory, or crashed, the last one by this: signal 9 (SIGKILL))" in run.error["message"]
    )
    told = [entry.data["why"] for entry in desk.client.log.read("t") if entry.kind == "lost worker"]
    assert told == ["signal 9 (SIGKILL)"] * 3


def test_a_time_limit_of_the_pool_ends_the_run_as_timeout(desk: Desk) -> None:
    class SoftLimit(Exception):
        """What a pool raises in a node."""

    def node(state: Trail) -> None:
        raise SoftLimit

    graph = one_node(node, timeout=5)
    ref = desk.start(graph)
    executor = Executor(desk.means, desk.calls, host=Host(limits=False, time_limit_errors=(SoftLimit,)))

    outcome = executor.run(ref, "d", lambda _: Root(graph))

    assert outcome is not None and isinstance(outcome.error, NodeTimeoutError)
    assert (outcome.error.kind, outcome.error.run_timeout) == ("run", 5.0)
    assert desk.status() == "timeout"
    assert "timed out" in desk.kinds()


def test_a_store_that_is_away_is_no_failure_of_the_node_that_meets_it(desk: Desk) -> None:
    def meet(state: Trail) -> Trail:
        raise StoreUnavailable("gone")

    graph = one_node(meet)
    ref = desk.start(graph)

    with pytest.raises(StoreUnavailable):
        desk.run(ref, graph)

    assert desk.status() == "running"
    assert desk.kinds()[-1] == "leased"


def test_a_router_that_fails_is_its_nodes_failure(desk: Desk) -> None:
    builder = StateGraph(Trail).add_node("node", lambda state: None).set_entry_point("node")
    builder.add_conditional_edges("node", lambda state: "typo", {"ok": END})
    graph = builder.compile(name="one").graph
    ref = desk.start(graph)

    outcome = desk.run(ref, graph)

    assert outcome is not None
    assert isinstance(outcome.error, KeyError)
    assert desk.status() == "error"


def test_a_graph_with_a_cache_of_its_own_uses_that(desk: Desk) -> None:
    own, others = InMemoryCache(), InMemoryCache()
    graph = one_node(lambda state: {"trail": ["called"]}, cache_policy=CachePolicy())
    means = replace(desk.means, caches={"one": own}, cache=others)
    place = place_of(graph, graph.node("node"), CachePolicy(), {"trail": []})

    replace(desk, executor=Executor(means, desk.calls)).run(desk.start(graph), graph)

    assert (list(own.get([place.key])), others.get([place.key])) == ([place.key], {})
