"""Following a run at a terminal."""

from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from scheduler.following import Follower, LiveEvent
from tests.conftest import RealRedis
from tests.workers.commands.sample import builder
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import CompiledStateGraph
from workers.desk import Desk
from workers.progress import Progress, ticking
from workers.settings import WorkerSettings


@pytest.fixture
def graph(real_redis: RealRedis) -> CompiledStateGraph:
    """A graph, executed in this process."""
    real_redis.flush()
    return builder.compile(checkpointer=RedisSaver(real_redis.url, inline=True), name="sample")


@pytest.fixture
def desk(real_redis: RealRedis) -> Iterator[Desk]:
    """The same store, seen from the command line."""
    desk = Desk(WorkerSettings(redis_url=real_redis.url))
    yield desk
    desk.engine.connection.client.close()


def shown(desk: Desk, run_id: str, *, terminal: bool, writes: bool = True) -> str:
    """Return what a person is shown of a run of thread t-1."""
    screen = StringIO()
    out = Console(file=screen, force_terminal=terminal, width=150, color_system=None)
    Progress(desk, out, writes=writes).follow("t-1", run_id)
    return screen.getvalue()


def test_everything_that_happens_is_a_line(graph: CompiledStateGraph, desk: Desk) -> None:
    run = graph.submit({"text": "hello"}, {"thread_id": "t-1"})

    lines = shown(desk, run.id, terminal=False).splitlines()

    assert [line[14:].split()[0] for line in lines] == [
        "created",
        "started",
        "leased",
        "writes",
        "committed",
        "leased",
        "committed",
        "finished",
    ]


def test_what_nodes_write_can_be_left_to_the_table(graph: CompiledStateGraph, desk: Desk) -> None:
    run = graph.submit({"text": "hello"}, {"thread_id": "t-1"})

    assert "writes" not in shown(desk, run.id, terminal=False, writes=False)


def test_a_terminal_is_shown_the_steps_as_they_stand(graph: CompiledStateGraph, desk: Desk) -> None:
    run = graph.submit({"text": "hello"}, {"thread_id": "t-1"})

    screen = shown(desk, run.id, terminal=True)

    assert "wrote last" in screen
    assert "done" in screen


def test_the_end_of_a_run_is_returned(graph: CompiledStateGraph, desk: Desk) -> None:
    run = graph.submit({"text": "fail"}, {"thread_id": "t-1"})

    assert Progress(desk, Console(quiet=True)).follow("t-1", run.id) == "error"


def test_a_silence_is_a_tick_and_nothing_is_lost_by_it(
    graph: CompiledStateGraph, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.progress.TICK_S", 0.001)
    run = graph.submit({"text": "hello"}, {"thread_id": "t-1"})

    happened = [one.seq for one in ticking(desk.follower, "t-1", run.id, 0) if one is not None]

    assert happened == sorted(set(happened))
    assert len(happened) == 8


def test_the_ticks_go_on_after_what_was_seen(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    asked_after: list[int] = []

    def follow(self: Follower, thread_id: str, run_id: str, after: int, deadline: float) -> Iterator[LiveEvent]:
        asked_after.append(after)
        if after < 2:
            yield LiveEvent(after + 1, run_id, "s", "node", 1, None)
            raise TimeoutError

    monkeypatch.setattr(Follower, "follow", follow)

    seen = [one and one.seq for one in ticking(desk.follower, "t-1", "r", 0)]

    assert seen == [1, None, 2, None]
    assert asked_after == [0, 1, 2]
