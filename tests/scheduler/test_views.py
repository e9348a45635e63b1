"""Stream modes: what a follower is shown, in which order, and that a later reader is shown the same."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from graphs.checkpoint import Result
from graphs.errors import GraphRecursionError, UnknownKey
from graphs.frames import Root
from graphs.graph import Graph
from scheduler.client import Client, Following
from scheduler.failure import describe
from scheduler.following import Follower
from scheduler.frame_view import Look
from scheduler.parts import MODES, Part, check_modes
from scheduler.steps import Steps
from scheduler.views import View

from .stage import (
    THREAD,
    begin,
    branching,
    claim,
    expire_lease,
    fan,
    finish,
    line,
    overtime,
    pass_deadline,
    play,
    refs,
    rewrite,
    wrote,
)
from .test_following import say

LINE = line("a", "b", b={"timeout": 5})
FAN = fan("b", "a")


def parts(client: Client, graph: Graph, run_id: str, *modes: str, **options: Any) -> list[Part]:
    """Return what a follower of a run is shown."""
    after = options.pop("after", None)
    following = Following(graph, THREAD, run_id, modes, **options)
    return list(client.stream(following, after))


def shown(client: Client, graph: Graph, run_id: str, mode: str, **options: Any) -> list[Any]:
    """Return the data of the parts of one mode."""
    return [part.data for part in parts(client, graph, run_id, mode, **options)]


def short(part: Part) -> str:
    """Return a part in one word."""
    if part.mode == "tasks":
        return f"{'task' if 'triggers' in part.data else 'result'} {part.data['name']}"
    if part.mode == "checkpoints":
        return f"checkpoint {part.data['metadata']['step']}"
    return f"updates {'+'.join(part.data)}" if part.mode == "updates" else part.mode


def test_the_modes_of_one_step_are_in_one_order(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {"said": ["hi"]})
    held = claim(steps, started.orders[0].ref)
    say(client, steps, held, "working")
    play(steps, LINE, steps.commit(held, LINE, wrote(held, said=["a"])).orders)

    seen = parts(client, LINE, started.run.id, "values", "updates", "custom", "tasks", "checkpoints")

    assert list(map(short, seen)) == [
        *["checkpoint -1", "values", "checkpoint 0"],
        *["task a", "custom", "updates a", "result a", "values", "checkpoint 1"],
        *["task b", "updates b", "result b", "values", "checkpoint 2"],
    ]


def test_values_are_the_whole_state_after_the_input_and_after_each_step_that_wrote(
    client: Client, steps: Steps
) -> None:
    started = begin(client, LINE, {"said": ["hi"]})
    (order,) = finish(steps, LINE, started.orders[0].ref).orders
    finish(steps, LINE, order.ref, said=["b"])

    assert shown(client, LINE, started.run.id, "values") == [{"said": ["hi"]}, {"said": ["hi", "b"]}]
    assert shown(client, LINE, started.run.id, "values", output_keys=["said"])[0] == {"said": ["hi"]}
    assert shown(client, LINE, started.run.id, "values", output_keys="said") == [["hi"], ["hi", "b"]]
    with pytest.raises(UnknownKey):
        shown(client, LINE, started.run.id, "values", output_keys="nothing")


def test_updates_are_told_by_node_as_they_finish_and_none_for_no_update(client: Client, steps: Steps) -> None:
    started = begin(client, FAN, {})
    due = refs(started.orders)
    finish(steps, FAN, due["b"], said=["b"])
    held = claim(steps, due["a"])
    progress = steps.commit(held, FAN, wrote(held))
    two = claim(steps, progress.orders[0].ref)
    steps.commit(two, FAN, Result(two.step, ({"said": [1]}, {"said": [2]})))

    assert shown(client, FAN, started.run.id, "updates") == [
        {"b": {"said": ["b"]}},
        {"a": None},
        {"join": [{"said": [1]}, {"said": [2]}]},
    ]


def test_all_steps_of_a_superstep_start_in_the_order_of_their_names_and_end_as_they_finish(
    client: Client, steps: Steps
) -> None:
    started = begin(client, FAN, {"said": ["hi"]})
    due = refs(started.orders)
    finish(steps, FAN, due["b"], said=["b"])
    finish(steps, FAN, due["a"])
    client.runs.cancel(THREAD, started.run.id)

    assert shown(client, FAN, started.run.id, "tasks") == [
        {"id": due["a"].step_id, "name": "a", "input": {"said": ["hi"]}, "triggers": ("branch:to:a",)},
        {"id": due["b"].step_id, "name": "b", "input": {"said": ["hi"]}, "triggers": ("branch:to:b",)},
        {"id": due["b"].step_id, "name": "b", "error": None, "result": {"said": ["b"]}, "interrupts": []},
        {"id": due["a"].step_id, "name": "a", "error": None, "result": {}, "interrupts": []},
    ]


def test_a_step_that_fails_ends_with_the_exception_and_without_an_update(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    steps.fail(claim(steps, started.orders[0].ref), LINE, describe(ValueError("no"), "a"))

    start, end = shown(client, LINE, started.run.id, "tasks")

    assert (start["name"], end["name"], end["result"], end["interrupts"]) == ("a", "a", {}, [])
    assert isinstance(end["error"], ValueError) and end["error"].args == ("no",)
    assert shown(client, LINE, started.run.id, "updates") == []


def test_a_step_that_failed_is_shown_as_failed_also_when_a_later_run_has_tried_it_again(
    client: Client, steps: Steps
) -> None:
    started = begin(client, LINE, {})
    steps.fail(claim(steps, started.orders[0].ref), LINE, describe(ValueError("no"), "a"))
    play(steps, LINE, begin(client, LINE).orders)

    start, end = shown(client, LINE, started.run.id, "tasks")

    assert (start["name"], end["name"], end["result"]) == ("a", "a", {})
    assert "node 'a' raised ValueError('no')" in str(end["error"])


def test_custom_is_what_nodes_write_as_they_wrote_it(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    held = claim(steps, started.orders[0].ref)
    for value in (1, None, {"deep": (1, 2)}):
        say(client, steps, held, value)
    client.runs.cancel(THREAD, started.run.id)

    assert shown(client, LINE, started.run.id, "custom") == [1, None, {"deep": (1, 2)}]


def test_a_checkpoint_is_shown_as_history_has_it(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {"said": ["hi"]}, metadata={"user": "u1"})
    play(steps, LINE, started.orders)

    seen = shown(client, LINE, started.run.id, "checkpoints")

    assert [(one["metadata"]["step"], one["next"], one["values"]["said"]) for one in seen] == [
        (-1, ["__start__"], []),
        (0, ["a"], ["hi"]),
        (1, ["b"], ["hi", "a"]),
        (2, [], ["hi", "a", "b"]),
    ]
    assert [one["parent_config"] for one in seen] == [None, *(one["config"] for one in seen[:-1])]
    assert seen[1]["metadata"] == {"source": "loop", "step": 0, "parents": {}, "user": "u1"}
    task = {"id": started.orders[0].ref.step_id, "name": "a", "interrupts": (), "state": None}
    assert seen[1]["tasks"] == [task | {"result": {"said": ["a"]}}]


def test_debug_is_checkpoints_and_tasks_with_the_number_of_their_step(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    finish(steps, LINE, started.orders[0].ref, said=["a"])
    client.runs.cancel(THREAD, started.run.id)

    seen = shown(client, LINE, started.run.id, "debug")

    assert [(one["type"], one["step"]) for one in seen] == [
        ("checkpoint", -1),
        ("checkpoint", 0),
        ("task", 1),
        ("task_result", 1),
        ("checkpoint", 1),
    ]
    moments = [datetime.fromisoformat(one["timestamp"]) for one in seen]
    assert moments == sorted(moments) and {moment.tzinfo for moment in moments} == {UTC}
    tasks = shown(client, LINE, started.run.id, "tasks")
    assert [one["payload"] for one in seen if one["type"] != "checkpoint"] == tasks


@pytest.mark.parametrize("config", [{"interrupt_before": ["b"]}, {"interrupt_after": ["a"]}], ids=["before", "after"])
def test_a_breakpoint_ends_the_updates_and_adds_nothing_to_the_values(
    client: Client, steps: Steps, config: dict[str, Any]
) -> None:
    started = begin(client, LINE, {}, **config)
    play(steps, LINE, started.orders)

    assert shown(client, LINE, started.run.id, "updates") == [{"a": {"said": ["a"]}}, {"__interrupt__": ()}]
    assert [one["said"] for one in shown(client, LINE, started.run.id, "values")] == [[], ["a"]]
    assert [one["metadata"]["step"] for one in shown(client, LINE, started.run.id, "checkpoints")] == [-1, 0, 1]


def test_a_resumed_run_shows_first_the_state_before_what_its_open_superstep_wrote(client: Client, steps: Steps) -> None:
    first = begin(client, FAN, {"said": ["hi"]})
    due = refs(first.orders)
    finish(steps, FAN, due["b"], said=["b"])
    steps.fail(claim(steps, due["a"]), FAN, describe(ValueError("no"), "a"))
    second = begin(client, FAN)
    play(steps, FAN, second.orders)

    seen = parts(client, FAN, second.run.id, "values", "updates", "tasks", "checkpoints")

    assert list(map(short, seen)) == [
        *["values", "checkpoint 0", "task a", "updates a", "result a", "values", "checkpoint 1"],
        *["task join", "updates join", "result join", "values", "checkpoint 2"],
    ]
    assert (seen[0].data, seen[5].data) == ({"said": ["hi"]}, {"said": ["hi", "a", "b"]})


def test_a_replayed_checkpoint_is_shown_before_it_runs(client: Client, steps: Steps) -> None:
    first = begin(client, LINE, {})
    play(steps, LINE, first.orders)
    before_b = shown(client, LINE, first.run.id, "checkpoints")[2]["config"]["configurable"]["checkpoint_id"]

    again = begin(client, LINE, checkpoint_id=before_b)
    play(steps, LINE, again.orders)

    seen = parts(client, LINE, again.run.id, "values", "updates", "checkpoints")
    assert list(map(short, seen)) == ["values", "checkpoint 2", "updates b", "values", "checkpoint 3"]


def test_the_last_checkpoint_before_too_many_supersteps_is_shown(client: Client, steps: Steps) -> None:
    graph = branching("a", lambda state: "a", "a")
    started = begin(client, graph, {}, recursion_limit=2)
    (order,) = finish(steps, graph, started.orders[0].ref, "a").orders
    finish(steps, graph, order.ref, "a")

    assert [one["metadata"]["step"] for one in shown(client, graph, started.run.id, "checkpoints")] == [-1, 0, 1, 2]
    with pytest.raises(GraphRecursionError):
        client.outcome(THREAD, started.run.id)


def test_attempts_that_are_followed_by_another_one_are_not_shown(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    (order,) = finish(steps, LINE, started.orders[0].ref, said=["a"]).orders
    claim(steps, order.ref)
    expire_lease(client.connection, order.ref)
    claim(steps, order.ref)
    pass_deadline(client.connection, order.ref)
    late = claim(steps, order.ref)
    steps.retry(late, overtime("b"), 1_000)
    rewrite(client.connection, order.ref, due=1)
    finish(steps, LINE, order.ref, said=["b"])

    seen = parts(client, LINE, started.run.id, "updates", "tasks")

    assert list(map(short, seen)) == ["task a", "updates a", "result a", "task b", "updates b", "result b"]


def smooth(client: Client, steps: Steps) -> str:
    started = begin(client, LINE, {"said": ["hi"]})
    held = claim(steps, started.orders[0].ref)
    say(client, steps, held, "working")
    play(steps, LINE, steps.commit(held, LINE, wrote(held, said=["a"])).orders)
    return started.run.id


def bumpy(client: Client, steps: Steps) -> str:
    """Let a step lose its worker, pass its time limit, and fail after all."""
    started = begin(client, LINE, {})
    (order,) = finish(steps, LINE, started.orders[0].ref, said=["a"]).orders
    claim(steps, order.ref)
    expire_lease(client.connection, order.ref)
    claim(steps, order.ref)
    pass_deadline(client.connection, order.ref)
    late = claim(steps, order.ref)
    steps.fail(late, LINE, overtime("b"))
    return started.run.id


def resumed(client: Client, steps: Steps) -> str:
    due = refs(begin(client, FAN, {}).orders)
    finish(steps, FAN, due["b"], said=["b"])
    steps.fail(claim(steps, due["a"]), FAN, describe(ValueError("no"), "a"))
    second = begin(client, FAN)
    play(steps, FAN, second.orders)
    return second.run.id


def taken_over(client: Client, steps: Steps) -> str:
    first = begin(client, FAN, {})
    finish(steps, FAN, refs(first.orders)["b"], said=["b"])
    client.runs.cancel(THREAD, first.run.id)
    second = begin(client, FAN)
    play(steps, FAN, second.orders)
    return second.run.id


Story = Callable[[Client, Steps], str]
STORIES: list[Story] = [smooth, bumpy, resumed, taken_over]
STEADY = tuple(mode for mode in MODES if mode not in ("checkpoints", "debug"))


def graph_of(story: Story) -> Graph:
    return FAN if story in (resumed, taken_over) else LINE


@pytest.mark.parametrize("story", STORIES)
def test_reading_on_after_a_part_gives_exactly_the_parts_that_are_left(
    client: Client, elsewhere: Client, steps: Steps, story: Story
) -> None:
    run_id = story(client, steps)
    whole = parts(client, graph_of(story), run_id, *MODES)

    ids = [part.id for part in whole]
    assert len(set(ids)) == len(ids)
    for index, part_id in enumerate(ids):
        left = parts(elsewhere, graph_of(story), run_id, *MODES, after=part_id)
        assert [part.id for part in left] == ids[index + 1 :]
        assert list(map(short, left)) == list(map(short, whole))[index + 1 :]


class LiveReader:
    """Somebody who is shown every run of the thread at the very moment of each thing that happens."""

    def __init__(self, client: Client, graph: Graph) -> None:
        self.seen: defaultdict[str, list[Part]] = defaultdict(list)
        self._client = client
        self._graph = graph
        self._views: dict[str, View] = {}
        self._after = 0

    def look(self) -> None:
        """Take in what has happened since the last look."""
        connection = self._client.connection
        keys = connection.place(THREAD).keys
        for one in Follower(connection)._read(keys, self._after, 1):
            self._after = one.seq
            view = View(Look(connection, self._client.snapshots, THREAD, one.run_id, STEADY), Root(self._graph))
            self.seen[one.run_id] += self._views.setdefault(one.run_id, view).parts(one)


@pytest.mark.parametrize("story", STORIES)
def test_who_follows_live_is_shown_what_a_later_reader_is_shown(
    client: Client, elsewhere: Client, steps: Steps, monkeypatch: pytest.MonkeyPatch, story: Story
) -> None:
    reader, call = LiveReader(elsewhere, graph_of(story)), client.connection.scripts._caller.call

    def call_and_look(*args: Any) -> Any:
        answer = call(*args)
        reader.look()
        return answer

    monkeypatch.setattr(client.connection.scripts._caller, "call", call_and_look)
    run_id = story(client, steps)

    later = parts(client, graph_of(story), run_id, *STEADY)
    assert list(map(repr, reader.seen[run_id])) == list(map(repr, later))
    assert len(later) > 5


@pytest.mark.parametrize(
    ("asked", "modes"),
    [(None, ("updates",)), ("values", ("values",)), (["tasks", "custom"], ("tasks", "custom")), ((), ("updates",))],
)
def test_one_mode_or_several_can_be_asked_for(asked: Any, modes: tuple[str, ...]) -> None:
    assert check_modes(asked) == modes


def test_a_mode_that_is_not_known_is_taken_and_named(caplog: pytest.LogCaptureFixture) -> None:
    modes = check_modes(["tasks", "tools", "value"])

    assert modes == ("tasks", "tools", "value")
    assert caplog.messages == [f"unknown stream mode 'value'; there are: {', '.join(MODES)}"]
