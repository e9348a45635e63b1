"""Time, with real workers and schedulers that are killed: sleeping, beginning later, and ticking, each once."""

import time

import pytest

from tests.system import sleepers
from tests.system.conftest import Deployment, until
from treadle.checkpoint.redis import RedisSaver

pytestmark = pytest.mark.system

GRAPHS = "tests.system.sleepers:all_graphs"
THREADS, TICKS = 15, 30


def kinds(saver: RedisSaver, thread_id: str) -> list[str]:
    return [entry.kind for entry in saver.client.log.read(thread_id)]


def missed(saver: RedisSaver, schedule_id: str) -> None:
    """Let a schedule be due as when no scheduler has run for half an hour."""
    keys, first_ms = (
        saver.client.connection.keys.of_schedule(schedule_id),
        (time.time_ns() // 10**6 // 60_000 - TICKS) * 60_000,
    )
    with saver.client.connection.client.pipeline() as pipeline:
        pipeline.hset(keys.schedule, "next", first_ms)
        pipeline.zadd(keys.ticks, {schedule_id: first_ms})
        pipeline.execute()


def test_what_sleeps_begins_later_or_ticks_does_so_once_whoever_dies(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one", "-P", "solo", graphs=GRAPHS)
    deployment.scheduler("first")
    deployment.scheduler("second")
    sleeper, quick = sleepers.sleeper(saver), sleepers.quick(saver)

    handles = [sleeper.submit({"trail": []}, {"thread_id": f"t-{number}"}) for number in range(THREADS)]
    later = quick.submit({"trail": []}, {"thread_id": "later"}, delay=1)
    until(
        lambda: all(kinds(saver, handle.thread_id).count("slept") >= 3 for handle in handles),
        "all sleep, those that a node calls in its body with the node; and none holds the one worker",
    )
    quick.schedules.create("often", "* * * * *", {"trail": []}, catch_up="all")
    missed(saver, "often")
    until(lambda: quick.schedules.history("often"), "the schedule ticks")
    deployment.kill("one")
    deployment.kill("first")
    deployment.worker("two", "-c", "2", graphs=GRAPHS)

    for handle in handles:
        assert handle.result(timeout=20) == {"trail": ["rested", "called", "rested"]}
        assert saver.client.log.verify(handle.thread_id) is None
    assert later.result(timeout=20) == {"trail": ["said"]}
    until(lambda: all(one.status == "success" for one in quick.schedules.history("often", 100)), "all ticks have run")
    history = quick.schedules.history("often", 100)
    assert len({one.tick_ms for one in history}) == len(history) >= TICKS
    thread_ids = ["later", *(str(one.thread_id) for one in history)]
    assert all(kinds(saver, thread_id).count("started") == 1 for thread_id in thread_ids)
