"""How an error handler takes over: in the same superstep, in one script, from whoever holds the failed step's lease."""

import pytest
from redis import Redis

from graphs.errors import NodeTimeoutError
from graphs.graph import Graph
from scheduler.claim import Progress
from scheduler.client import Client
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import StepRef
from scheduler.errors import LeaseLost
from scheduler.failure import describe, lost
from scheduler.lifecycle import RunStatus
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import (
    THREAD,
    begin,
    claim,
    due_ms,
    everything,
    expire_lease,
    fan,
    finish,
    kinds,
    line,
    make_due,
    now_ms,
    overtime,
    record,
    refs,
    silent,
    state,
    wrote,
)

NAME = "__error_handler__a"
LINE = line("a", "b", a={"error_handler": silent, "timeout": 5})
PAIR = fan("a", "b", a={"error_handler": silent})
FAILURE = describe(ValueError("no"), "a")


def handed(steps: Steps, graph: Graph, ref: StepRef) -> StepRef:
    """Let a step fail, and return the step of its handler."""
    progress = steps.fail(claim(steps, ref), graph, FAILURE)
    assert [order.node for order in progress.orders] == [NAME]
    return progress.orders[0].ref


def test_a_handler_takes_over_in_the_superstep_of_the_step_that_failed(
    client: Client, connection: Connection, steps: Steps, dispatcher: RecordingDispatcher
) -> None:
    started = begin(client, PAIR, {})
    due = refs(started.orders)
    cursor = client.threads.get(THREAD).cursor

    handler = handed(steps, PAIR, due["a"])

    assert dispatcher.sent[-1].ref == handler
    assert 0 < (due_ms(connection, handler) or 0) - now_ms(connection) <= connection.settings.queue_wait_ms
    assert due_ms(connection, due["a"]) is None
    assert {step.node: step.state for step in client.threads.pending(THREAD)} == {
        "a": "done",
        NAME: "queued",
        "b": "queued",
    }
    assert client.threads.get(THREAD).cursor == cursor
    assert client.runs.status(THREAD, started.run.id) is RunStatus.RUNNING


@pytest.mark.parametrize("last", ["handler", "sibling"])
def test_the_superstep_closes_when_the_handler_and_the_siblings_have_finished(
    client: Client, steps: Steps, last: str
) -> None:
    due = refs(begin(client, PAIR, {}).orders)
    handler = handed(steps, PAIR, due["a"])
    first, second = (due["b"], handler) if last == "handler" else (handler, due["b"])

    early = finish(steps, PAIR, first, said=["early"])
    late = finish(steps, PAIR, second, "join", said=["late"])

    assert early == Progress()
    assert [order.node for order in late.orders] == ["join"]
    assert state(client, PAIR)["said"] == (["late", "early"] if last == "handler" else ["early", "late"])
    assert [step.node for step in client.threads.pending(THREAD)] == ["join"]


def test_a_handler_alone_closes_its_superstep_in_one_script_and_the_failed_nodes_edges_lead_nowhere(
    client: Client, steps: Steps
) -> None:
    started = begin(client, LINE, {})
    handler = handed(steps, LINE, started.orders[0].ref)

    progress = finish(steps, LINE, handler, answer="handled")

    assert progress.ended is RunStatus.SUCCESS
    assert state(client, LINE)["answer"] == "handled"
    assert client.threads.pending(THREAD) == []
    assert kinds(client)[-4:] == ["failed", "leased", "committed", "finished"]


def test_a_handler_is_given_the_failure_in_any_process(client: Client, steps: Steps, rival: Steps) -> None:
    handler = handed(steps, LINE, begin(client, LINE, {}).orders[0].ref)

    claimed = claim(rival, handler)

    assert claimed.handed is not None
    assert (claimed.handed.step.node, claimed.handed.failure) == ("a", FAILURE)
    assert (claimed.step.node, claimed.step.path, claimed.attempt) == (NAME, ("__pregel_pull", "a"), 1)


def test_a_handler_whose_worker_died_is_sent_again_and_its_node_is_not(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    handler = handed(steps, LINE, begin(client, LINE, {}).orders[0].ref)
    claim(steps, handler)
    expire_lease(connection, handler)
    dispatcher.sent.clear()

    watchdog.sweep()

    assert [(order.ref, order.node, order.handles is not None) for order in dispatcher.sent] == [(handler, NAME, True)]
    again = claim(steps, handler)
    assert (again.attempt, again.handed is not None) == (2, True)


def test_a_worker_that_lost_its_lease_hands_nothing_over(
    client: Client, connection: Connection, steps: Steps, rival: Steps, redis: Redis
) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    slow = claim(steps, step)
    expire_lease(connection, step)
    claim(rival, step)
    before = everything(redis)

    with pytest.raises(LeaseLost):
        steps.fail(slow, LINE, FAILURE)

    assert everything(redis) == before


@pytest.mark.usefixtures("sent_twice")
@pytest.mark.one_server
def test_handing_over_twice_opens_one_handler_and_pushes_one_message(redis: Redis) -> None:
    connection = open_connection(redis, Settings(), RecordingDispatcher(queue="queue"))
    client = Client(connection, lambda call: call())
    steps = Steps(connection, client.runs, "w1")
    step = begin(client, LINE, {}).orders[0].ref

    handler = handed(steps, LINE, step)

    assert redis.lrange("queue", 0, -1) == [handler.step_id.encode(), step.step_id.encode()]
    assert kinds(client).count("failed") == 1
    assert sorted(found.node for found in client.threads.pending(THREAD)) == [NAME, "a"]


def test_a_late_message_for_the_failed_step_comes_to_nothing(client: Client, steps: Steps) -> None:
    step = begin(client, LINE, {}).orders[0].ref
    handler = handed(steps, LINE, step)

    late = claim(steps, step)

    assert (late.verdict, steps.close(late, LINE)) == ("close", Progress())
    assert finish(steps, LINE, handler).ended is RunStatus.SUCCESS


@pytest.mark.parametrize("failure", [overtime("a"), lost("a", 3)], ids=["a time limit", "a lost worker"])
def test_a_handler_takes_over_from_whatever_ended_its_node(
    client: Client, steps: Steps, failure: dict[str, str]
) -> None:
    step = begin(client, LINE, {}).orders[0].ref

    progress = steps.fail(claim(steps, step), LINE, failure)

    assert [order.node for order in progress.orders] == [NAME]
    assert claim(steps, progress.orders[0].ref).handed is not None


def test_a_failure_that_is_not_the_nodes_own_is_not_handled(client: Client, steps: Steps) -> None:
    step = begin(client, LINE, {}).orders[0].ref

    assert steps.fail(claim(steps, step), None, FAILURE).ended is RunStatus.ERROR


def test_a_handler_that_fails_ends_the_run_with_its_own_failure(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    handler = handed(steps, LINE, started.orders[0].ref)

    progress = steps.fail(claim(steps, handler), LINE, describe(KeyError("handler"), NAME))

    assert progress.ended is RunStatus.ERROR
    with pytest.raises(KeyError, match="handler"):
        client.outcome(THREAD, started.run.id)


def test_a_run_that_ended_at_a_handler_goes_on_there_and_finished_siblings_are_left_alone(
    client: Client, steps: Steps
) -> None:
    due = refs(begin(client, PAIR, {}).orders)
    handler = handed(steps, PAIR, due["a"])
    finish(steps, PAIR, due["b"], said=["b"])
    steps.fail(claim(steps, handler), PAIR, describe(KeyError("handler"), NAME))

    orders = begin(client, PAIR).orders
    claimed = claim(steps, orders[0].ref)
    steps.commit(claimed, PAIR, wrote(claimed, said=["handled"]))

    assert [(order.ref.step_id, order.node) for order in orders] == [(handler.step_id, NAME)]
    assert claimed.handed is not None and claimed.handed.failure == FAILURE
    assert state(client, PAIR) == {"said": ["handled", "b"]}


def test_a_breakpoint_before_a_handler_waits_for_the_siblings(client: Client, steps: Steps) -> None:
    started = begin(client, PAIR, {}, interrupt_before=[NAME])
    due = refs(started.orders)

    early = steps.fail(claim(steps, due["a"]), PAIR, FAILURE)
    late = finish(steps, PAIR, due["b"], said=["b"])

    assert (early, late) == (Progress(), Progress(ended=RunStatus.INTERRUPTED))
    assert [order.node for order in begin(client, PAIR).orders] == [NAME]


def test_a_handler_has_the_limits_of_its_own_and_not_those_of_its_node(
    client: Client, connection: Connection, steps: Steps
) -> None:
    handler = handed(steps, LINE, begin(client, LINE, {}).orders[0].ref)

    assert "soft_ms" not in record(connection, handler)


def test_a_retry_of_a_handler_waits_in_the_store(client: Client, connection: Connection, steps: Steps) -> None:
    handler = handed(steps, LINE, begin(client, LINE, {}).orders[0].ref)
    claimed = claim(steps, handler)

    steps.retry(claimed, describe(NodeTimeoutError(NAME), NAME), 1_000)
    make_due(connection, handler)

    assert record(connection, handler)["state"] == "waiting"
