"""A process that dies while it archives a thread: the thread is whole in Redis, or whole in its file."""

import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest

from tests.conftest import RealRedis
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import START, CompiledStateGraph, StateGraph

pytestmark = pytest.mark.system

#: Where it dies -> what of the code it does not survive.
DEATHS = {
    "before the file": "scheduler.depot._write_here = die",
    "with half a file": "os.fsync = die",
    "before the file has its name": "pathlib.Path.replace = die",
    "before the deletion": "scheduler.ending_scripts.EndingScripts.free_thread = die",
    "after the deletion": "scheduler.checkpoints.CheckpointStore.forget = die",
}
PROGRAM = """
import os, pathlib, sys
import scheduler.checkpoints, scheduler.depot, scheduler.ending_scripts
from treadle.checkpoint.redis import RedisSaver
die = lambda *args, **options: os.kill(os.getpid(), 9)
{death}
RedisSaver({url!r}, inline=True).archives.put("t", {folder!r})
"""


class State(TypedDict):
    n: int


def count(state: State) -> State:
    return {"n": state["n"] + 1}


def counting(saver: RedisSaver) -> CompiledStateGraph:
    return StateGraph(State).add_node("count", count).add_edge(START, "count").compile(checkpointer=saver)


@pytest.mark.parametrize("death", DEATHS)
def test_a_thread_is_whole_wherever_archiving_dies(real_redis: RealRedis, tmp_path: Path, death: str) -> None:
    real_redis.flush()
    graph = counting(RedisSaver(real_redis.url, inline=True))
    graph.invoke({"n": 1}, {"thread_id": "t"})
    program = PROGRAM.format(death=DEATHS[death], url=real_redis.url, folder=str(tmp_path))

    died = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True)

    assert died.returncode == -9, died.stderr
    assert (graph.threads.get("t").status == "archived") is (death == "after the deletion")
    if death != "after the deletion":
        assert graph.get_state({"thread_id": "t"}).values == {"n": 2}
    archived = graph.archives.put("t", str(tmp_path))
    assert [str(file) for file in tmp_path.glob("t.*.treadle")] == [archived.url]
    assert graph.invoke({"n": 5}, {"thread_id": "t", "on_archived": "restore"}) == {"n": 6}
    assert graph.threads.get("t").archive is None
