"""Steps that run side by side: who closes their superstep, in which order writes apply, and what a failure leaves."""

import itertools

import pytest

from graphs.errors import InvalidUpdateError
from scheduler.claim import Claim, Progress
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.dispatch import StepRef
from scheduler.failure import describe
from scheduler.lifecycle import RunStatus
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import (
    THREAD,
    begin,
    claim,
    due_ms,
    expire_lease,
    fan,
    finish,
    kinds,
    make_due,
    now_ms,
    play,
    record,
    refs,
    state,
    wrote,
)

FAN = fan("a", "b", "c")
PAIR = fan("a", "b")


class Dying(Steps):
    """A worker that dies after it has stored a step's result, and before it closes the superstep."""

    def close(self, claim: Claim, graph: object) -> Progress:
        raise SystemExit


def die_before_closing(client: Client, ref: StepRef) -> None:
    """Finish a step as the last of its superstep, and die."""
    dying = Dying(client.connection, client.runs, "dying")
    with pytest.raises(SystemExit):
        finish(dying, PAIR, ref, said=["last"])


@pytest.mark.parametrize("order", [*itertools.permutations("abc")], ids="".join)
def test_writes_apply_in_the_order_of_the_steps_and_never_of_their_finishing(
    client: Client, steps: Steps, order: tuple[str, ...]
) -> None:
    due = refs(begin(client, FAN, {}).orders)

    progress = [finish(steps, FAN, due[node], said=[node]) for node in order]

    assert progress[:2] == [Progress(), Progress()]
    assert [order.node for order in progress[2].orders] == ["join"]
    assert state(client, FAN) == {"said": ["a", "b", "c"]}


def test_a_step_that_has_finished_shows_before_its_siblings_have(client: Client, steps: Steps) -> None:
    due = refs(begin(client, PAIR, {}).orders)

    finish(steps, PAIR, due["b"], said=["b"])

    assert state(client, PAIR) == {"said": ["b"]}
    assert {step.node: step.state for step in client.threads.pending(THREAD)} == {"a": "queued", "b": "done"}


def test_a_finished_step_is_no_longer_due_while_its_siblings_are(
    client: Client, connection: Connection, steps: Steps
) -> None:
    due = refs(begin(client, PAIR, {}).orders)

    finish(steps, PAIR, due["a"])

    assert due_ms(connection, due["a"]) is None
    assert due_ms(connection, due["b"]) is not None


def test_a_late_message_for_a_finished_step_neither_runs_nor_closes_anything(client: Client, steps: Steps) -> None:
    due = refs(begin(client, PAIR, {}).orders)
    finish(steps, PAIR, due["a"])
    cursor = client.threads.get(THREAD).cursor

    late = claim(steps, due["a"])

    assert late.verdict == "close"
    assert steps.close(late, PAIR) == Progress()
    assert client.threads.get(THREAD).cursor == cursor


def test_when_the_last_worker_dies_before_closing_the_due_entry_leads_another_one_to_it(
    client: Client, connection: Connection, steps: Steps, watchdog: Watchdog, dispatcher: RecordingDispatcher
) -> None:
    due = refs(begin(client, PAIR, {}).orders)
    finish(steps, PAIR, due["a"], said=["a"])
    die_before_closing(client, due["b"])
    waits_ms = (due_ms(connection, due["b"]) or 0) - now_ms(connection)
    dispatcher.sent.clear()
    make_due(connection, due["b"])
    watchdog.sweep()

    (order,) = dispatcher.sent
    rescuer = claim(steps, order.ref)
    progress = steps.close(rescuer, PAIR)

    assert 0 < waits_ms <= connection.settings.lease_ms
    assert (order.ref, rescuer.verdict, rescuer.attempt) == (due["b"], "close", 1)
    assert [order.node for order in progress.orders] == ["join"]
    assert state(client, PAIR) == {"said": ["a", "last"]}


def test_of_two_workers_that_close_the_same_superstep_one_opens_the_next(
    client: Client, steps: Steps, rival: Steps
) -> None:
    due = refs(begin(client, PAIR, {}).orders)
    finish(steps, PAIR, due["a"], said=["a"])
    die_before_closing(client, due["b"])
    one, other = claim(steps, due["b"]), claim(rival, due["a"])

    first, second = steps.close(one, PAIR), rival.close(other, PAIR)

    assert [order.node for order in first.orders] == ["join"]
    assert second == Progress()
    assert kinds(client).count("advanced") == 1
    assert [step.node for step in client.threads.pending(THREAD)] == ["join"]


def test_a_failure_waits_for_its_siblings_and_then_ends_the_run(client: Client, steps: Steps) -> None:
    started = begin(client, PAIR, {})
    due = refs(started.orders)

    failing = claim(steps, due["a"])
    early = steps.fail(failing, PAIR, describe(ValueError("no"), "a"))
    status = client.runs.status(THREAD, started.run.id)
    late = finish(steps, PAIR, due["b"], said=["b"])

    assert (early, status) == (Progress(), RunStatus.RUNNING)
    assert late == Progress(ended=RunStatus.ERROR)
    with pytest.raises(ValueError, match="no"):
        client.outcome(THREAD, started.run.id)


def test_a_finished_step_never_runs_again_when_its_sibling_fails(
    client: Client, steps: Steps, dispatcher: RecordingDispatcher
) -> None:
    due = refs(begin(client, PAIR, {}).orders)
    finish(steps, PAIR, due["a"], said=["a"])
    steps.fail(claim(steps, due["b"]), PAIR, describe(ValueError("no"), "b"))
    dispatcher.sent.clear()

    again = begin(client, PAIR)
    play(steps, PAIR, again.orders)

    assert [order.node for order in again.orders] == ["b"]
    assert state(client, PAIR) == {"said": ["a", "b", "join"]}
    assert client.threads.get(THREAD).status == "idle"


def test_a_finished_step_never_runs_again_when_its_run_is_cancelled(client: Client, steps: Steps) -> None:
    started = begin(client, PAIR, {})
    finish(steps, PAIR, refs(started.orders)["b"], said=["b"])
    client.runs.cancel(THREAD, started.run.id)

    again = begin(client, PAIR)
    play(steps, PAIR, again.orders)

    assert [order.node for order in again.orders] == ["a"]
    assert state(client, PAIR) == {"said": ["a", "b", "join"]}


def test_when_all_had_finished_and_nobody_closed_the_next_run_only_closes(client: Client, steps: Steps) -> None:
    started = begin(client, PAIR, {})
    due = refs(started.orders)
    finish(steps, PAIR, due["a"], said=["a"])
    die_before_closing(client, due["b"])
    client.runs.cancel(THREAD, started.run.id)

    again = begin(client, PAIR)
    play(steps, PAIR, again.orders)

    assert len(again.orders) == 1
    assert state(client, PAIR) == {"said": ["a", "last", "join"]}
    assert [entry.data["node"] for entry in client.log.read(THREAD) if entry.kind == "leased"] == ["a", "b", "join"]


def test_who_closes_for_a_run_that_was_cancelled_does_nothing_to_the_next_one(
    client: Client, steps: Steps, rival: Steps
) -> None:
    started = begin(client, PAIR, {})
    due = refs(started.orders)
    finish(steps, PAIR, due["a"], said=["a"])
    die_before_closing(client, due["b"])
    late = claim(rival, due["b"])
    client.runs.cancel(THREAD, started.run.id)
    again = begin(client, PAIR)

    assert rival.close(late, PAIR) == Progress()

    play(steps, PAIR, again.orders)
    assert state(client, PAIR) == {"said": ["a", "last", "join"]}


def test_an_error_of_the_run_before_does_not_end_the_run_in_which_its_step_is_tried_again(
    client: Client, steps: Steps, rival: Steps
) -> None:
    due = refs(begin(client, PAIR, {}).orders)
    for node in "ab":
        steps.fail(claim(steps, due[node]), PAIR, describe(ValueError("no"), node))
    again = begin(client, PAIR)
    due = refs(again.orders)
    finish(steps, PAIR, due["a"], said=["a"])

    doubled = claim(rival, due["a"])
    assert (doubled.verdict, rival.close(doubled, PAIR)) == ("close", Progress())

    assert client.runs.status(THREAD, again.run.id) is RunStatus.RUNNING
    play(steps, PAIR, [order for order in again.orders if order.node == "b"])
    assert state(client, PAIR) == {"said": ["a", "b", "join"]}


def test_a_worker_that_lost_its_lease_cannot_put_its_result_among_its_siblings(
    client: Client, connection: Connection, steps: Steps, rival: Steps
) -> None:
    due = refs(begin(client, PAIR, {}).orders)
    slow = claim(steps, due["a"])
    expire_lease(connection, due["a"])
    fast = claim(rival, due["a"])

    with pytest.raises(Exception, match="was lost; nothing was stored"):
        steps.commit(slow, PAIR, wrote(slow, said=["slow"]))
    rival.commit(fast, PAIR, wrote(fast, said=["fast"]))
    with pytest.raises(Exception, match="was lost; nothing was stored"):
        steps.commit(slow, PAIR, wrote(slow, said=["slow"]))
    finish(steps, PAIR, due["b"], said=["b"])

    assert state(client, PAIR) == {"said": ["fast", "b"]}


def test_writes_that_do_not_go_together_end_the_run_and_leave_the_state_readable(client: Client, steps: Steps) -> None:
    started = begin(client, PAIR, {"answer": 0})
    due = refs(started.orders)

    finish(steps, PAIR, due["a"], answer=1)
    progress = finish(steps, PAIR, due["b"], answer=2)

    assert progress.ended is RunStatus.ERROR
    with pytest.raises(InvalidUpdateError, match="At key 'answer'"):
        client.outcome(THREAD, started.run.id)
    assert state(client, PAIR) == {"said": [], "answer": 0}


def test_steps_side_by_side_count_their_attempts_and_losses_each_for_itself(
    client: Client, connection: Connection, steps: Steps
) -> None:
    due = refs(begin(client, PAIR, {}).orders)
    claim(steps, due["a"])
    claim(steps, due["b"])
    expire_lease(connection, due["a"])
    claim(steps, due["a"])

    assert [(record(connection, due[node])["attempt"], record(connection, due[node])["losses"]) for node in "ab"] == [
        (2, 1),
        (1, 0),
    ]
