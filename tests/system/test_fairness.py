"""A large map leaves other threads their turn, what is urgent goes first, and a crash loses nothing of what is held."""

from pathlib import Path

import pytest

from tests.rabbitmq import RabbitMQ
from tests.system.conftest import Deployment, until
from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver

pytestmark = pytest.mark.system

ITEMS = 1_000


def moments(saver: RedisSaver, thread_id: str, kind: str) -> list[int]:
    """Return when things of a kind happened to a thread, by Redis' clock."""
    return [entry.at_ms for entry in saver.client.log.read(thread_id) if entry.kind == kind]


def test_small_runs_beside_a_large_map_do_not_wait_for_its_end(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.worker("one")
    large = compiled("mapping", saver).submit({"trail": [ITEMS]}, {"thread_id": "large"})
    until(lambda: moments(saver, "large", "committed"), "the map has begun")
    chat = compiled("chat", saver)

    small = [chat.submit({"messages": ["Hello"]}, {"thread_id": f"small-{number}"}) for number in range(5)]
    for handle in small:
        handle.wait(30)

    last = max(moments(saver, handle.thread_id, "finished")[0] for handle in small)
    large.wait(60)
    assert large.result()["trail"][-1] == sum(range(ITEMS))
    before = sum(moment <= last for moment in moments(saver, "large", "committed"))
    assert before < ITEMS / 2, "the small runs were behind half of the map"


def leased_in_turn(deployment: Deployment, saver: RedisSaver) -> list[str]:
    """Let runs wait for one worker, the least urgent ones first; return their threads in the order of their leases."""
    deployment.worker("one", "-c", "1")
    chat, slow = compiled("chat", saver), compiled("slow", saver)
    slow.submit({"trail": [2.0]}, {"thread_id": "busy"}, priority=9)
    until(lambda: moments(saver, "busy", "leased"), "the worker is busy")
    threads = [f"{priority} {number}" for priority in (0, 2, 5, 9) for number in range(2)]
    for thread in threads:
        chat.submit({"messages": ["Hello"]}, {"thread_id": thread, "priority": int(thread[0])})
    waits = saver.threads.pending("9 0")
    until(lambda: all(moments(saver, thread, "finished") for thread in threads), "all have ended")
    assert [(step.state, step.priority) for step in waits] == [("queued", 9)], "the worker was not busy for long enough"
    return sorted(threads, key=lambda thread: moments(saver, thread, "leased"))


def test_what_is_urgent_goes_first(deployment: Deployment, saver: RedisSaver) -> None:
    assert leased_in_turn(deployment, saver) == ["9 0", "9 1", "5 0", "5 1", "2 0", "2 1", "0 0", "0 1"]


def test_what_is_urgent_goes_first_on_a_rabbitmq(
    deployment: Deployment, saver: RedisSaver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not RabbitMQ.found():
        pytest.fail("This test needs RabbitMQ (Debian: apt-get install rabbitmq-server).")
    broker = RabbitMQ(tmp_path).start()
    try:
        for name, value in {"TREADLE_BROKER_URL": broker.url, "TREADLE_BROKER_PRIORITIES": "true"}.items():
            deployment.settings[name] = value
            monkeypatch.setenv(name, value)

        first, *others = leased_in_turn(deployment, saver)

        assert first == "0 0"  # the worker had it already, as the only one that waited
        assert others == ["9 0", "9 1", "5 0", "5 1", "2 0", "2 1", "0 1"]
    finally:
        broker.stop()


def test_what_is_held_runs_when_those_that_let_it_go_were_killed(deployment: Deployment, saver: RedisSaver) -> None:
    deployment.settings |= {"TREADLE_FAIR_SHARE": "4", "TREADLE_QUEUE_WAIT_MS": "1000"}
    deployment.scheduler()
    deployment.worker("first")
    graph, items = compiled("mapping", saver), 200
    handle = graph.submit({"trail": [items]}, {"thread_id": "map"})
    until(lambda: moments(saver, "map", "committed"), "the map has begun")

    deployment.kill("first")
    states = {step.state for step in saver.threads.pending("map")}
    deployment.worker("second")

    assert "held" in states
    assert handle.wait(60).is_final
    assert handle.result()["trail"] == [items, *range(items), sum(range(items))]
    assert len(moments(saver, "map", "committed")) == items + 1
