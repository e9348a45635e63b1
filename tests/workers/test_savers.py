"""What a checkpointer tells of its threads: checkpoints of all frames, by their configs; and threads copied whole."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from treadle.errors import InvalidThreadId
from treadle.graph import START, CompiledStateGraph, StateGraph
from treadle.types import Command, interrupt

CONFIG = {"configurable": {"thread_id": "t"}}
COPY = {"configurable": {"thread_id": "copy"}}


class State(TypedDict, total=False):
    said: Annotated[list[Any], operator.add]


def nested(saver: BaseCheckpointSaver) -> CompiledStateGraph:
    """A graph whose child asks."""
    child = StateGraph(State).add_node("ask", lambda state: {"said": [interrupt("?")]}).add_edge(START, "ask")
    return StateGraph(State).add_node("child", child.compile()).add_edge(START, "child").compile(saver)


def ns_of(found: CheckpointTuple) -> str:
    return str(found.config["configurable"]["checkpoint_ns"])


def test_a_saver_tells_of_the_checkpoint_that_a_thread_stands_on(saver: BaseCheckpointSaver) -> None:
    graph = nested(saver)
    graph.invoke({"said": ["hi"]}, CONFIG)
    head = graph.get_state(CONFIG)

    found = saver.get_tuple(CONFIG)

    assert found is not None
    assert (found.config, found.metadata, found.parent_config) == (head.config, head.metadata, head.parent_config)
    assert found.checkpoint == {
        "id": head.config["configurable"]["checkpoint_id"],
        "ts": head.created_at,
        "channel_values": {"said": ["hi"]},
    }
    assert found.pending_writes == [(head.tasks[0].id, "__interrupt__", head.interrupts)]
    assert saver.get_tuple(head.parent_config or {}) == list(saver.list(CONFIG, before=head.config))[-1]


def test_what_a_saver_hands_out_is_not_what_it_keeps(saver: BaseCheckpointSaver) -> None:
    nested(saver).invoke({"said": ["hi"]}, CONFIG)
    found = saver.get_tuple(CONFIG)
    assert found is not None

    found.checkpoint["channel_values"]["said"].append("more")

    assert saver.get_tuple(CONFIG) != found


def test_a_saver_knows_nothing_of_a_thread_that_is_not_there(saver: BaseCheckpointSaver) -> None:
    assert (saver.get_tuple(CONFIG), list(saver.list(CONFIG))) == (None, [])
    assert saver.get_tuple({"configurable": {"thread_id": "t", "checkpoint_id": "1-1"}}) is None
    with pytest.raises(InvalidThreadId):
        saver.get_tuple({})


def test_without_a_namespace_the_checkpoints_of_all_frames_are_listed(saver: BaseCheckpointSaver) -> None:
    graph = nested(saver)
    graph.invoke({}, CONFIG)
    (task,) = graph.get_state(CONFIG).tasks

    listed = list(saver.list(CONFIG))

    frame = f"child:{task.id}"
    assert [ns_of(found) for found in listed] == [frame, frame, "", ""]
    ids = [found.checkpoint["id"] for found in listed]
    assert ids == sorted(ids, reverse=True)
    of_frame = {"configurable": {"thread_id": "t", "checkpoint_ns": frame}}
    assert list(saver.list(of_frame)) == listed[:2]
    assert list(saver.list({"configurable": {"thread_id": "t", "checkpoint_ns": ""}})) == listed[2:]
    assert saver.get_tuple(of_frame) == listed[0]


def test_a_list_can_be_narrowed(saver: BaseCheckpointSaver) -> None:
    nested(saver).invoke({}, CONFIG)
    listed = list(saver.list(CONFIG))

    assert list(saver.list(CONFIG, limit=1)) == listed[:1]
    assert list(saver.list(CONFIG, before=listed[1].config)) == listed[2:]
    assert list(saver.list(CONFIG, filter={"source": "input"})) == [listed[1], listed[3]]


def test_a_deleted_thread_is_not_listed(saver: BaseCheckpointSaver) -> None:
    nested(saver).invoke({}, CONFIG)

    saver.delete_thread("t")

    assert (saver.get_tuple(CONFIG), list(saver.list(CONFIG))) == (None, [])


def test_a_pause_inside_of_a_child_is_copied_and_both_can_be_answered(saver: BaseCheckpointSaver) -> None:
    graph = nested(saver)
    graph.invoke({}, CONFIG)

    saver.copy_thread("t", "copy")

    assert graph.get_state(COPY).interrupts == graph.get_state(CONFIG).interrupts
    assert graph.invoke(Command(resume="copy"), COPY) == {"said": ["copy"]}
    assert graph.invoke(Command(resume="original"), CONFIG) == {"said": ["original"]}


def test_a_fork_is_copied_and_gone_on_with(saver: BaseCheckpointSaver) -> None:
    graph = nested(saver)
    graph.invoke({}, CONFIG)
    graph.invoke(None, graph.get_state(CONFIG).config)

    graph.threads.copy("t", "copy")

    assert graph.invoke(Command(resume="yes"), COPY) == {"said": ["yes"]}
    assert graph.invoke(None, list(graph.get_state_history(COPY))[1].config)["__interrupt__"]


def test_every_call_has_an_asynchronous_form(saver: BaseCheckpointSaver) -> None:
    nested(saver).invoke({}, CONFIG)

    async def use() -> list[Any]:
        found = await saver.aget_tuple(CONFIG)
        listed = [one async for one in saver.alist(CONFIG, limit=1)]
        await saver.acopy_thread("t", "copy")
        await saver.adelete_thread("t")
        return [found, listed]

    expected = [saver.get_tuple(CONFIG), list(saver.list(CONFIG, limit=1))]
    assert asyncio.run(use()) == expected
    assert (saver.get_tuple(CONFIG), saver.get_tuple(COPY) is None) == (None, False)
