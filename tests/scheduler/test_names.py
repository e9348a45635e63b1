"""Names are data: no thread id, node name or text, however odd, shares a key with another or forges what is written."""

from itertools import chain
from typing import Any

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from graphs.checkpoint import Step, step_id
from graphs.errors import InvalidGraph
from graphs.node import check_name
from scheduler.claim import Claim
from scheduler.client import Client
from scheduler.config import parse
from scheduler.dispatch import StepRef
from scheduler.due_entry import place_of
from scheduler.errors import InvalidThreadId
from scheduler.failure import describe
from scheduler.ids import check_thread_id
from scheduler.keys import PARTITIONS, Keys
from scheduler.scripts import Place
from scheduler.steps import Steps

from .stage import begin, claim, kinds, line, record, refs, wrote

ODD = "{}[]()<>\"'\\/|:;,.*?%$#@!&=+-_ \t\n\r\0\x1b\x7f\x85\u2028\u202e\ufeffé漢😀p1"
TEXTS = st.one_of(st.text(ODD, max_size=40), st.text(max_size=40))
FORGERIES = (
    '","kind":"finished","status":"success',
    '"}\n{"kind":"finished"}',
    '\\","at":0,"ms":1}',
    "\\",
    '"',
    "%s%d%%",
    "run:x",
    "questions",
    " run:x",
    "]]--",
    "\x1b[31m",
    "\0",
    "{p1}",
)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def is_thread_id(text: str) -> bool:
    try:
        return check_thread_id(text) == text
    except InvalidThreadId:
        return False


def is_node_name(text: str) -> bool:
    try:
        return check_name(text) == text
    except InvalidGraph:
        return False


LIKELY = ("p1", "{p1}", "a:b", "a%3Ab", "thread", "*", "x" * 255, "é" * 127)
LABELS = st.lists(TEXTS.filter(lambda text: bool(text) and "." not in text and "\0" not in text), min_size=1)
THREAD_IDS = st.one_of(
    TEXTS,
    st.sampled_from(FORGERIES),
    st.sampled_from(["p1", "{p1}", "a:b", "a%3Ab", "thread", "*", "x" * 255, "é" * 127]),
).filter(is_thread_id)
NODE_NAMES = st.one_of(TEXTS, st.sampled_from(FORGERIES)).filter(is_node_name)


def all_keys(keys: Keys, thread_id: str, run_id: str, ns: str) -> set[str]:
    of = keys.of_thread(thread_id)
    own = {of.thread, of.steps, of.runs, of.log, of.blocks, of.events, of.frames, of.deadlines, of.run(run_id)}
    return own | {*of.of_frame(ns), *of.of_frame(""), *of.staged("ab12").of_frame(ns)}


# Keys


@QUICK
@given(THREAD_IDS, THREAD_IDS, TEXTS, NODE_NAMES)
@example("a", "a:x", "x", "x")
@example("a", "a%3Ax", "", "")
def test_two_threads_share_no_key(one: str, other: str, run_id: str, ns: str) -> None:
    assume(one != other)
    keys = Keys()

    assert all_keys(keys, one, run_id, ns).isdisjoint(all_keys(keys, other, run_id, ns))


@QUICK
@given(THREAD_IDS, TEXTS, NODE_NAMES)
def test_the_keys_of_a_thread_lie_in_the_slot_of_its_partition_and_are_all_different(
    thread_id: str, run_id: str, ns: str
) -> None:
    keys = Keys()
    found = all_keys(keys, thread_id, run_id, ns)
    of = keys.of_thread(thread_id)

    (tag,) = {key.partition("{")[2].partition("}")[0] for key in chain(found, [of.due, of.index])}
    assert tag in {f"p{number}" for number in range(PARTITIONS)}
    assert len(found) == 9 + 5 * (3 if ns else 2)
    assert all(key.isascii() and not set(key.removesuffix(ns)) & set(" *?[]\\\n\0") for key in found if key.isascii())


@QUICK
@given(THREAD_IDS, st.text("0123456789abcdef", min_size=8, max_size=32))
def test_due_members_lead_back_to_their_thread(thread_id: str, step_id: str) -> None:
    connection: Any = _OfKeys()
    place = Place(connection.keys.of_thread(thread_id), step_id, "")

    for member, what in (
        (place.member(step_id), step_id),
        (place.run_member(), f"run:{step_id}"),
        (f"{place.keys.token} questions", "questions"),
    ):
        found, id_, of = place_of(connection, member)
        assert (id_, of, found.keys) == (thread_id, what, place.keys)


class _OfKeys:
    """As much of a connection as knows where things lie."""

    keys = Keys()

    def place(self, thread_id: str, run_id: str = "", ns: str = "") -> Place:
        return Place(self.keys.of_thread(thread_id), run_id, ns)


@QUICK
@given(
    st.lists(TEXTS.filter(lambda text: bool(text) and "." not in text and "\0" not in text), min_size=1), TEXTS, TEXTS
)
def test_items_of_the_memory_and_the_cache_have_keys_of_their_own(labels: list[str], key: str, other: str) -> None:
    assume(key != other)
    keys, deeper = Keys(), [*labels, key]

    assert keys.memory_item(labels, key) != keys.memory_item(labels, other)
    assert keys.cache_item(labels, key) != keys.cache_item(labels, other)
    assert keys.cache_item(deeper, other) != keys.cache_item(labels, f"{key}:{other}")
    assert keys.cache_index(labels) not in (keys.cache_index(deeper), keys.cache_item(labels, key))


# What the scripts write


@QUICK
@given(TEXTS.filter(bool), NODE_NAMES, TEXTS)
@example(FORGERIES[0], "a", FORGERIES[1])
def test_nothing_that_is_said_forges_an_entry_of_the_log(client: Client, says: str, node: str, reason: str) -> None:
    connection = client.connection
    connection.client.flushall()
    graph, thread_id = line(node, name="g"), "t"
    worker = Steps(connection, client.runs, says)
    config = {"metadata": {"user": says, "at": reason}, "tags": [says]}
    started = begin(client, graph, {"said": [says]}, thread_id, **config)
    claimed = claim(worker, refs(started.orders)[node])

    assert (held := record(connection, claimed.ref))["worker"] == says and held["state"] == "leased"
    worker.fail(claimed, None, describe(ValueError(says), node))
    client.editor.update(graph, parse({"thread_id": thread_id}), {"said": [reason]}, node)
    started = begin(client, graph, {"said": [reason]}, thread_id, **config)
    client.runs.cancel(thread_id, started.run.id, reason)

    assert kinds(client) == [
        "created", "started", "leased", "failed", "finished", "updated", "started", "finished",
    ]  # fmt: skip
    leased, failed = [entry for entry in client.log.read("t") if entry.kind in ("leased", "failed")]
    assert (leased.data["worker"], leased.data["node"]) == (says, node)
    assert failed.data["error"] == repr(ValueError(says))
    assert client.log.verify("t") is None


@QUICK
@given(st.sampled_from(FORGERIES) | TEXTS, st.sampled_from(FORGERIES) | TEXTS)
def test_what_is_stored_with_a_commit_stays_what_it_was(client: Client, steps: Steps, says: str, more: str) -> None:
    client.connection.client.flushall()
    graph = line("a", "b", name="g")
    ref = refs(begin(client, graph, {"said": [says]}).orders)["a"]
    progress = _commit(steps, graph, claim(steps, ref), says, more)

    (order,) = progress.orders
    stored = record(client.connection, order.ref)
    assert (stored["node"], stored["state"], stored["id"]) == ("b", "queued", order.ref.step_id)
    assert client.snapshots.current(graph, parse({"thread_id": "t"}), {}).values["answer"] == more


def _commit(steps: Steps, graph: Any, claimed: Claim, *said: str) -> Any:
    return steps.commit(claimed, graph, wrote(claimed, said=[said[0]], answer=said[1]))


@QUICK
@given(THREAD_IDS, NODE_NAMES)
def test_a_step_in_flight_is_one_json_object_with_its_own_fields(client: Client, thread_id: str, node: str) -> None:
    client.connection.client.flushall()
    started = begin(client, line(node, name="g"), {"said": []}, thread_id)
    (order,) = started.orders

    stored = record(client.connection, StepRef(thread_id, started.run.id, order.ref.step_id))
    assert (stored["node"], stored["state"], stored["run"]) == (node, "queued", started.run.id)
    assert [thread.id for thread in client.threads.list()] == [thread_id]
    assert [step.node for step in client.threads.pending(thread_id)] == [node]


def test_ids_of_steps_are_hexadecimal_whatever_their_nodes_are_called() -> None:
    for name in ("a b", "é", '"', "{p1}", " run:x"):
        assert Step(step_id("1-1", "", name, "pull", name), name, ("pull", name), ()).id.replace("-", "").isalnum()
