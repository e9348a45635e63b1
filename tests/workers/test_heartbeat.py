"""The heartbeat keeps what runs, and reports what lost its lease, neither too early nor never."""

from collections.abc import Callable, Mapping

import redis as redis_py

from scheduler.connection import Connection, open_connection
from scheduler.dispatch import Inline, StepRef
from scheduler.runs import RunStore
from scheduler.settings import Settings
from scheduler.steps import Steps
from workers.heartbeat import Heartbeat

REF = StepRef("t", "run", "step")
BEATS_PER_LEASE = 6


class Leases(Steps):
    """Steps whose leases are good or gone as the test says."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, RunStore(connection), "me")
        self.good = True
        self.renewed = self.asked = 0

    def renew(self, held: Mapping[StepRef, str]) -> dict[StepRef, bool]:
        self.asked += 1
        self.renewed += len(held)
        return dict.fromkeys(held, self.good)


def beating(
    redis: redis_py.Redis, running: Callable[[], Mapping[StepRef, str]]
) -> tuple[Heartbeat, Leases, list[tuple[StepRef, str]]]:
    connection = open_connection(redis, Settings(), Inline())
    leases, lost = Leases(connection), list[tuple[StepRef, str]]()
    return Heartbeat(connection, leases, running, lambda ref, delivery: lost.append((ref, delivery))), leases, lost


def test_what_runs_is_renewed_with_every_beat(redis: redis_py.Redis) -> None:
    heartbeat, leases, lost = beating(redis, lambda: {REF: "d"})

    for _ in range(3):
        heartbeat.beat()

    assert (leases.renewed, lost) == (3, [])


def test_all_that_runs_is_renewed_at_once(redis: redis_py.Redis) -> None:
    running = {StepRef("t", "run", f"{number}"): "d" for number in range(500)}
    heartbeat, leases, _ = beating(redis, lambda: running)

    heartbeat.beat()

    assert (leases.asked, leases.renewed) == (1, 500)


def test_a_lease_that_is_gone_is_reported_with_the_second_beat(redis: redis_py.Redis) -> None:
    heartbeat, leases, lost = beating(redis, lambda: {REF: "d"})
    heartbeat.beat()
    leases.good = False

    heartbeat.beat()
    after_one = list(lost)
    heartbeat.beat()

    assert (after_one, lost) == ([], [(REF, "d")])


def test_a_step_that_is_not_claimed_yet_gets_the_time_of_a_lease(redis: redis_py.Redis) -> None:
    heartbeat, leases, lost = beating(redis, lambda: {REF: "d"})
    leases.good = False

    for _ in range(BEATS_PER_LEASE):
        heartbeat.beat()
    within_a_lease = list(lost)
    heartbeat.beat()

    assert (within_a_lease, lost) == ([], [(REF, "d")])


def test_a_step_that_ended_is_forgotten(redis: redis_py.Redis) -> None:
    running = {REF: "first"}
    heartbeat, leases, lost = beating(redis, lambda: dict(running))
    leases.good = False
    for _ in range(BEATS_PER_LEASE):
        heartbeat.beat()

    running[REF] = "second"
    heartbeat.beat()

    assert lost == []
