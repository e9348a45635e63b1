"""Closing a superstep slowly: whoever looked at it before something changed closes nothing any more."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from graphs.graph import Graph
from scheduler.claim import Claim, Progress
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.errors import LeaseLost
from scheduler.lifecycle import RunStatus
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog

from .stage import THREAD, begin, claim, expire_lease, fan, overtime, pass_deadline, silent, state
from .troupe import PARENT, Troupe, above, called, fails, goes_up, says

HANDLED = fan("a", "b", a={"error_handler": silent})
NESTED = above(fan("x", "y", name="child"))
LIMITED = above(fan("x", "y", name="child"), c={"timeout": 5})
#: Makes a worker slow: before it calls a script, with what it has seen, something happens.
Slow = Callable[[str, Callable[[], object]], Troupe]


class Dying(Steps):
    """A worker that keeps results, and never lives to close a superstep."""

    def close(self, claim: Claim, graph: Graph | None) -> Progress:
        return Progress()


@pytest.fixture
def troupe(connection: Connection, client: Client, steps: Steps) -> Troupe:
    """A worker that runs both graphs."""
    return Troupe(connection, client, steps, NESTED)


@pytest.fixture
def dying(troupe: Troupe) -> Troupe:
    """A worker that dies before it closes a superstep."""
    return replace(troupe, steps=Dying(troupe.connection, troupe.client.runs, "dying"))


@pytest.fixture
def slow(elsewhere: Client, rival: Steps, monkeypatch: pytest.MonkeyPatch) -> Slow:
    """A worker in another process, for which much happens between a look and what follows."""

    def pausing(script: str, meanwhile: Callable[[], object]) -> Troupe:
        scripts = elsewhere.connection.scripts
        call = getattr(scripts, script)

        def called_late(*args: Any) -> Any:
            monkeypatch.setattr(scripts, script, call)
            meanwhile()
            return call(*args)

        monkeypatch.setattr(scripts, script, called_late)
        return Troupe(elsewhere.connection, elsewhere, rival, NESTED)

    return pausing


def test_a_handler_that_finishes_meanwhile_is_not_taken_for_one_behind_a_breakpoint(
    client: Client, dying: Troupe, slow: Slow
) -> None:
    a, b = begin(client, HANDLED, {}).orders
    handled = replace(dying, graph=HANDLED)
    (handler,) = fails(dying.steps, claim(dying.steps, a.ref), HANDLED).orders
    handled.run(b)
    doubled = replace(slow("end_run", lambda: handled.run(handler)), graph=HANDLED)

    doubled.run(a)
    handled.run(handler)

    assert client.runs.recent(THREAD)[0].status is RunStatus.RUNNING
    assert doubled.run(a).ended is RunStatus.SUCCESS


def test_a_frame_that_is_dropped_meanwhile_does_not_come_back_to_life(
    client: Client, connection: Connection, watchdog: Watchdog, dying: Troupe, slow: Slow
) -> None:
    limited = replace(dying, graph=LIMITED)
    caller, (x, y) = called(limited)
    limited.run(x)
    limited.run(y)

    def runs_out_of_time() -> None:
        pass_deadline(connection, caller.ref)
        watchdog.sweep()

    slow("commit_superstep", runs_out_of_time).run(x)

    assert [step.node for step in client.threads.pending(THREAD)] == ["c"]


def test_the_failure_of_a_frame_does_not_end_the_call_that_repeats_it(
    client: Client, troupe: Troupe, dying: Troupe, slow: Slow
) -> None:
    _, (x, y) = called(dying)
    dying.run(x)
    replace(dying, acts={"y": fails}).run(y)

    def is_called_again() -> None:
        (back,) = troupe.run(x).orders
        again = claim(troupe.steps, back.ref)
        troupe.steps.retry(again, overtime("c"), 0)
        (y_again,) = troupe.run(back).orders
        dying.run(y_again)

    late = slow("return_frame", is_called_again).run(y)

    assert late == Progress()
    troupe.play(troupe.run(y).orders)
    assert state(client, NESTED) == {"said": ["in", "x", "y", "join", "z"]}


def test_a_command_for_the_graph_above_comes_too_late_after_the_time_limit(
    connection: Connection, client: Client, troupe: Troupe
) -> None:
    child = fan("x", "y", name="child", x={"timeout": 5})
    _, (x, _) = called(replace(troupe, graph=above(child)))
    late = claim(troupe.steps, x.ref)
    pass_deadline(connection, x.ref)

    with pytest.raises(LeaseLost):
        goes_up(troupe.steps, late, child)

    assert claim(troupe.steps, x.ref).verdict == "timed_out"


def test_what_a_dead_attempt_had_called_does_not_outlive_the_run(
    client: Client, connection: Connection, troupe: Troupe
) -> None:
    in_body = replace(troupe, graph=PARENT)
    dead = claim(troupe.steps, begin(client, PARENT, {"said": []}).orders[0].ref)
    in_body.here.enter(dead, parks=False)
    expire_lease(connection, dead.ref)
    heir = claim(troupe.steps, dead.ref)

    troupe.play(says(troupe.steps, heir, PARENT).orders)  # this time, its function calls nothing

    assert client.runs.recent(THREAD)[0].status is RunStatus.SUCCESS
    assert client.threads.pending(THREAD) == []
