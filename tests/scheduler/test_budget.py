"""Budgets: what attempts spend is added once, with their outcome, and a run that has reached a limit pauses."""

from typing import Any

import pytest
from redis import Redis

from graphs.commands import Interrupt
from graphs.errors import InvalidBudget
from graphs.interrupts import GraphInterrupt
from graphs.sleeping import Asleep
from scheduler.claim import Claim
from scheduler.client import Client
from scheduler.dispatch import StepRef
from scheduler.errors import LeaseLost, ThreadNotFound
from scheduler.records import Records
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog

from .stage import (
    THREAD,
    begin,
    claim,
    everything,
    expire_lease,
    fan,
    kinds,
    line,
    now_ms,
    overtime,
    refs,
    state,
    wrote,
)

LINE = line("a", "b", "c")
BUDGET = {"tokens": 200}


def spending(steps: Steps, ref: StepRef, **amounts: float) -> Claim:
    """Claim a step whose node spends something."""
    claimed = claim(steps, ref)
    claimed.spent.add(**amounts)
    return claimed


def spend(steps: Steps, graph: Any, ref: StepRef, **amounts: float) -> Any:
    """Run a step whose node spends something."""
    claimed = spending(steps, ref, **amounts)
    return steps.commit(claimed, graph, wrote(claimed, said=[claimed.step.node]))


def test_a_run_that_has_reached_a_limit_pauses_at_its_checkpoint_and_goes_on(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {}, budget=BUDGET)
    first = spend(steps, LINE, started.orders[0].ref, tokens=150)
    second = spend(steps, LINE, first.orders[0].ref, tokens=100)

    assert second.ended == "interrupted"
    run = client.outcome(THREAD, started.run.id)  # it has not failed
    assert (run.status, run.spent["tokens"], run.spent["steps"]) == ("interrupted", 250, 2)
    assert [dict(one) for one in run.breach] == [{"scope": "run", "unit": "tokens", "spent": 250, "limit": 200}]
    (asked,) = client.output(LINE, THREAD, started.run.id).interrupts
    assert asked.value["reason"].startswith("budget: 250 of 200 tokens of the run")
    assert [one.data.get("why") for one in client.log.read(THREAD) if one.kind == "interrupted"] == [
        "budget: 250 of 200 tokens of the run"
    ]
    assert client.threads.get(THREAD).status == "paused"
    assert state(client, LINE)["said"] == ["a", "b"]
    again = begin(client, LINE, None, budget={"tokens": 1000})
    assert spend(steps, LINE, again.orders[0].ref).ended == "success"


def test_what_ends_has_nothing_left_to_pause(client: Client, steps: Steps) -> None:
    graph = line("only")
    started = begin(client, graph, {}, budget={"tokens": 1, "steps": 1})

    assert spend(steps, graph, started.orders[0].ref, tokens=100).ended == "success"
    assert client.runs.get(THREAD, started.run.id).breach == ()


@pytest.mark.usefixtures("sent_twice")
def test_a_step_that_pauses_at_a_limit_leaves_the_reason_with_its_run(client: Client, steps: Steps) -> None:
    graph = line("only")
    started = begin(client, graph, {}, budget=BUDGET)
    claimed = spending(steps, started.orders[0].ref, tokens=200)
    breach = Records(client.connection).breach(claimed)

    progress = steps.ask(claimed, graph, GraphInterrupt(breach=breach))

    assert progress.ended == "interrupted"
    assert client.runs.get(THREAD, started.run.id).breach[0]["spent"] == 200
    assert client.threads.budget(THREAD).spent["tokens"] == 200
    reasons = [(one.kind, one.data["why"]) for one in client.log.read(THREAD) if "why" in one.data]
    assert [kind for kind, _ in reasons] == ["interrupted", "interrupted", "finished"]
    assert {why for _, why in reasons} == {"budget: 200 of 200 tokens of the run"}
    assert client.log.verify(THREAD) is None


@pytest.mark.parametrize("unit", ["steps", "seconds"])
def test_steps_and_seconds_are_counted_by_themselves(client: Client, steps: Steps, unit: str) -> None:
    limit = 1 if unit == "steps" else 1e-9
    started = begin(client, LINE, {}, budget={unit: limit})

    progress = spend(steps, LINE, started.orders[0].ref)

    assert progress.ended == "interrupted" or unit == "seconds"  # a step may take less than a millisecond
    assert client.runs.get(THREAD, started.run.id).spent["steps"] == 1


@pytest.mark.parametrize(
    ("amounts", "limit"),
    [((0.7, 0.1), 0.8), ((0.1, 0.2), 0.3), ((0.1, 0.7, 0.1), 0.9), ((1e15 - 1, 1), 1e15), ((1e-9,) * 3, 3e-9)],
)
def test_a_limit_is_reached_by_what_makes_it_up_and_by_nothing_less(
    client: Client, steps: Steps, amounts: tuple[float, ...], limit: float
) -> None:
    graph = line(*(f"n{number}" for number in range(len(amounts) + 1)))
    client.threads.create(THREAD, budget={"usd": limit})
    progress: Any = begin(client, graph, {}, budget={"usd": limit})
    for amount in amounts:
        assert progress.ended is None
        progress = spend(steps, graph, progress.orders[0].ref, usd=amount)

    assert progress.ended == "interrupted"
    (run,) = client.runs.recent(THREAD)
    assert [one["spent"] for one in run.breach] == [limit, limit]
    assert client.threads.budget(THREAD).spent["usd"] == run.spent["usd"] == limit
    assert client.threads.budget(THREAD).left == {"usd": 0}


def test_what_is_spent_in_ever_so_many_steps_adds_up_exactly(client: Client, steps: Steps) -> None:
    nodes = [f"n{number}" for number in range(300)]
    graph = line(*nodes)
    progress: Any = begin(client, graph, {}, recursion_limit=1000)
    while progress.orders:
        progress = spend(steps, graph, progress.orders[0].ref, usd=0.1)

    assert client.threads.budget(THREAD).spent["usd"] == 30


def ago(client: Client, run_id: str, seconds: int) -> None:
    """Let a run have begun, or been looked at, so long ago."""
    key, now = client.connection.place(THREAD, run_id).named("run"), now_ms(client.connection)
    client.connection.client.hset(key, mapping={"started": now - seconds * 1000, "counted": now - seconds * 1000})


@pytest.mark.parametrize("scope", ["run", "thread"])
def test_a_run_that_has_gone_on_for_too_long_pauses_whatever_it_did_meanwhile(
    client: Client, steps: Steps, watchdog: Watchdog, scope: str
) -> None:
    budget, graph = {"wall_seconds": 60}, line("a", "b", "c")
    client.threads.create(THREAD, budget=budget if scope == "thread" else None)
    started = begin(client, graph, {}, budget=budget if scope == "run" else {})
    (order,) = started.orders
    ago(client, started.run.id, 20)  # it waited for a worker
    steps.retry(claim(steps, order.ref), overtime("a"), 0)
    watchdog.sweep()
    ago(client, started.run.id, 20)  # it paused
    (order,) = spend(steps, graph, order.ref).orders
    assert client.threads.budget(THREAD).spent["wall_seconds"] == pytest.approx(40, abs=5)

    ago(client, started.run.id, 20)

    assert spend(steps, graph, order.ref).ended == "interrupted"
    (over,) = client.runs.get(THREAD, started.run.id).breach
    assert (over["scope"], over["unit"], over["spent"]) == (scope, "wall_seconds", pytest.approx(60, abs=5))


@pytest.mark.usefixtures("sent_twice")
def test_a_commit_that_is_sent_twice_counts_once(client: Client, steps: Steps) -> None:
    graph = fan("x", "y")
    at = refs(begin(client, graph, {}, budget={"tokens": 50}).orders)
    spend(steps, graph, at["x"], tokens=30)
    progress = spend(steps, graph, at["y"], tokens=30)

    assert progress.ended == "interrupted"
    assert client.threads.budget(THREAD).spent["tokens"] == 60
    assert client.threads.budget(THREAD).spent["steps"] == 2


def test_an_attempt_that_was_lost_does_not_count(
    client: Client, steps: Steps, rival: Steps, watchdog: Watchdog
) -> None:
    started = begin(client, LINE, {}, budget=BUDGET)
    slow = spending(steps, started.orders[0].ref, tokens=99)
    expire_lease(client.connection, started.orders[0].ref)
    watchdog.sweep()
    spend(rival, LINE, started.orders[0].ref, tokens=1)

    with pytest.raises(LeaseLost):
        steps.commit(slow, LINE, wrote(slow, said=["a"]))
    assert client.threads.budget(THREAD).spent["tokens"] == 1


def test_what_failed_asked_or_slept_has_spent_all_the_same(client: Client, steps: Steps, redis: Redis) -> None:
    graph = fan("x", "y", "z")
    at = refs(begin(client, graph, {}, budget={"tokens": 1000}).orders)
    steps.retry(spending(steps, at["x"], tokens=1), overtime("x"), 0)
    steps.sleep(spending(steps, at["y"], tokens=10), Asleep(1))
    steps.ask(spending(steps, at["z"], tokens=100), graph, GraphInterrupt([Interrupt("Really?", "1a")]))
    steps.fail(spending(steps, at["x"], tokens=1000), graph, overtime("x"))

    assert client.threads.budget(THREAD).spent["tokens"] == 1111
    assert client.threads.budget(THREAD).spent["steps"] == 2


def test_a_threads_budget_is_shared_by_its_runs_and_a_raised_one_counts_at_once(client: Client, steps: Steps) -> None:
    client.threads.create(THREAD, budget=BUDGET)
    first = spend(steps, LINE, begin(client, LINE, {}).orders[0].ref, tokens=150)
    second = spend(steps, LINE, first.orders[0].ref, tokens=50)
    assert second.ended == "interrupted"

    refused = begin(client, LINE, None)
    assert refused.ended == "interrupted"
    assert client.outcome(THREAD, refused.run.id).breach[0]["scope"] == "thread"
    assert client.threads.set_budget(THREAD, {"tokens": 300, "usd": 1}).left == {"tokens": 100, "usd": 1}
    last = begin(client, LINE, None)
    assert spend(steps, LINE, last.orders[0].ref, tokens=100).ended == "success"
    assert client.threads.set_budget(THREAD, {"tokens": None}).limits == {"usd": 1}
    assert kinds(client).count("budgeted") == 2
    assert client.log.verify(THREAD) is None


def test_limits_that_two_set_at_once_are_both_there_and_of_one_unit_the_last_counts(
    client: Client, elsewhere: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.threads.create(THREAD, budget=BUDGET)
    script = client.connection.scripts.set_budget

    def late(*args: Any, **more: Any) -> str:
        monkeypatch.setattr(client.connection.scripts, "set_budget", script)
        elsewhere.threads.set_budget(THREAD, {"usd": 2, "tokens": 500})
        return script(*args, **more)

    monkeypatch.setattr(client.connection.scripts, "set_budget", late)
    both = client.threads.set_budget(THREAD, {"calls": 3, "tokens": 400})

    assert both.limits == {"usd": 2, "tokens": 400, "calls": 3}
    assert kinds(client).count("budgeted") == 2


@pytest.mark.usefixtures("sent_twice")
def test_limits_that_are_set_twice_are_set_once(client: Client) -> None:
    client.threads.create(THREAD)
    client.threads.set_budget(THREAD, BUDGET)

    assert client.threads.set_budget(THREAD, BUDGET).limits == BUDGET
    assert kinds(client).count("budgeted") == 1


def test_a_thread_without_a_budget_counts_what_its_nodes_report_and_else_nothing(client: Client, steps: Steps) -> None:
    started = begin(client, LINE, {})
    first = spend(steps, LINE, started.orders[0].ref)
    assert client.threads.budget(THREAD).spent == {}

    spend(steps, LINE, first.orders[0].ref, usd=0.25)

    assert client.threads.budget(THREAD).spent["usd"] == 0.25


def test_a_deleted_thread_takes_its_budget_with_it_and_a_copy_begins_with_the_limits(
    client: Client, steps: Steps, redis: Redis
) -> None:
    client.threads.create(THREAD, budget={"tokens": 10})
    spend(steps, LINE, begin(client, LINE, {}).orders[0].ref, tokens=10)
    client.threads.copy(THREAD, "copy")

    assert client.threads.budget("copy").left == {"tokens": 10}
    client.threads.delete(THREAD)
    client.threads.delete("copy")
    assert everything(redis) == {}


def test_what_is_no_budget_is_refused(client: Client) -> None:
    with pytest.raises(InvalidBudget):
        begin(client, LINE, {}, budget={"tokens": -1})
    with pytest.raises(InvalidBudget):
        client.threads.create(THREAD, budget={"tokens": 0})
    with pytest.raises(ThreadNotFound):
        client.threads.set_budget(THREAD, {"tokens": 1})
