"""The schedule of faults, and what the checks say of threads that were tampered with."""

from dataclasses import replace

import pytest

from scheduler.log import LogEntry
from tests.chaos import checks, recovery
from tests.chaos.evidence import Checkpoint, Evidence, Findings
from tests.chaos.faults import Kind, schedule
from tests.chaos.saboteur import Injected


def entry(seq: int, kind: str, step: str = "s", token: int = 1, worker: str = "w1@test") -> LogEntry:
    return LogEntry(seq, kind, seq * 1_000, "r", {"step": step, "token": token, "worker": worker}, "")


FIRST = Checkpoint("a", None, -1)
#: A thread as it should be: one step, which lost its worker once.
SOUND = Evidence(
    "t",
    "idle",
    [entry(1, "leased", token=1), entry(5, "lost worker"), entry(6, "leased", token=2), entry(7, "committed", token=2)],
    None,
    {"trail": ["s"]},
    [FIRST, Checkpoint("b", "a", 0)],
    [],
    [],
)
LOG = list(SOUND.log)


def test_the_same_seed_is_the_same_schedule_and_deals_every_kind() -> None:
    first, second = (schedule(5, list(Kind), lasts_s=120, every_s=2, lease_s=2) for _ in range(2))

    assert first == second
    assert {fault.kind for fault in first} == set(Kind)
    assert schedule(6, list(Kind), lasts_s=120, every_s=2, lease_s=2) != first


def test_a_sound_thread_passes_every_check() -> None:
    found = Findings([SOUND], keys=["treadle:{p1}:thread:t", "treadle:{p1}:due"], calls={("t", "s"): 2})

    assert not any(checks.verdicts(found).values())
    assert not list(checks.states_are_exact(found, {"t": ["s"]}))


@pytest.mark.parametrize(
    ("check", "thread"),
    [
        (checks.every_thread_is_there_and_rests, replace(SOUND, status="running")),
        (checks.every_thread_is_there_and_rests, replace(SOUND, status="missing")),
        (checks.every_step_was_committed_once, replace(SOUND, log=[*LOG, entry(8, "committed", token=2)])),
        (checks.only_the_newest_lease_commits, replace(SOUND, log=[*LOG[:3], entry(7, "committed", token=1)])),
        (checks.tokens_rise, replace(SOUND, log=[*LOG, entry(8, "leased", token=2)])),
        (checks.checkpoints_are_one_line, replace(SOUND, checkpoints=[FIRST, Checkpoint("b", "x", 0)])),
        (checks.checkpoints_are_one_line, replace(SOUND, checkpoints=[FIRST, Checkpoint("b", "a", 1)])),
        (checks.every_log_is_whole, replace(SOUND, broken="Entry 2 was altered.")),
        (checks.nothing_is_in_flight, replace(SOUND, pending=["node (leased)"])),
    ],
)  # fmt: skip
def test_a_check_sees_what_it_is_for(check: checks.Check, thread: Evidence) -> None:
    assert list(check(Findings([thread])))


def test_the_checks_see_what_is_left_behind() -> None:
    orphan, left = ["treadle:{p1}:log:other"], ["treadle:{p1}:run:t:r"]

    wrong = checks.verdicts(Findings([SOUND], ["due: t s"], orphan, 1, left, {("t", "s"): 3}))

    assert {name for name, sentences in wrong.items() if sentences} == {
        "nothing is in flight",
        "no message is left",
        "every key belongs to a thread",
        "nodes ran under a lease",
    }


def test_recovery_counts_from_the_fault_to_the_next_lease() -> None:
    faults = [Injected(500, Kind.WORKER_KILLED, "w1"), Injected(2_000, Kind.WORKER_KILLED, "w1")]

    assert recovery.of_steps([SOUND], faults) == [4.0]
    assert recovery.of_steps([SOUND], [Injected(3_000, Kind.REDIS_KILLED, "the store")]) == [3.0]
    assert recovery.of_steps([SOUND], []) == [1.0]
