"""What the scripts count: each thing once, whoever reads it and however many schedulers there are."""

from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.counts import WAIT_BOUNDS_MS, Counts
from scheduler.lua_files import shared
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog

from .stage import begin, claim, expire_lease, line, play

LINE = line("a", "b")


def counts(connection: Connection) -> Counts:
    return Counts.of(connection.redis.hgetall(key) for key in connection.keys.counts())


def test_runs_are_counted_when_they_end_by_graph_and_status(client: Client, steps: Steps) -> None:
    for thread in ("t1", "t2"):
        play(steps, LINE, begin(client, LINE, {}, thread).orders)
    started = begin(client, line("a", name="other one"), {}, "t3")
    client.runs.cancel("t3", started.run.id)
    begin(client, LINE, {}, "t4")

    assert counts(client.connection).ended == {("line", "success"): 2, ("other one", "cancelled"): 1}


def test_a_lost_lease_is_counted_once_though_scheduler_and_worker_see_it(
    client: Client, steps: Steps, rival: Steps, watchdog: Watchdog
) -> None:
    order = begin(client, LINE, {}).orders[0]
    expire_lease(client.connection, claim(steps, order.ref).ref)

    watchdog.sweep()
    claim(rival, order.ref)

    assert counts(client.connection).lapsed == {"lost worker": 1}


def test_a_lease_that_is_handed_back_for_a_dead_process_is_lost_and_one_of_a_worker_that_leaves_is_not(
    client: Client, steps: Steps
) -> None:
    order = begin(client, LINE, {}).orders[0]
    for kind in ("released", "lost worker"):
        claimed = claim(steps, order.ref)
        steps.release(claimed.ref, claimed.delivery, kind)

    assert counts(client.connection).lapsed == {"lost worker": 1}


def test_the_wait_of_a_step_is_counted_with_its_first_lease_alone(client: Client, steps: Steps) -> None:
    order = begin(client, LINE, {}).orders[0]
    for _ in range(2):
        claimed = claim(steps, order.ref)
        steps.release(claimed.ref, claimed.delivery, "released")

    found = counts(client.connection)

    assert sum(found.waits) == 1
    assert 0 <= found.waited_ms < 60_000


def test_the_bounds_are_those_of_the_script() -> None:
    assert any(", ".join(WAIT_BOUNDS_MS[:-1]) in text for text in shared())
