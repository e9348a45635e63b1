"""Every message of a step has its priority: its node's own, else its run's, however often it is sent."""

import pytest

from graphs.errors import InvalidGraph
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.errors import InvalidConfig
from scheduler.failure import describe
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import THREAD, begin, claim, expire_lease, fan, finish, line, make_due, record, refs, silent

LINE = line("a", "b", b={"priority": 2})


def priorities(dispatcher: RecordingDispatcher) -> list[tuple[str, int]]:
    return [(order.node, order.priority) for order in dispatcher.sent]


def test_a_node_says_more_than_its_run(client: Client, steps: Steps, dispatcher: RecordingDispatcher) -> None:
    at = refs(begin(client, LINE, {}, priority=8).orders)

    finish(steps, LINE, at["a"])

    assert priorities(dispatcher) == [("a", 8), ("b", 2)]


def test_a_run_that_says_nothing_has_5_and_its_records_say_nothing(
    client: Client, connection: Connection, dispatcher: RecordingDispatcher
) -> None:
    at = refs(begin(client, LINE, {}).orders)

    assert priorities(dispatcher) == [("a", 5)]
    assert "priority" not in record(connection, at["a"])
    assert "priority" not in [*client.log.read(THREAD)][1].data


def test_pending_and_the_log_tell_it(client: Client) -> None:
    begin(client, LINE, {}, priority=0)

    assert [step.priority for step in client.threads.pending(THREAD)] == [0]
    assert [*client.log.read(THREAD)][1].data["priority"] == 0


def test_what_is_sent_again_keeps_it(
    client: Client, steps: Steps, connection: Connection, dispatcher: RecordingDispatcher, watchdog: Watchdog
) -> None:
    at = refs(begin(client, LINE, {}, priority=9).orders)
    make_due(connection, at["a"])
    watchdog.sweep()
    claimed = claim(steps, at["a"])
    expire_lease(connection, at["a"])
    watchdog.sweep()
    steps.retry(claim(steps, at["a"], "again"), describe(ValueError("no"), claimed.step.node), 0)
    make_due(connection, at["a"])

    watchdog.sweep()

    assert priorities(dispatcher) == [("a", 9)] * 4


def test_an_error_handler_is_as_urgent_as_its_node(
    client: Client, steps: Steps, dispatcher: RecordingDispatcher
) -> None:
    graph = line("a", a={"priority": 1, "error_handler": silent})
    at = refs(begin(client, graph, {}, priority=7).orders)
    claimed = claim(steps, at["a"])

    steps.fail(claimed, graph, describe(ValueError("no"), "a"))

    assert [order.priority for order in dispatcher.sent] == [1, 1]


def test_what_is_let_go_has_its_own(client: Client, steps: Steps, dispatcher: RecordingDispatcher) -> None:
    graph = fan("a", "b", b={"priority": 3})
    at = refs(begin(client, graph, {}, priority=6, max_concurrency=1).orders)

    finish(steps, graph, at["a"])

    assert priorities(dispatcher) == [("a", 6), ("b", 3)]


@pytest.mark.parametrize("priority", [-1, 10, 5.0, "5", True])
def test_what_is_no_priority_is_refused(priority: object) -> None:
    with pytest.raises(InvalidConfig, match="from 0 to 9"):
        parse({"thread_id": THREAD, "priority": priority})
    with pytest.raises(InvalidGraph, match="from 0 to 9"):
        line("a", a={"priority": priority})  # type: ignore[typeddict-item]
