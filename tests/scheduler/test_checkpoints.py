"""The store of checkpoints: what a change costs, what branches share, and that every value comes back exactly."""

import operator
import sys
import threading
from dataclasses import dataclass, replace
from itertools import count
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from graphs.builder import GraphBuilder
from graphs.checkpoint import Checkpoint, Result, Step
from graphs.commands import START, Overwrite
from scheduler.checkpoints import CheckpointStore, Origin, StoredCheckpoint
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.errors import CheckpointNotFound, NotSerializable
from scheduler.ids import new_checkpoint_id
from scheduler.steps import Steps

from .stage import THREAD, begin, claim, fan, finish, line, play, refs, state

LINE = line("a", "b")


class Kept(TypedDict, total=False):
    items: Annotated[list[Any], operator.add]
    plain: Any


def keeping(state: Kept) -> None: ...


KEPT = GraphBuilder(Kept).add_node("a", keeping).add_edge(START, "a").build("kept", None, None)


def channels(connection: Connection, thread_id: str = THREAD) -> dict[bytes, bytes]:
    """Return every stored chunk of every channel."""
    return connection.redis.hgetall(connection.place(thread_id).keys.channels(""))


def ids(client: Client, thread_id: str = THREAD) -> list[str]:
    """Return the ids of a thread's checkpoints, the newest first."""
    found = client.snapshots.history(LINE, parse({"thread_id": thread_id}))
    return [shot.config["configurable"]["checkpoint_id"] for shot in found]


def load(client: Client, checkpoint_id: str, thread_id: str = THREAD) -> StoredCheckpoint:
    connection = client.connection
    return connection.checkpoints.load(connection.place(thread_id).keys, "", checkpoint_id, thread_id)


@pytest.mark.parametrize("length", [10, 5_000])
def test_a_list_that_grew_stores_what_was_added_however_long_it_was(
    client: Client, connection: Connection, steps: Steps, length: int
) -> None:
    step = begin(client, LINE, {"said": [f"message {number}" for number in range(length)]}).orders[0].ref
    before = channels(connection)

    finish(steps, LINE, step, said=["one more"])

    added = {field: data for field, data in channels(connection).items() if field not in before}
    assert [connection.serde.loads(data) for data in added.values()] == [["one more"]]
    assert before.items() <= channels(connection).items()


def test_a_value_that_did_not_change_is_not_written_again(client: Client, connection: Connection, steps: Steps) -> None:
    step = begin(client, LINE, {"answer": "x" * 1_000, "said": ["hi"]}).orders[0].ref
    before = channels(connection)

    finish(steps, LINE, step)

    assert channels(connection) == before


def test_a_process_that_goes_on_where_it_committed_loads_nothing(
    client: Client, steps: Steps, round_trips: list[str]
) -> None:
    step = begin(client, LINE, {"said": ["hi"]}).orders[0].ref
    progress = finish(steps, LINE, step, said=["a"])
    round_trips.clear()

    claimed = claim(steps, progress.orders[0].ref)

    assert round_trips == ["EVALSHA"]
    assert claimed.stored.checkpoint.values["said"] == ["hi", "a"]


def test_a_process_that_comes_back_to_a_thread_loads_only_what_was_added(
    client: Client, elsewhere: Client, steps: Steps, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["long"] * 100}).orders)
    state(elsewhere, LINE)
    play(steps, LINE, begin(client, LINE, {"said": ["new"]}).orders)
    asked: list[str] = []
    hmget = redis.hmget

    def noting(key: str, fields: list[str]) -> Any:
        asked.extend(fields)
        return hmget(key, fields)

    monkeypatch.setattr(redis, "hmget", noting)

    found = state(elsewhere, LINE)

    assert found["said"] == [*["long"] * 100, "a", "b", "new", "a", "b"]
    assert len(asked) == 3


def test_a_checkpoint_comes_back_with_all_there_is_to_it(client: Client, elsewhere: Client, steps: Steps) -> None:
    graph = fan("a", "b")
    started = begin(client, graph, {"answer": {1, 2}}, metadata={"user": "u1"})
    finish(steps, graph, refs(started.orders)["a"])
    finish(steps, graph, refs(started.orders)["b"])

    for checkpoint_id in ids(client):
        assert load(elsewhere, checkpoint_id) == load(client, checkpoint_id)
    stored = load(elsewhere, ids(client)[0])
    assert stored.checkpoint.joins == {"join:a+b:join": frozenset({"a", "b"})}
    assert (stored.checkpoint.writers, stored.origin.run_id, stored.origin.metadata) == (
        ("a", "b"),
        started.run.id,
        {"user": "u1"},
    )


def test_a_checkpoint_that_is_not_there_is_named(client: Client) -> None:
    client.threads.create(THREAD)

    with pytest.raises(CheckpointNotFound, match="Thread 't' has no checkpoint '1-1'"):
        load(client, "1-1")


def test_history_is_read_newest_first_before_a_checkpoint_and_up_to_a_limit(client: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {}).orders)
    store, keys, known = client.connection.checkpoints, client.connection.place(THREAD).keys, ids(client)

    def read(**options: Any) -> list[str]:
        return [stored.checkpoint.id for stored in store.history(keys, "", **options)]

    assert read() == known == sorted(known, reverse=True)
    assert read(limit=2) == known[:2]
    assert read(before=known[1]) == known[2:]
    assert read(before=known[1], limit=1) == known[2:3]
    assert read(before=known[-1]) == []


def test_results_are_found_by_their_steps_whether_they_are_writes_or_an_error(
    client: Client, connection: Connection
) -> None:
    store, keys = connection.checkpoints, connection.place(THREAD).keys
    done, failed, open_step = (Step(name, name, ("p", name), ()) for name in ("done", "failed", "open"))
    result = Result(done, ({"said": [None]}, {"answer": False}), ("b",))
    data = {"done": store.encode_result(result), "failed": store.encode_error({"kind": "error"})}
    connection.client.hset(keys.results(""), mapping=dict(data))  # type: ignore[arg-type]

    assert store.results(keys, "", (done, failed, open_step)) == {
        "done": {"updates": [{"said": [None]}, {"answer": False}], "goto": ["b"]},
        "failed": {"error": {"kind": "error"}},
    }
    assert store.results(keys, "", ()) == {}


def test_a_result_that_cannot_be_stored_is_named_by_its_node_and_its_key(connection: Connection) -> None:
    result = Result(Step("s", "review", (), ()), ({"fine": 1}, {"wrong": [object()]}))

    with pytest.raises(NotSerializable, match="Key 'wrong' of the update of node 'review' holds a object"):
        connection.checkpoints.encode_result(result)


def test_a_state_key_that_cannot_be_stored_is_named(connection: Connection) -> None:
    checkpoint = Checkpoint(new_checkpoint_id(), None, "loop", 0, {"answer": object()})

    with pytest.raises(NotSerializable, match="State key 'answer' holds a object"):
        connection.checkpoints.encode(checkpoint, None, Origin())


def test_two_branches_that_grow_from_one_checkpoint_do_not_mix(client: Client, elsewhere: Client, steps: Steps) -> None:
    play(steps, LINE, begin(client, LINE, {"said": ["root"]}).orders)
    root = ids(client)[2]

    main = client.editor.update(LINE, parse({"thread_id": THREAD}), {"said": ["main"]}, "b")
    branch = client.editor.update(LINE, parse({"thread_id": THREAD, "checkpoint_id": root}), {"said": ["branch"]}, "b")
    again = client.editor.update(LINE, parse({"thread_id": THREAD}), {"said": ["longer"]}, "b")

    said = [
        load(elsewhere, config["configurable"]["checkpoint_id"]).checkpoint.values["said"]
        for config in (main, branch, again)
    ]
    assert said == [["root", "a", "b", "main"], ["root", "branch"], ["root", "branch", "longer"]]


operations = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "replace", "nothing", "run", "replay"]),
        st.none() | st.integers(0, 10),
        st.lists(st.integers() | st.text(max_size=3), max_size=2),
    ),
    max_size=10,
)
numbers = count()


@dataclass(frozen=True)
class Known:
    """What a checkpoint must hold, and what is due at it: an input's items, the node (as ``[]``), or nothing."""

    items: list[Any]
    plain: list[Any] | None = None
    due: tuple[str, list[Any]] | None = None

    @property
    def values(self) -> dict[str, Any]:
        return {"items": self.items} | ({} if self.plain is None else {"plain": self.plain})

    def run_out(self) -> list["Known"]:
        """Return the checkpoints that a run makes from here to its end."""
        if self.due is None:
            return []
        what, items = self.due
        added = replace(self, items=self.items + items, due=("node", ["ran"]) if what == "input" else None)
        return [added, *added.run_out()]


class Model:
    """A thread, and beside it what a plain dict says of each of its checkpoints."""

    def __init__(self, client: Client) -> None:
        self.thread_id = f"model-{next(numbers)}"
        self.keys = client.connection.place(self.thread_id).keys
        self.known: dict[str, Known] = {}
        #: From these a replay goes on in place, as long as they are the head.
        self.forks_and_edits: set[str | None] = set()
        self._client = client
        self._steps = Steps(client.connection, client.runs, "w1")

    def act(self, what: str, where: int | None, items: list[Any]) -> None:
        """Do one thing at the head, or at an old checkpoint, and note what must have come of it."""
        if what == "replay" and not self.known:
            return
        base_id = sorted(self.known)[-1 if where is None else where % len(self.known)] if self.known else None
        base = Known([]) if base_id is None else self.known[base_id]
        at = {} if where is None or base_id is None else {"checkpoint_id": base_id}
        if what == "run":
            self._run({"items": items}, at)
            arrived = replace(base, due=("input", items))
            self._note([arrived, *arrived.run_out()])
        elif what == "replay":
            forked = bool(at) and not (base_id in self.forks_and_edits and base_id == max(self.known))
            self._run(None, at)
            self._note([*([base] if forked else []), *base.run_out()], by_hand=forked)
        else:
            self._note([self._edit(what, base, items, at)], by_hand=True)

    def _edit(self, what: str, base: Known, items: list[Any], at: dict[str, str]) -> Known:
        updates = {"append": {"items": items}, "replace": {"items": Overwrite(items), "plain": items}, "nothing": {}}
        self._client.editor.update(KEPT, parse({"thread_id": self.thread_id, **at}), updates[what], "a")
        after = {"append": base.items + items, "replace": items, "nothing": base.items}
        return Known(after[what], items if what == "replace" else base.plain)

    def _run(self, value: Any, at: dict[str, str]) -> None:
        for order in begin(self._client, KEPT, value, self.thread_id, **at).orders:
            finish(self._steps, KEPT, order.ref, items=["ran"])

    def _note(self, made: list[Known], *, by_hand: bool = False) -> None:
        stored = self._client.connection.checkpoints.history(self.keys, "")
        new = sorted({one.checkpoint.id for one in stored} - self.known.keys())
        self.known.update(zip(new, made, strict=True))
        self.forks_and_edits |= set(new[:1] if by_hand else [])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations)
def test_whatever_is_appended_replaced_and_forked_every_branch_keeps_its_exact_values(
    client: Client, elsewhere: Client, what: list[tuple[str, int | None, list[Any]]]
) -> None:
    model, stored = Model(client), dict[bytes, bytes]()

    for one in what:
        model.act(*one)
        before, stored = stored, channels(client.connection, model.thread_id)
        assert before.items() <= stored.items(), "a chunk that was written has changed"

    for checkpoint_id, known in model.known.items():
        for reader in (client, elsewhere):
            assert load(reader, checkpoint_id, model.thread_id).checkpoint.values == known.values
    elsewhere.connection.checkpoints.forget(model.keys)
    listed = elsewhere.connection.checkpoints.history(model.keys, "")
    assert {one.checkpoint.id: one.checkpoint.values for one in listed} == {
        checkpoint_id: known.values for checkpoint_id, known in model.known.items()
    }


def test_a_process_may_work_on_many_threads_of_execution_at_once(client: Client, elsewhere: Client) -> None:
    for number in range(8):
        begin(client, LINE, {"said": [number]}, f"t{number}")
    failures: list[Exception] = []

    def read(number: int) -> None:
        keys = client.connection.place(f"t{number}").keys
        try:
            for _ in range(20):
                elsewhere.connection.checkpoints.forget(keys)
                assert state(elsewhere, LINE, f"t{number}") == {"said": [number]}
        except Exception as error:
            failures.append(error)

    readers = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    finally:
        sys.setswitchinterval(interval)

    assert failures == []


def test_a_process_remembers_so_many_checkpoints_and_no_more(connection: Connection) -> None:
    store = CheckpointStore(connection.redis, connection.serde)
    keys = connection.place(THREAD).keys

    for number in range(600):
        store.remember(keys, "", StoredCheckpoint(Checkpoint(f"{number}-1", None, "loop", number)))

    assert store.load(keys, "", "599-1", THREAD).checkpoint.number == 599
    with pytest.raises(CheckpointNotFound):
        store.load(keys, "", "0-1", THREAD)


def test_the_newest_checkpoint_of_a_frame_is_forgotten_with_it(connection: Connection) -> None:
    store = CheckpointStore(connection.redis, connection.serde)
    keys, others = connection.place(THREAD).keys, connection.place("other").keys
    store.remember(keys, "", StoredCheckpoint(Checkpoint("1-1", None, "loop", 1)))
    assert (store.newest(keys, ""), store.newest(keys, "inside")) == ("1-1", "")

    for number in range(600):
        store.remember(others, "", StoredCheckpoint(Checkpoint(f"{number}-1", None, "loop", number)))

    assert (store.newest(keys, ""), store.newest(others, "")) == ("", "599-1")
    store.forget(others)
    assert store.newest(others, "") == ""
