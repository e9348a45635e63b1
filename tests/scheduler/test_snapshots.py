"""Where a thread stands, as users see it: the state that is live, and the record that never changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graphs.builder import GraphBuilder
from graphs.commands import START
from graphs.graph import Graph
from scheduler.client import Client
from scheduler.config import parse
from scheduler.errors import CheckpointNotFound
from scheduler.failure import describe
from scheduler.snapshots import StateSnapshot
from scheduler.steps import Steps

from .stage import THREAD, begin, claim, fan, finish, line, play, refs

LINE = line("a", "b")
FAN = fan("b", "a")  # added in this order, run in the order of their names
ROOT = GraphBuilder(int).add_node("a", lambda value: value).add_edge(START, "a").build("root", None, None)


def current(client: Client, graph: Graph = LINE, **config: Any) -> StateSnapshot:
    given = {"configurable": {"thread_id": THREAD, **config}}
    return client.snapshots.current(graph, parse(given), given)


def history(client: Client, graph: Graph = LINE, **options: Any) -> list[StateSnapshot]:
    return list(client.snapshots.history(graph, parse({"thread_id": THREAD}), **options))


def id_of(shot: StateSnapshot) -> str:
    return str(shot.config["configurable"]["checkpoint_id"])


@pytest.mark.parametrize("made", [False, True], ids=["unknown", "created"])
def test_a_thread_without_state_shows_none_and_the_config_that_was_asked_with(client: Client, made: bool) -> None:
    if made:
        client.threads.create(THREAD)

    shot = current(client, model="m")

    assert shot == ({}, (), {"configurable": {"thread_id": THREAD, "model": "m"}}, None, None, None, (), ())
    assert history(client) == []


def test_a_snapshot_shows_state_place_and_what_is_due(client: Client) -> None:
    started = begin(client, LINE, {"said": ["hi"]}, metadata={"user": "u1"}, configurable={"model": "m"})

    shot = current(client)

    (order,) = started.orders
    (task,) = shot.tasks
    assert (shot.values, shot.next) == ({"said": ["hi"]}, ("a",))
    assert shot.config == {
        "configurable": {"thread_id": THREAD, "checkpoint_ns": "", "checkpoint_id": order.checkpoint_id}
    }
    assert shot.metadata == {"source": "loop", "step": 0, "parents": {}, "user": "u1", "model": "m"}
    assert (task.id, task.name, task.path) == (order.ref.step_id, "a", ("__pregel_pull", "a"))
    assert (task.error, task.interrupts, task.state, task.result) == (None, (), None, None)
    age = datetime.now(UTC) - datetime.fromisoformat(shot.created_at or "")
    assert abs(age) < timedelta(minutes=1)


def test_the_users_metadata_cannot_pass_for_the_threads_own(client: Client) -> None:
    begin(client, LINE, {}, metadata={"source": "mine", "step": 99})

    assert current(client).metadata == {"source": "loop", "step": 0, "parents": {}}


def test_every_checkpoint_but_the_first_has_its_parent(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)

    shots = history(client)

    assert [shot.parent_config for shot in shots] == [*(shot.config for shot in shots[1:]), None]
    assert [shot.next for shot in shots] == [(), ("b",), ("a",), ("__start__",)]


def test_at_the_head_finished_steps_are_part_of_the_state_and_by_its_id_they_are_not(
    client: Client, steps: Steps
) -> None:
    due = refs(begin(client, FAN, {"said": ["hi"]}).orders)
    finish(steps, FAN, due["a"], said=["a"])

    live, record = current(client, FAN), current(client, FAN, checkpoint_id=client.threads.get(THREAD).cursor)

    assert (live.values, live.next) == ({"said": ["hi", "a"]}, ("b",))
    assert (record.values, record.next) == ({"said": ["hi"]}, ("b", "a"))
    assert history(client, FAN)[0] == record
    assert [(task.name, task.result) for task in live.tasks] == [("b", None), ("a", {"said": ["a"]})]
    assert live.tasks == record.tasks


def test_a_result_of_nothing_counts_as_finished(client: Client, steps: Steps) -> None:
    due = refs(begin(client, FAN, {}).orders)

    finish(steps, FAN, due["a"])

    assert current(client, FAN).next == ("b",)
    assert {task.name: task.result for task in current(client, FAN).tasks} == {"a": {}, "b": None}


def test_a_failure_shows_as_the_text_of_its_error_until_the_step_has_run_again(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    steps.fail(claim(steps, started.orders[0].ref), LINE, describe(RuntimeError("no"), "a"))
    failed = current(client)

    play(steps, LINE, begin(client, LINE).orders)

    assert (failed.next, failed.tasks[0].error, failed.tasks[0].result) == (("a",), "RuntimeError('no')", None)
    again = current(client, checkpoint_id=id_of(failed))
    assert (again.tasks[0].error, again.tasks[0].result) == (None, {"said": ["a"]})


def test_what_was_done_before_a_cancel_stays_part_of_the_state(client: Client, elsewhere: Client, steps: Steps) -> None:
    started = begin(client, FAN, {})
    finish(steps, FAN, refs(started.orders)["b"], said=["b"])

    client.runs.cancel(THREAD, started.run.id)

    for reader in (client, elsewhere):
        assert (current(reader, FAN).values, current(reader, FAN).next) == ({"said": ["b"]}, ("a",))


def test_a_finished_checkpoint_shows_the_result_of_its_steps(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["hi"]}).orders)

    results = [[task.result for task in shot.tasks] for shot in history(client)]

    assert results == [[], [{"said": ["b"]}], [{"said": ["a"]}], [{"said": ["hi"]}]]


def test_a_checkpoint_that_is_not_there_is_named(client: Client) -> None:
    begin(client, LINE, {})

    with pytest.raises(CheckpointNotFound, match="has no checkpoint '1-1'"):
        current(client, checkpoint_id="1-1")
    with pytest.raises(CheckpointNotFound):
        current(client, checkpoint_id=client.threads.get(THREAD).cursor, checkpoint_ns="nobody")


def test_history_can_be_filtered_cut_and_limited(client: Client, steps: Steps) -> None:
    for user in ("u1", "u2"):
        play(steps, LINE, begin(client, LINE, {}, metadata={"user": user}).orders)
    whole = history(client)

    assert len(whole) == 8
    assert history(client, limit=3) == whole[:3]
    assert history(client, before=id_of(whole[2])) == whole[3:]
    assert history(client, before=id_of(whole[2]), limit=2) == whole[3:5]
    assert history(client, matching={"source": "input"}) == [whole[3], whole[7]]
    assert history(client, matching={"user": "u1", "step": 1}) == [whole[5]]
    assert history(client, matching={"user": "u1"}, limit=1) == [whole[4]]
    assert history(client, matching={"user": "nobody"}) == []
    assert history(client, limit=0) == []


def test_history_keeps_both_branches(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["hi"]}).orders)
    before_b = history(client)[1]
    config = parse({"thread_id": THREAD, "checkpoint_id": id_of(before_b)})

    client.editor.update(LINE, config, {"said": ["another b"]}, "b")

    assert [shot.values["said"] for shot in history(client)] == [
        ["hi", "a", "another b"],
        ["hi", "a", "b"],
        ["hi", "a"],
        ["hi"],
        [],
    ]


def test_a_state_of_one_bare_value_shows_as_itself(client: Client, steps: Steps) -> None:
    started = begin(client, ROOT, 5)
    finish(steps, ROOT, started.orders[0].ref, __root__=6)

    assert [(shot.values, [task.result for task in shot.tasks]) for shot in history(client, ROOT)] == [
        (6, []),
        (5, [6]),
        (None, [5]),
    ]


def test_a_snapshot_is_its_readers_own(client: Client) -> None:
    begin(client, LINE, {"said": ["hi"], "answer": {"deep": [1]}})

    shot = current(client)
    shot.values["said"].append("changed")
    shot.values["answer"]["deep"].append(2)

    assert current(client).values == {"said": ["hi"], "answer": {"deep": [1]}}
