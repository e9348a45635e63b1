"""A person's hand on the state: as which node it writes, what is due then, and what it can never destroy."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from graphs.builder import GraphBuilder
from graphs.commands import END, START, Overwrite
from graphs.errors import InvalidUpdateError
from graphs.graph import Graph
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.editing import Editor
from scheduler.errors import (
    CheckpointNotFound,
    CursorMoved,
    NotSerializable,
    ThreadBusy,
    TransitionNotAllowed,
)
from scheduler.excess import StateTooLarge
from scheduler.failure import describe
from scheduler.settings import Settings
from scheduler.snapshots import StateSnapshot
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher

from .stage import THREAD, State, begin, branching, claim, everything, fan, finish, kinds, line, play, refs, state

LINE = line("a", "b", "c")
FAN = fan("a", "b")


def update(client: Client, values: Any, as_node: str | None = None, graph: Graph = LINE, **config: Any) -> str:
    """Update a thread's state and return the new checkpoint's id."""
    made = client.editor.update(graph, parse({"thread_id": THREAD, **config}), values, as_node)
    return str(made["configurable"]["checkpoint_id"])


def shots(client: Client, graph: Graph = LINE) -> list[StateSnapshot]:
    return list(client.snapshots.history(graph, parse({"thread_id": THREAD})))


def id_of(shot: StateSnapshot) -> str:
    return str(shot.config["configurable"]["checkpoint_id"])


def test_an_update_is_a_new_checkpoint_after_which_what_follows_its_node_is_due(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["hi"]}).orders)
    before = shots(client)[0]

    made = update(client, {"said": ["x"]}, "a", metadata={"user": "u1"})

    shot = shots(client)[0]
    assert (shot.values["said"], shot.next, id_of(shot)) == (["hi", "a", "b", "c", "x"], ("b",), made)
    assert shot.metadata == {"source": "update", "step": 4, "parents": {}, "user": "u1"}
    assert shot.parent_config == before.config
    assert client.threads.get(THREAD).status == "paused"
    assert kinds(client)[-1] == "updated"
    play(steps, LINE, begin(client, LINE).orders)
    assert state(client, LINE)["said"] == ["hi", "a", "b", "c", "x", "b", "c"]


def test_without_a_node_the_one_that_wrote_last_is_meant(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {}, interrupt_after=["b"])
    play(steps, LINE, started.orders)

    update(client, {"answer": 1})

    assert shots(client)[0].next == ("c",)
    update(client, {"answer": 2})
    assert (shots(client)[0].next, state(client, LINE)["answer"]) == (("c",), 2)


def test_where_several_nodes_wrote_last_the_node_must_be_said(client: Client, steps: Steps, redis: Redis) -> None:
    graph = fan("a", "b")
    play(steps, graph, begin(client, graph, {}, interrupt_before=["join"]).orders)
    before = everything(redis)

    with pytest.raises(InvalidUpdateError, match="Ambiguous update, specify as_node"):
        update(client, {"answer": 1}, graph=graph)

    assert everything(redis) == before
    update(client, {"answer": 1}, "a", graph)
    assert state(client, graph)["answer"] == 1


@pytest.mark.parametrize("as_node", [None, START])
def test_on_an_empty_thread_an_update_is_an_input(client: Client, steps: Steps, as_node: str | None) -> None:
    update(client, {"said": ["one"]}, as_node)
    update(client, {"said": ["two"]}, as_node)

    newest, first = shots(client)
    assert (newest.values, newest.next, first.next) == ({"said": ["one", "two"]}, ("a",), ("a",))
    assert ([shot.metadata["step"] for shot in (first, newest) if shot.metadata], first.parent_config) == ([0, 1], None)
    assert kinds(client) == ["created", "updated", "updated"]
    play(steps, LINE, begin(client, LINE).orders)
    assert state(client, LINE)["said"] == ["one", "two", "a", "b", "c"]


def test_on_an_empty_thread_an_update_as_a_node_has_no_parent(client: Client) -> None:
    update(client, {"said": ["x"]}, "a")

    (shot,) = shots(client)
    assert (shot.values, shot.next, shot.parent_config) == ({"said": ["x"]}, ("b",), None)
    assert shot.metadata == {"source": "update", "step": 0, "parents": {}}


def test_nothing_is_written_by_none_and_what_follows_is_due_all_the_same(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)

    update(client, None, "b")

    assert (state(client, LINE), shots(client)[0].next) == ({"said": ["a", "b", "c"]}, ("c",))


def test_an_overwrite_goes_past_the_reducer(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)

    update(client, {"said": Overwrite(["new"])}, "c")

    assert state(client, LINE)["said"] == ["new"]


def test_routers_see_the_update(client: Client) -> None:
    graph = branching("a", lambda state: state["answer"], "a", "b", "c")

    update(client, {"answer": "c"}, "a", graph)
    to_c = shots(client, graph)[0].next
    update(client, {"answer": END}, "a", graph)

    assert (to_c, shots(client, graph)[0].next) == (("c",), ())


def test_the_update_shows_as_the_result_of_the_step_that_it_stands_in_for(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    steps.fail(claim(steps, started.orders[0].ref), LINE, describe(ValueError("no"), "a"))

    update(client, {"said": ["by hand"]}, "a")

    superseded = shots(client)[1]
    assert [(task.name, task.result, task.error) for task in superseded.tasks] == [("a", {"said": ["by hand"]}, None)]
    play(steps, LINE, begin(client, LINE).orders)
    assert state(client, LINE)["said"] == ["by hand", "b", "c"]


def test_what_finished_steps_wrote_outlives_the_update_that_stands_in_for_their_sibling(
    client: Client, steps: Steps
) -> None:
    due = refs(begin(client, FAN, {}).orders)
    finish(steps, FAN, due["a"], said=["a"])
    steps.fail(claim(steps, due["b"]), FAN, describe(ValueError("no"), "b"))
    seen = state(client, FAN)

    update(client, {"said": ["b by hand"]}, "b", FAN)

    assert seen == {"said": ["a"]}
    assert (state(client, FAN), shots(client, FAN)[0].next) == ({"said": ["a", "b by hand"]}, ("join",))
    play(steps, FAN, begin(client, FAN).orders)
    assert state(client, FAN) == {"said": ["a", "b by hand", "join"]}


def test_an_update_may_replace_what_a_finished_sibling_wrote(client: Client, steps: Steps) -> None:
    started = begin(client, FAN, {})
    finish(steps, FAN, refs(started.orders)["a"], answer=1)
    client.runs.cancel(THREAD, started.run.id)

    update(client, {"answer": 2}, "b", FAN)

    assert state(client, FAN)["answer"] == 2


def test_a_thread_whose_superstep_can_never_close_is_mended_by_an_update(client: Client, steps: Steps) -> None:
    due = refs(begin(client, FAN, {}).orders)
    finish(steps, FAN, due["a"], answer=1)
    finish(steps, FAN, due["b"], answer=2)

    update(client, {"answer": 3}, "join", FAN)

    assert (state(client, FAN), shots(client, FAN)[0].next) == ({"said": [], "answer": 3}, ())


def test_an_update_of_an_old_checkpoint_branches_from_it_and_leaves_the_record_as_it_was(
    client: Client, elsewhere: Client, steps: Steps
) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["hi"]}).orders)
    before = shots(client)
    before_b = before[2]

    update(client, {"said": ["another b"]}, "b", checkpoint_id=id_of(before_b))

    branch, *rest = shots(elsewhere)
    assert (branch.values["said"], branch.next, branch.parent_config) == (
        ["hi", "a", "another b"],
        ("c",),
        before_b.config,
    )
    assert rest == before


@pytest.mark.parametrize(
    ("error", "values", "options"),
    [
        (InvalidUpdateError, {}, {"as_node": "nobody"}),
        (InvalidUpdateError, "text", {"as_node": "a"}),
        (InvalidUpdateError, [1], {"as_node": "a"}),
        (InvalidUpdateError, {"said": 5}, {"as_node": "a"}),
        (NotSerializable, {"answer": object()}, {"as_node": "a"}),
        (StateTooLarge, {"answer": "x" * 2_000}, {"as_node": "a"}),
        (CheckpointNotFound, {}, {"as_node": "a", "checkpoint_id": "1-1"}),
    ],
)
def test_an_update_that_does_not_fit_has_written_nothing(
    redis: Redis, error: type[Exception], values: Any, options: dict[str, Any]
) -> None:
    client = Client(open_connection(redis, Settings(max_value_bytes=1024), RecordingDispatcher()), lambda call: call())
    play(Steps(client.connection, client.runs, "w1"), LINE, begin(client, LINE, {}).orders)
    before = everything(redis)

    with pytest.raises(error):
        update(client, values, **options)

    assert everything(redis) == before


def test_a_router_that_fails_has_written_nothing(client: Client, redis: Redis) -> None:
    def fails(state: State) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        update(client, {"answer": 1}, "a", branching("a", fails, "a"))

    assert redis.dbsize() == 0


def test_a_thread_that_runs_is_not_edited(client: Client, steps: Steps, redis: Redis) -> None:
    started = begin(client, LINE, {})
    claim(steps, started.orders[0].ref)
    before = everything(redis)

    with pytest.raises(ThreadBusy, match=rf"run {started.run.id} is active since .*, at step a\."):
        update(client, {"answer": 1}, "a")

    assert everything(redis) == before


def test_a_thread_that_moved_between_reading_and_writing_is_not_edited(
    client: Client, elsewhere: Client, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)
    store = Editor._store

    def after_somebody_else(self: Editor, *args: Any) -> Any:
        monkeypatch.setattr(Editor, "_store", store)
        update(elsewhere, {"answer": "theirs"}, "a")
        return store(self, *args)

    monkeypatch.setattr(Editor, "_store", after_somebody_else)

    with pytest.raises(CursorMoved, match="read its state again"):
        update(client, {"answer": "mine"}, "a")

    assert state(client, LINE)["answer"] == "theirs"


@pytest.mark.usefixtures("sent_twice")
def test_an_update_that_is_sent_twice_is_one_update(client: Client) -> None:
    update(client, {"said": ["x"]}, "a")

    assert (len(shots(client)), kinds(client)) == (1, ["created", "updated"])
    assert client.log.verify(THREAD) is None


@pytest.mark.parametrize(
    "close", [lambda client: client.threads.terminate(THREAD), lambda client: client.threads.mark_archived(THREAD)]
)
def test_a_closed_thread_is_not_edited(client: Client, redis: Redis, close: Callable[[Client], object]) -> None:
    update(client, {"said": ["x"]}, "a")
    close(client)
    before = everything(redis)

    with pytest.raises(TransitionNotAllowed, match="cannot update"):
        update(client, {"said": ["y"]}, "a")

    assert everything(redis) == before


def test_a_state_of_one_bare_value_is_updated_as_itself(client: Client, connection: Connection) -> None:
    root = GraphBuilder(int).add_node("a", lambda value: value).add_edge(START, "a").build("root", None, None)

    update(client, 5, "a", root)

    assert state(client, root) == 5
