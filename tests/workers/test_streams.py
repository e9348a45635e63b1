"""What the stream modes show of a run in this process."""

import threading
from typing import Any

from tests.workers.lines import CONFIG, Trail, append, line, single
from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.config import get_stream_writer
from treadle.graph import StateGraph


def test_modes_come_in_their_order_within_a_step(saver: BaseCheckpointSaver) -> None:
    def node(state: Trail) -> dict[str, Any]:
        get_stream_writer()({"progress": 1})
        return {"trail": ["a"]}

    modes = ["values", "updates", "custom", "tasks", "checkpoints"]
    chunks = list(single(saver, node).stream({"trail": [0]}, CONFIG, stream_mode=modes))

    kinds = ["checkpoints", "values", "checkpoints", "tasks", "custom", "updates", "tasks", "values", "checkpoints"]
    assert [mode for mode, _ in chunks] == kinds
    assert [chunk for mode, chunk in chunks if mode == "values"] == [{"trail": [0]}, {"trail": [0, "a"]}]
    assert dict(chunks)["updates"] == {"node": {"trail": ["a"]}}


def test_a_node_that_writes_nothing_shows_as_none_and_changes_no_values(saver: BaseCheckpointSaver) -> None:
    chunks = list(single(saver, lambda state: None).stream({"trail": [0]}, CONFIG, stream_mode=["values", "updates"]))

    assert chunks == [("values", {"trail": [0]}), ("updates", {"node": None})]


def test_streamed_checkpoints_equal_those_of_the_history(saver: BaseCheckpointSaver) -> None:
    graph = line(saver, "a", "b")

    streamed = list(graph.stream({"trail": []}, CONFIG, stream_mode="checkpoints"))

    history = list(graph.get_state_history(CONFIG))
    assert [part["config"] for part in streamed] == [snapshot.config for snapshot in reversed(history)]
    assert [part["values"] for part in streamed] == [snapshot.values for snapshot in reversed(history)]


def test_closing_a_stream_ends_its_run_and_the_thread_can_go_on(saver: BaseCheckpointSaver) -> None:
    released = threading.Event()
    builder = StateGraph(Trail).add_node("a", append("a")).add_node("b", lambda state: released.wait(10) and None)
    graph = builder.set_entry_point("a").add_edge("a", "b").compile(saver)
    stream = graph.stream({"trail": []}, CONFIG)
    next(stream)

    stream.close()
    released.set()

    assert saver.client.runs.recent("t")[0].status == "cancelled"
    assert graph.invoke(None, CONFIG) == {"trail": ["a"]}


def test_the_second_version_gives_every_part_one_shape(saver: BaseCheckpointSaver) -> None:
    parts = list(line(saver, "a").stream({"trail": []}, CONFIG, version="v2"))

    assert [{key: part[key] for key in ("type", "ns", "data")} for part in parts] == [
        {"type": "updates", "ns": (), "data": {"a": {"trail": ["a"]}}}
    ]
