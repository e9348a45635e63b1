"""Runs that begin later, and schedules, as users make them; no worker is there to run them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler.waiting import queue_of
from tests.conftest import RealRedis
from tests.workers.asking import CONFIG, Trail
from treadle.checkpoint.memory import MemorySaver
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import InvalidConfig, InvalidSchedule, InvalidSleep, RunCancelled, ScheduleNotFound
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command


@dataclass
class Who:
    name: str = "ada"


@pytest.fixture
def graph(real_redis: RealRedis) -> CompiledStateGraph:
    """A graph whose steps would run on workers."""
    real_redis.flush()
    return builder().compile(RedisSaver(real_redis.url), name="sample")


def builder(**node: Any) -> StateGraph:
    return StateGraph(Trail, context_schema=Who).add_node("node", lambda state: None, **node).add_edge(START, "node")


@pytest.mark.parametrize(
    "when",
    [
        {"delay": 3600},
        {"delay": timedelta(hours=1)},
        {"after_seconds": 3600.0},
        {"at": datetime.now(UTC) + timedelta(hours=1)},
    ],
    ids=lambda when: next(iter(when)),
)
def test_a_run_that_begins_later_can_be_held_and_cancelled(graph: CompiledStateGraph, when: dict[str, Any]) -> None:
    handle = graph.submit({"trail": []}, CONFIG, context=Who("eve"), **when)

    assert handle.status == "pending"
    assert [run.run_id for run in graph.delayed_runs("t")] == [handle.id]
    assert graph.threads.list() == []
    with pytest.raises(TimeoutError):
        handle.wait(0.01)
    assert handle.cancel("too early")
    with pytest.raises(RunCancelled, match="too early"):
        handle.result(5)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"delay": 1, "at": datetime.now(UTC)}, InvalidConfig),
        ({"delay": datetime.now(UTC)}, InvalidConfig),
        ({"at": 5}, InvalidConfig),
        ({"at": datetime(2100, 1, 1)}, InvalidSleep),
        ({"delay": -1}, InvalidSleep),
        ({"delay": "soon"}, InvalidSleep),
        ({"delay": 1, "speed": 2}, InvalidConfig),
    ],
    ids=["both", "delay is a moment", "at is none", "no zone", "negative", "a word", "unknown"],
)
def test_when_a_run_begins_is_said_clearly(graph: CompiledStateGraph, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        graph.submit({"trail": []}, CONFIG, **options)


def test_an_answer_is_given_now(graph: CompiledStateGraph) -> None:
    with pytest.raises(InvalidConfig, match="Command"):
        graph.submit(Command(resume=1), CONFIG, delay=1)


def test_what_runs_in_this_process_has_nobody_to_begin_it_later() -> None:
    graph = builder().compile(MemorySaver(), name="sample")

    with pytest.raises(InvalidConfig, match="workers"):
        graph.submit({"trail": []}, CONFIG, delay=1)
    with pytest.raises(InvalidConfig, match="workers"):
        graph.schedules.create("s", "@daily", {"trail": []})


def test_a_graph_has_schedules(graph: CompiledStateGraph) -> None:
    until = datetime.now(UTC) + timedelta(days=400)
    made = graph.schedules.create(
        "daily", "@daily", {"trail": []}, CONFIG, zone="Asia/Tokyo", until=until, catch_up="all", context=Who("eve")
    )

    assert (made.plan.thread_id, made.plan.zone, made.status) == ("t", "Asia/Tokyo", "active")
    assert graph.schedules.get("daily") == made
    assert graph.schedules.list() == [made]
    assert builder().compile(graph.checkpointer, name="other").schedules.list() == []
    assert graph.schedules.trigger("daily").thread_id == "t"
    assert [one.kind for one in graph.schedules.history("daily")] == ["trigger"]
    assert graph.schedules.pause("daily").status == "paused"
    assert graph.schedules.resume("daily").status == "active"
    assert graph.schedules.delete("daily")
    with pytest.raises(ScheduleNotFound):
        graph.schedules.get("daily")


def test_without_a_thread_each_tick_has_its_own(graph: CompiledStateGraph) -> None:
    graph.schedules.create("often", "* * * * *", {"trail": []}, {"metadata": {"user": "ada"}})

    first, second = (graph.schedules.trigger("often") for _ in range(2))

    assert first.thread_id != second.thread_id
    assert str(first.thread_id).startswith("often@")


@pytest.mark.parametrize("until", [datetime(2100, 1, 1), "2100"])
def test_the_end_of_a_schedule_has_a_time_zone(graph: CompiledStateGraph, until: Any) -> None:
    with pytest.raises(InvalidSchedule, match="time zone"):
        graph.schedules.create("s", "@daily", {"trail": []}, until=until)


def test_a_run_is_begun_where_its_graph_is_known() -> None:
    assert queue_of(builder().compile().graph) is None
    assert queue_of(builder(queue="gpu").compile().graph) == "gpu"
