"""Limits over a whole deployment, with real workers: how many steps run at once, whose, and how often they start."""

import signal
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest

from scheduler.handle import RunHandle
from scheduler.log import LogEntry
from tests.system.conftest import Deployment, until
from tests.system.limited import compiled
from treadle.checkpoint.redis import RedisSaver
from treadle.types import Command

pytestmark = pytest.mark.system

GRAPHS = "tests.system.limited:all_graphs"


@pytest.fixture
def pair(deployment: Deployment) -> Iterator[Deployment]:
    """Two workers of four processes, and a scheduler."""
    deployment.scheduler()
    for name in ("first", "second"):
        deployment.worker(name, "-c", "4", graphs=GRAPHS)
    until(lambda: "scheduler started" in deployment.output("scheduler"), "the scheduler has started")
    yield deployment


def spans(notes: Path) -> list[tuple[float, float, str]]:
    """Return from when to when somebody was at work, and in which worker."""
    lines = [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []
    return [(float(began), float(ended), worker) for began, ended, worker in lines]


def leased(saver: RedisSaver, thread_id: str) -> list[LogEntry]:
    return [entry for entry in saver.client.log.read(thread_id) if entry.kind == "leased"]


def most_at_once(found: list[tuple[float, float, str]]) -> int:
    """Return how many were at work at once."""
    moments = sorted([(began, 1) for began, _, _ in found] + [(ended, -1) for _, ended, _ in found])
    return max(accumulate(change for _, change in moments))


def test_no_more_steps_of_a_graph_run_at_once_than_it_may_have(
    pair: Deployment, saver: RedisSaver, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    graph = compiled("three", saver)

    handles = [
        graph.submit({"notes": str(notes), "items": 10, "seconds": 0.2}, {"thread_id": f"t{number}"})
        for number in range(3)
    ]
    for handle in handles:
        assert len(handle.result(timeout=60)["done"]) == 10

    found = spans(notes)
    assert len(found) == 30
    assert most_at_once(found) == 3
    assert len({worker for _, _, worker in found}) == 2


def test_a_tenant_with_much_to_do_leaves_the_others_their_slots(
    pair: Deployment, saver: RedisSaver, tmp_path: Path
) -> None:
    graph = compiled("shared", saver)
    notes = {tenant: tmp_path / tenant for tenant in ("big", "small")}

    def submitted(tenant: str, items: int) -> RunHandle:
        config = {"configurable": {"thread_id": tenant, "tenant": tenant}}
        return graph.submit({"notes": str(notes[tenant]), "items": items, "seconds": 0.2}, config)

    big = submitted("big", 40)
    until(lambda: spans(notes["big"]), "the big one is at work")
    small = submitted("small", 6)
    small.result(timeout=60)

    assert len(spans(notes["big"])) < 30  # it had two of four slots, and no more
    assert len(big.result(timeout=60)["done"]) == 40
    assert [most_at_once(spans(notes[tenant])) for tenant in notes] == [2, 2]


def test_a_slot_lasts_as_long_as_its_step_and_comes_back_when_the_worker_is_killed(
    pair: Deployment, saver: RedisSaver, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    graph = compiled("three", saver)
    handle = graph.submit({"notes": str(notes), "items": 6, "seconds": 6.0}, {"thread_id": "t"})  # three leases
    until(lambda: len(leased(saver, "t")) == 3, "three are at work")
    holders = Counter(str(entry.data["worker"]).partition("@")[0] for entry in leased(saver, "t"))

    pair.kill(holders.most_common(1)[0][0], signal.SIGKILL)

    assert len(handle.result(timeout=60)["done"]) == 6
    assert most_at_once(spans(notes)) == 3
    kinds = [entry.kind for entry in saver.client.log.read("t")]
    assert kinds.count("lost worker") >= 1


def test_a_node_starts_no_more_often_than_it_may_on_all_workers_and_the_others_pass(
    pair: Deployment, saver: RedisSaver, tmp_path: Path
) -> None:
    paced = compiled("paced", saver).submit(
        {"notes": str(tmp_path / "paced"), "items": 40, "seconds": 0.01}, {"thread_id": "paced"}
    )
    until(lambda: leased(saver, "paced"), "the first one starts")
    free = compiled("free", saver).submit({"notes": str(tmp_path / "free"), "seconds": 0.01}, {"thread_id": "free"})

    free.result(timeout=10)
    assert not paced.status.is_final
    assert len(paced.result(timeout=60)["done"]) == 40

    moments = [entry.at_ms for entry in leased(saver, "paced")]
    assert moments[-1] - moments[0] > 3_000  # forty of them, a tenth of a second apart, and half a second of slack
    assert max(sum(at <= other < at + 1_000 for other in moments) for at in moments) <= 16
    assert [entry.kind for entry in saver.client.log.read("paced")].count("limited") <= 40


def test_a_graph_that_may_run_one_step_at_once_gets_through_all_that_a_thread_can_do(
    pair: Deployment, saver: RedisSaver, tmp_path: Path
) -> None:
    graph = compiled("one", saver)
    threads = [{"thread_id": f"t{number}"} for number in range(3)]

    handles = [graph.submit({"notes": str(tmp_path / "notes"), "seconds": 0.1}, config) for config in threads]
    for handle in handles:
        handle.result(timeout=60)
    answered = [graph.invoke(Command(resume="yes"), config) for config in threads]

    assert [found["done"] for found in answered] == [["worked", "over", "called", "slept", "yes", "handled"]] * 3
    assert most_at_once(spans(tmp_path / "notes")) == 1
