"""What workers with two versions of a graph do with each other's runs, by what its author has chosen."""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
import redis as redis_py

from graphs.checkpoint import Result
from graphs.errors import UnknownNode
from graphs.frames import Root
from graphs.graph import Graph
from graphs.registry import Registry
from scheduler.calls import Calls
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import StepOrder, StepRef
from scheduler.runs import RunStore
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher
from treadle.graph import START, StateGraph
from treadle.types import Command
from workers.attempt import Means
from workers.executor import Executor
from workers.host import Host
from workers.version_queues import beside, noted
from workers.versioning import newer_here


class Trail(TypedDict):
    trail: Annotated[list[Any], operator.add]


def stamp(name: str, version: int) -> Callable[[Trail], dict[str, Any]]:
    return lambda state: {"trail": [f"{name}@{version}"]}


def chain(version: int, mode: Any, *names: str) -> Graph:
    builder = StateGraph(Trail).add_sequence([(name, stamp(name, version)) for name in names])
    return builder.set_entry_point(names[0]).compile(name="chain", versioning=mode).graph


def fan(version: int, mode: Any) -> Graph:
    """Return two nodes side by side, of which the new version's first one goes on to a node that only that has."""
    left = Command(update={"trail": [f"left@{version}"]}, goto="bonus" if version == 2 else ())
    builder = StateGraph(Trail).add_node("left", lambda state: left).add_node("right", stamp("right", version))
    builder.add_edge(START, "left").add_edge(START, "right")
    if version == 2:
        builder.add_node("bonus", stamp("bonus", version))
    return builder.compile(name="fan", versioning=mode).graph


class Stage:
    """One store, a client, a scheduler, and workers that have one version each."""

    def __init__(self, redis: redis_py.Redis) -> None:
        self.sent = RecordingDispatcher()
        self.connection = self._connection(redis)
        self.client = Client(self.connection, lambda call: call())
        self._redis = redis

    def worker(self, name: str, *graphs: Graph) -> tuple[list[str], Callable[[StepRef], object]]:
        """Start a worker; return the versions whose queues it takes, and its hand."""
        connection = self._connection(self._redis)
        registry, runs = Registry(graphs), RunStore(connection)
        taken = noted(connection, registry.versions())
        means, calls = Means(Steps(connection, runs, name), connection.serde), Calls(connection, lambda call: call())
        executor = Executor(means, calls, host=Host(is_newer=newer_here(connection)))

        def find(run: Any) -> Root | None:
            graph = registry.version(run.graph, run.fingerprint)
            return None if graph is None else Root(graph)

        return taken, lambda ref: executor.run(ref, name, find)

    def begin(self, graph: Graph) -> dict[str, StepRef]:
        orders = self.client.start(graph, parse({"thread_id": "t"}), {"trail": []}).orders
        return {order.node: order.ref for order in orders}

    def next(self) -> StepOrder:
        """Return the step that was sent last."""
        return self.sent.sent[-1]

    def sweep(self) -> None:
        Watchdog(self.connection, RunStore(self.connection)).sweep()

    def trail(self, graph: Graph) -> list[Any]:
        return list(self.client.output(graph, "t", self.client.runs.recent("t")[0].id).value["trail"])

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.client.log.read("t")]

    def _connection(self, redis: redis_py.Redis) -> Connection:
        return open_connection(redis, Settings(), self.sent)


@pytest.fixture
def stage(redis: redis_py.Redis) -> Stage:
    return Stage(redis)


def test_a_pinned_run_stays_on_its_version_through_other_workers_hands(stage: Stage) -> None:
    old, new = chain(1, "pinned", "a", "b"), chain(2, "pinned", "a", "b", "c")
    (_, by_old), (_, by_new) = stage.worker("old", old), stage.worker("new", new)
    (ref,) = stage.begin(old).values()

    assert by_new(ref) is None
    (step,) = stage.client.threads.pending("t")
    assert (step.state, step.attempt) == ("waiting", 0)
    assert step.due_ms and step.due_ms > 5_000  # it rests, so that two workers do not play with it
    stage.connection.client.hset(stage.connection.place("t").keys.steps, ref.step_id, _due_now(stage, ref))
    by_old(ref)
    by_old(stage.next().ref)

    assert stage.trail(old) == ["a@1", "b@1"]
    assert "passed on" in stage.kinds()


def test_a_process_that_has_both_versions_runs_each_thread_on_its_own(stage: Stage) -> None:
    old, new = chain(1, "pinned", "a"), chain(2, "pinned", "a", "b")
    taken, by_both = stage.worker("both", new, old)
    (ref,) = stage.begin(old).values()

    by_both(ref)

    assert stage.trail(old) == ["a@1"]
    assert taken == [f"chain-{graph.fingerprint[:8]}" for graph in (new, old)]


def test_a_newer_worker_upgrades_a_run_and_no_older_one_takes_it_again(stage: Stage) -> None:
    old, new = chain(1, "auto_upgrade", "a", "b"), chain(2, "auto_upgrade", "a", "b", "c")
    (_, by_old), (taken, by_new) = stage.worker("old", old), stage.worker("new", new)
    (ref,) = stage.begin(old).values()

    by_new(ref)
    second = stage.next()
    assert by_old(second.ref) is None
    stage.sweep()
    again = stage.next()
    by_new(again.ref)
    by_new(stage.next().ref)

    assert stage.trail(new) == ["a@2", "b@2", "c@2"]
    assert second.version == again.version == f"chain-{new.fingerprint[:8]}"
    assert taken == [f"chain-{graph.fingerprint[:8]}" for graph in (new, old)]
    assert [kind for kind in stage.kinds() if kind in ("upgraded", "passed on")] == ["upgraded", "passed on"]


def test_an_older_worker_takes_no_run_that_a_newer_client_began(stage: Stage) -> None:
    old, new = chain(1, "auto_upgrade", "a"), chain(2, "auto_upgrade", "a", "b")
    (taken, by_old), (_, by_new) = stage.worker("old", old), stage.worker("new", new)
    (ref,) = stage.begin(new).values()

    assert by_old(ref) is None
    stage.sweep()
    by_new(ref)
    by_new(stage.next().ref)

    assert stage.trail(new) == ["a@2", "b@2"]
    assert taken == [f"chain-{old.fingerprint[:8]}"]


def test_a_superstep_that_two_versions_ran_is_closed_by_the_newer_one(stage: Stage) -> None:
    old, new = fan(1, "auto_upgrade"), fan(2, "auto_upgrade")
    (_, _), (_, by_new) = stage.worker("old", old), stage.worker("new", new)
    refs = stage.begin(old)
    slow = _slow(stage, old, refs["right"])

    by_new(refs["left"])
    slow()  # claimed before the upgrade, and the last one to finish
    assert "bonus@2" not in stage.sent.nodes
    stage.sweep()
    by_new(stage.next().ref)
    by_new(stage.next().ref)

    assert sorted(stage.trail(new)) == ["bonus@2", "left@2", "right@1"]


@pytest.mark.parametrize("mode", ["park", "auto_upgrade"])
def test_a_run_parks_with_the_reason_where_the_new_version_cannot_go_on(stage: Stage, mode: str) -> None:
    old, new = chain(1, mode, "a", "b"), chain(2, mode, "b")
    (_, _), (_, by_new) = stage.worker("old", old), stage.worker("new", new)
    (ref,) = stage.begin(old).values()

    by_new(ref)

    (run,) = stage.client.runs.recent("t")
    assert run.error is not None
    assert "changed since the run began" in run.error["message"]
    assert ("lacks node 'a'" in run.error["message"]) is (mode == "auto_upgrade")
    assert stage.client.threads.get("t").status == "paused"


def test_a_thread_that_rests_where_the_new_version_has_no_node_refuses_to_go_on_with_it(stage: Stage) -> None:
    old, new = chain(1, "park", "a", "b"), chain(2, "park", "b")
    (_, _), (_, by_new) = stage.worker("old", old), stage.worker("new", new)
    (ref,) = stage.begin(old).values()
    by_new(ref)

    with pytest.raises(UnknownNode):
        stage.client.start(new, parse({"thread_id": "t"}), None)

    assert stage.client.threads.get("t").status == "paused"


def test_queues_are_taken_beside_each_of_a_workers_own() -> None:
    assert beside(["treadle", "gpu", "treadle@x-1"], ["x-1"]) == ["treadle@x-1", "gpu@x-1"]


def _slow(stage: Stage, graph: Graph, ref: StepRef) -> Callable[[], object]:
    """Claim a step as the old worker does, and return what commits it later."""
    steps = Steps(stage.connection, RunStore(stage.connection), "slow")
    claim = steps.claim(ref, "slow")
    assert claim is not None
    update = graph.node("right").func({"trail": []})
    return lambda: steps.commit(claim, graph, Result(claim.step, (update,)))


def _due_now(stage: Stage, ref: StepRef) -> bytes:
    raw = stage.connection.redis.hget(stage.connection.place("t").keys.steps, ref.step_id)
    assert raw is not None
    return raw.replace(b'"waiting"', b'"queued"')
