"""Whatever grows has a limit: at the door a clear error, in a run a defined end, and what is there stays."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from graphs.commands import Command, Send
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import open_connection
from scheduler.errors import InvalidSettings
from scheduler.excess import LogFull, StateTooLarge, TooMany
from scheduler.lifecycle import RunStatus
from scheduler.settings import Settings
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher

from .stage import begin, branching, claim, everything, finish, line, refs, state, wrote

Limited = Callable[..., Client]


@pytest.fixture
def limited(redis: Redis, dispatcher: RecordingDispatcher) -> Limited:
    """A client of a deployment with a limit."""

    def make(**limits: int) -> Client:
        return Client(open_connection(redis, Settings(**limits), dispatcher), lambda function: function())

    return make


def worker(client: Client) -> Steps:
    return Steps(client.connection, client.runs, "w1")


def refused(client: Client, error: type[Exception], told: str, call: Callable[[], Any]) -> None:
    """Check that a call is refused, and nothing is written."""
    before = everything(client.connection.client)
    with pytest.raises(error, match=told):
        call()
    assert everything(client.connection.client) == before


def test_a_state_may_not_grow_beyond_its_limit_however_slowly(limited: Limited) -> None:
    client, graph = limited(max_state_bytes=4_000), line("a")
    for turn in range(3):
        ref = refs(begin(client, graph, {"said": [f"{turn}" * 1_000]}).orders)["a"]
        finish(worker(client), graph, ref)

    refused(client, StateTooLarge, "The state as a whole takes .* raise TREADLE_MAX_STATE_BYTES", lambda: begin(
        client, graph, {"said": ["x" * 1_000]}
    ))  # fmt: skip
    refused(client, StateTooLarge, "TREADLE_MAX_STATE_BYTES", lambda: begin(client, graph, {"answer": "x" * 1_000}))
    assert len(state(client, graph)["said"]) == 3


def test_a_step_that_makes_the_state_too_large_stores_nothing(limited: Limited) -> None:
    client, graph = limited(max_state_bytes=2_000), line("a", "b")
    claimed = claim(worker(client), refs(begin(client, graph, {"answer": 1}).orders)["a"])

    refused(client, StateTooLarge, "TREADLE_MAX_STATE_BYTES", lambda: worker(client).commit(
        claimed, graph, wrote(claimed, answer="x" * 2_000)
    ))  # fmt: skip


def test_a_process_that_loads_a_state_knows_its_size(limited: Limited) -> None:
    graph = line("a")
    first = limited(max_state_bytes=4_000)
    finish(worker(first), graph, refs(begin(first, graph, {"said": ["x" * 3_000]}).orders)["a"])

    other = limited(max_state_bytes=4_000)
    refused(other, StateTooLarge, "TREADLE_MAX_STATE_BYTES", lambda: begin(other, graph, {"said": ["x" * 1_000]}))


def test_an_input_may_not_write_more_at_once_than_is_allowed(limited: Limited) -> None:
    client, graph = limited(max_write_bytes=2_000), line("a")

    refused(client, StateTooLarge, "What is written at once takes .* TREADLE_MAX_WRITE_BYTES", lambda: begin(
        client, graph, {"said": ["x" * 1_500], "answer": "y" * 1_500}
    ))  # fmt: skip


def test_more_steps_than_a_superstep_may_have_are_refused_at_the_door(limited: Limited) -> None:
    client, graph = limited(max_fan_out=3), line("a")
    sends = [Send("a", {"answer": number}) for number in range(4)]
    client.editor.update(graph, parse({"thread_id": "t"}), {"answer": 0}, "a")

    refused(client, TooMany, "Steps side by side in one superstep: 4, more than the limit of 3", lambda: begin(
        client, graph, Command(goto=sends)
    ))  # fmt: skip
    assert len(begin(client, graph, Command(goto=sends[:3])).orders) == 3


def test_a_node_that_sends_too_many_fails_and_its_thread_stands_where_it_stood(limited: Limited) -> None:
    client = limited(max_fan_out=3)
    graph = branching("a", lambda _: [Send("b", {"answer": number}) for number in range(4)], "a", "b")
    claimed = claim(worker(client), refs(begin(client, graph, {"answer": 1}).orders)["a"])
    result = wrote(claimed)

    refused(client, TooMany, "TREADLE_MAX_FAN_OUT", lambda: worker(client).commit(
        claimed, graph, type(result)(result.step, (), tuple(Send("b", {"answer": number}) for number in range(4)))
    ))  # fmt: skip


def test_no_run_may_ask_for_more_supersteps_than_are_allowed(limited: Limited) -> None:
    client, graph = limited(max_recursion_limit=100_000), line("a")

    refused(client, TooMany, "The recursion_limit: 100001, more than the limit of 100000", lambda: begin(
        client, graph, {"answer": 1}, recursion_limit=100_001
    ))  # fmt: skip


def test_metadata_is_not_for_large_things(limited: Limited) -> None:
    client, graph = limited(max_metadata_bytes=300), line("a")

    for config in ({"metadata": {"a": "x" * 300}}, {"tags": ["x" * 300]}, {"configurable": {"a": "x" * 300}}):
        refused(client, StateTooLarge, "TREADLE_MAX_METADATA_BYTES", lambda config=config: begin(
            client, graph, {"answer": 1}, **config
        ))  # type: ignore[misc]  # fmt: skip
    refused(client, StateTooLarge, "TREADLE_MAX_METADATA_BYTES", lambda: client.threads.create("n", {"a": "x" * 300}))


def test_a_full_log_refuses_new_runs_and_edits_and_lets_the_active_one_end(limited: Limited) -> None:
    client, graph = limited(max_log_entries=10), line("a", "b", "c", "d")
    started = begin(client, graph, {"answer": 1})
    ref = refs(started.orders)["a"]
    for node in ("b", "c", "d"):
        (order,) = finish(worker(client), graph, ref).orders
        ref = order.ref
        assert order.node == node
    finish(worker(client), graph, ref)

    assert client.runs.status("t", started.run.id) is RunStatus.SUCCESS
    assert client.log.verify("t") is None and len(list(client.log.read("t"))) > 10
    refused(client, LogFull, r"has had 1\d entries; TREADLE_MAX_LOG_ENTRIES allows 10.*threads.copy", lambda: begin(
        client, graph, {"answer": 2}
    ))  # fmt: skip
    refused(
        client,
        LogFull,
        "archive or delete",
        lambda: client.editor.update(graph, parse({"thread_id": "t"}), {"answer": 3}),
    )
    client.threads.copy("t", "u")
    assert begin(client, graph, {"answer": 2}, "u").orders


def test_limits_are_not_set_to_nothing() -> None:
    with pytest.raises(InvalidSettings, match="TREADLE_MAX_FAN_OUT is 0: input should be greater than or equal to 1"):
        Settings(max_fan_out=0)
