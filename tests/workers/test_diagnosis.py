"""What a deployment's facts mean."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypedDict

import pytest

from graphs.builder import GraphBuilder
from graphs.commands import START
from graphs.graph import Child, Graph
from scheduler.thread import PendingStep
from workers.diagnosis import (
    Finding,
    Level,
    RunningThread,
    Workers,
    of_graph,
    of_overdue,
    of_parked,
    of_persistence,
    of_pushing,
    of_replicas,
    of_threads,
    of_version,
    of_workers,
)

NOW_MS = 1_000_000
GOOD = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


class State(TypedDict):
    text: str


def node(state: State) -> None: ...


@pytest.fixture
def graph() -> Graph:
    """A graph with a node on the default queue and one on the queue "gpu"."""
    builder = GraphBuilder(State)
    builder.add_node("a", node).add_node("b", node, queue="gpu").add_edge(START, "a").add_edge("a", "b")
    return builder.build("shop", None, None)


def workers(**queues: Sequence[str]) -> Workers:
    """Return workers that take these queues and know the whole graph."""
    tasks = frozenset({"shop.a", "shop.b"})
    return Workers({name: frozenset(taken) for name, taken in queues.items()}, dict.fromkeys(queues, tasks))


def levels(findings: Sequence[Finding]) -> list[Level]:
    """Return how bad each finding is."""
    return [finding.level for finding in findings]


@pytest.mark.parametrize(("connected", "level"), [(2, Level.OK), (1, Level.OK), (0, Level.WARN), (None, Level.WARN)])
def test_writes_that_wait_for_replicas_need_as_many(connected: int | None, level: Level) -> None:
    found = of_replicas(connected, 1)

    assert (found.level, found.about) == (level, "replicas")


@pytest.mark.parametrize(
    ("version", "level"),
    [("7.0.15", Level.OK), ("6.2.0", Level.OK), ("6.0.16", Level.FAIL), ("10.1", Level.OK), (None, Level.WARN)],
)
def test_redis_must_be_of_6_2_at_least(version: str | None, level: Level) -> None:
    assert of_version(version).level is level


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [Level.OK, Level.OK]),
        ({"maxmemory-policy": "allkeys-lru"}, [Level.FAIL, Level.OK]),
        ({"appendonly": "no"}, [Level.OK, Level.WARN]),
    ],
)
def test_redis_must_keep_what_it_is_given(change: Mapping[str, str], expected: list[Level]) -> None:
    assert levels(list(of_persistence({**GOOD, **change}))) == expected


def test_a_redis_that_does_not_tell_is_unknown() -> None:
    finding = next(of_persistence({}))

    assert finding.level is Level.WARN
    assert "unknown" in finding.told


def test_without_workers_nothing_works() -> None:
    assert of_workers(Workers()).level is Level.FAIL


def test_workers_are_named_with_their_queues() -> None:
    assert of_workers(workers(one=["treadle", "gpu"])).told == "one (gpu, treadle)"


def test_a_graph_whose_queues_are_taken_is_fine(graph: Graph) -> None:
    found = list(of_graph(graph, workers(one=["treadle"], two=["gpu"]), "treadle"))

    assert levels(found) == [Level.OK]
    assert graph.fingerprint in found[0].told


def test_a_queue_that_no_worker_takes_is_a_failure(graph: Graph) -> None:
    found = list(of_graph(graph, workers(one=["treadle"]), "treadle"))

    assert levels(found) == [Level.FAIL]
    assert "no worker takes queue 'gpu', which b need" in found[0].told
    assert "treadle worker -Q gpu" in found[0].told


def test_a_queue_of_a_graph_inside_must_be_taken_too(graph: Graph) -> None:
    team = GraphBuilder(State).add_node("team", node).add_edge(START, "team").build("outer", None, None)
    outer = replace(team, children={"team": Child(graph)})

    found = list(of_graph(outer, workers(one=["treadle"]), "treadle"))

    assert "no worker takes queue 'gpu', which team.b need" in " ".join(finding.told for finding in found)


def test_a_worker_that_does_not_know_a_node_of_its_queue_is_a_failure(graph: Graph) -> None:
    known = Workers({"one": frozenset({"treadle", "gpu"})}, {"one": frozenset({"shop.a"})})

    found = list(of_graph(graph, known, "treadle"))

    assert levels(found) == [Level.FAIL]
    assert "worker one takes queue 'gpu' and does not know b" in found[0].told


def test_without_workers_a_graph_is_not_blamed(graph: Graph) -> None:
    assert levels(list(of_graph(graph, Workers(), "treadle"))) == [Level.OK]


def test_what_is_overdue_wants_a_scheduler() -> None:
    assert of_overdue(0).level is Level.OK
    assert of_overdue(3).level is Level.FAIL
    assert "treadle scheduler" in of_overdue(3).told


@pytest.mark.parametrize(
    ("step", "level", "told"),
    [
        (("queued", 0, None, NOW_MS + 1), Level.OK, "none is stuck"),
        (("leased", 1, "one", NOW_MS + 1), Level.OK, "none is stuck"),
        (("leased", 1, "one", NOW_MS - 1), Level.WARN, "silent past its lease"),
        (("leased", 3, "one", NOW_MS + 1), Level.WARN, "at attempt 3, on one"),
        (("waiting", 1, None, NOW_MS + 5_000), Level.WARN, "waits for another attempt, due in 5 s"),
        (("asleep", 2, None, NOW_MS + 5_000), Level.OK, "1 running, none is stuck"),
    ],
)
def test_a_step_in_flight_is_judged(step: tuple[str, int, str | None, int], level: Level, told: str) -> None:
    state, attempt, worker, due_ms = step
    pending = PendingStep("s", "a", "r", state, attempt, worker, NOW_MS - 60_000, due_ms)

    found = of_threads([RunningThread("t", [pending])], workers(one=["treadle"]), "treadle", NOW_MS)

    assert levels(found) == [level]
    assert told in found[0].told


def test_a_step_whose_queue_no_worker_takes_is_stuck() -> None:
    pending = PendingStep("s", "b", "r", "queued", 0, None, NOW_MS - 60_000, NOW_MS, "gpu")

    found = of_threads([RunningThread("t", [pending])], workers(one=["treadle"]), "treadle", NOW_MS)

    assert levels(found) == [Level.FAIL]
    assert found[0].told == "b has waited 60 s in queue 'gpu', which no worker takes"


def test_a_run_with_nothing_in_flight_is_stuck() -> None:
    found = of_threads([RunningThread("t", [])], workers(one=["treadle"]), "treadle", NOW_MS)

    assert levels(found) == [Level.FAIL]


def test_of_many_stuck_threads_some_are_shown_and_all_are_counted() -> None:
    found = of_threads([RunningThread(f"t{number}", []) for number in range(50)], Workers(), "treadle", NOW_MS)

    assert len(found) == 21
    assert found[-1].told == "and 30 more of this sort"


def test_a_parked_thread_says_why() -> None:
    assert next(of_parked({"t": "Graph 'shop' changed."})).told == "is parked: Graph 'shop' changed."


@pytest.mark.parametrize(("why_not", "told"), [("", "pushed"), ("task_routes is set", "published.*task_routes is set")])
def test_it_says_which_way_the_messages_go(why_not: str, told: str) -> None:
    finding = of_pushing(why_not)

    assert finding.level is Level.OK
    assert re.match(told, finding.told)


def test_a_step_of_a_version_that_no_worker_has_is_told_with_its_queue() -> None:
    pending = PendingStep("s", "b", "r", "queued", 0, None, NOW_MS - 60_000, NOW_MS, "gpu", "shop-1a2b3c4d")
    thread = RunningThread("t", [pending])

    (found,) = of_threads([thread], workers(w=["gpu"]), "treadle", NOW_MS)
    (fine,) = of_threads([thread], workers(w=["gpu@shop-1a2b3c4d"]), "treadle", NOW_MS)

    assert found.level is Level.FAIL
    assert "'gpu@shop-1a2b3c4d', which no worker takes: it is for workers with that version" in found.told
    assert fine.level is Level.OK


def test_a_pinned_graph_wants_workers_that_take_the_queues_of_its_version(graph: Graph) -> None:
    pinned = replace(graph, versioning="pinned")
    version = f"shop-{graph.fingerprint[:8]}"

    assert levels([*of_graph(pinned, workers(w=["treadle", "gpu"]), "treadle")]) == [Level.FAIL, Level.FAIL]
    assert levels([*of_graph(pinned, workers(w=[f"treadle@{version}", f"gpu@{version}"]), "treadle")]) == [Level.OK]
