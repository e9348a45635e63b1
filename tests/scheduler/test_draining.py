"""How a run is drained: a field on it, which the script that would open the next steps looks at."""

import pytest

from graphs.errors import GraphDrained
from scheduler.claim import Progress
from scheduler.client import Client
from scheduler.lifecycle import RunStatus
from scheduler.steps import Steps

from .stage import THREAD, begin, claim, fan, finish, kinds, line, play, refs, state, wrote

LINE = line("a", "b")
PAIR = fan("a", "b")
DRAINED = Progress(ended=RunStatus.INTERRUPTED)


def test_a_drained_run_stores_what_was_written_and_opens_nothing(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    client.runs.drain(THREAD, started.run.id, "deploy")

    progress = finish(steps, LINE, started.orders[0].ref, said=["a"])

    assert progress == DRAINED
    assert client.threads.pending(THREAD) == []
    assert state(client, LINE) == {"said": ["a"]}
    with pytest.raises(GraphDrained, match="deploy"):
        client.outcome(THREAD, started.run.id)
    assert kinds(client)[-2:] == ["committed", "finished"]


def test_a_drained_run_goes_on_where_it_stopped_and_is_not_drained_again(client: Client, steps: Steps) -> None:
    first = begin(client, LINE, {})
    client.runs.drain(THREAD, first.run.id, "deploy")
    finish(steps, LINE, first.orders[0].ref, said=["a"])

    second = begin(client, LINE)
    play(steps, LINE, second.orders)

    assert [order.node for order in second.orders] == ["b"]
    assert client.runs.status(THREAD, second.run.id) is RunStatus.SUCCESS
    assert state(client, LINE) == {"said": ["a", "b"]}


def test_parallel_steps_all_end_before_a_drained_run_does(client: Client, steps: Steps) -> None:
    started = begin(client, PAIR, {})
    due = refs(started.orders)
    draining = claim(steps, due["a"])
    steps.drain(draining, "deploy")

    early = finish(steps, PAIR, due["b"], said=["b"])
    late = steps.commit(draining, PAIR, wrote(draining, said=["a"]))

    assert (early, late) == (Progress(), DRAINED)
    assert state(client, PAIR) == {"said": ["a", "b"]}


def test_a_run_without_work_left_ends_as_if_nobody_had_asked(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    (order,) = finish(steps, LINE, started.orders[0].ref).orders
    client.runs.drain(THREAD, started.run.id, "deploy")

    assert finish(steps, LINE, order.ref).ended is RunStatus.SUCCESS
    assert client.outcome(THREAD, started.run.id).error is None


def test_a_breakpoint_on_the_next_node_wins(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {}, interrupt_before=["b"])
    client.runs.drain(THREAD, started.run.id, "deploy")

    finish(steps, LINE, started.orders[0].ref)

    assert client.outcome(THREAD, started.run.id).status is RunStatus.INTERRUPTED


def test_the_first_reason_is_kept_and_a_run_that_is_over_is_left_alone(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    client.runs.drain(THREAD, started.run.id, "first")
    client.runs.drain(THREAD, started.run.id, "second")
    reason = client.runs.drain_reason(THREAD, started.run.id)
    finish(steps, LINE, started.orders[0].ref)
    over = begin(client, LINE)
    play(steps, LINE, over.orders)

    client.runs.drain(THREAD, over.run.id, "late")

    assert reason == "first"
    assert client.runs.drain_reason(THREAD, over.run.id) is None


@pytest.mark.usefixtures("sent_twice")
def test_a_drain_whose_scripts_are_sent_twice_happens_once(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    client.runs.drain(THREAD, started.run.id, "deploy")

    progress = finish(steps, LINE, started.orders[0].ref, said=["a"])

    assert progress == DRAINED
    assert kinds(client).count("finished") == 1
