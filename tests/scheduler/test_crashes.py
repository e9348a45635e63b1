"""A worker dies between any two scripts, or any answer of Redis is lost: a graph inside of another ends the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from graphs.graph import Graph
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.steps import Steps
from scheduler.storing import Started
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import THREAD, Death, begin, fan, kinds, state
from .troupe import CHILD, PARENT, Act, Troupe, above, asks, everything_falls_due, fails, goes_up

DEEP = above(replace(above(fan("x", "y", name="child"), "b", "c", keeps=True), name="middle"))
PAUSES = above(replace(CHILD, interrupt_before=("y",)))
PAUSES_AT_ONCE = above(replace(CHILD, interrupt_before=("x",)))
FANNED = above(fan("x", "y", name="child"))


@dataclass(frozen=True)
class Play:
    """What is played: the graph, what its nodes do, and whether ``c`` calls its graph in its body."""

    graph: Graph
    acts: Mapping[str, Act] = field(default_factory=dict)
    in_body: bool = False
    #: How many steps of a superstep may run at the same time.
    at_once: int | None = None

    def begin(self, client: Client) -> Started:
        """Begin its run."""
        return begin(client, self.graph, {"said": []}, max_concurrency=self.at_once)

    def by(self, troupe: Troupe) -> Troupe:
        """Return a worker that plays it."""
        return replace(troupe, graph=self.graph, acts=self.acts, in_body=self.in_body)


PLAYS = {
    "ends": Play(PARENT),
    "ends deep down": Play(DEEP),
    "fails": Play(PARENT, {"y": fails}),
    "fails beside another": Play(FANNED, {"y": fails}),
    "asks": Play(PARENT, {"x": asks}),
    "asks beside another": Play(FANNED, {"x": asks}),
    "pauses": Play(PAUSES),
    "pauses at once": Play(PAUSES_AT_ONCE),
    "goes up": Play(PARENT, {"x": goes_up}),
    "goes up beside another": Play(FANNED, {"x": goes_up}),
}
PLAYS |= {f"{name}, one by one": replace(play, at_once=1) for name, play in PLAYS.items() if play.graph is FANNED}
PLAYS |= {f"{name}, in a body": replace(play, in_body=True) for name, play in PLAYS.items()}


@pytest.fixture
def first(connection: Connection, client: Client, steps: Steps) -> Troupe:
    """The worker that begins."""
    return Troupe(connection, client, steps)


@pytest.fixture
def heir(elsewhere: Client, rival: Steps) -> Troupe:
    """The worker in another process that goes on."""
    return Troupe(elsewhere.connection, elsewhere, rival)


def end_of(client: Client, play: Play) -> tuple[Any, ...]:
    """Return what must be the same wherever a worker died: the end, and how often a step finished once more."""
    (run,) = client.runs.recent(THREAD)
    finished = [entry.data["step"] for entry in client.log.read(THREAD) if entry.kind == "committed"]
    return run.status, state(client, play.graph), len(finished) - len(set(finished)), client.log.verify(THREAD)


def go_on(heir: Troupe, watchdog: Watchdog, dispatcher: RecordingDispatcher) -> None:
    """See the run through, with nothing to go by but what falls due."""
    while not heir.client.runs.recent(THREAD)[0].status.is_final:
        everything_falls_due(heir.connection)
        dispatcher.sent.clear()
        assert watchdog.sweep()["dispatched"], "nothing is due, and the run has not ended"
        heir.play(dispatcher.sent)


@pytest.mark.parametrize("play", PLAYS.values(), ids=PLAYS)
def test_a_run_whose_every_script_is_sent_twice_ends_the_same(
    first: Troupe, request: pytest.FixtureRequest, play: Play
) -> None:
    play.by(first).play(play.begin(first.client).orders)
    once = (end_of(first.client, play), kinds(first.client))
    first.connection.client.flushall()

    request.getfixturevalue("sent_twice")
    play.by(first).play(play.begin(first.client).orders)

    assert (end_of(first.client, play), kinds(first.client)) == once


@pytest.mark.parametrize("play", PLAYS.values(), ids=PLAYS)
def test_a_worker_that_dies_after_any_script_changes_no_end(
    first: Troupe, heir: Troupe, mortal: Callable[[int], None], request: pytest.FixtureRequest, play: Play
) -> None:
    watchdog, dispatcher = request.getfixturevalue("watchdog"), request.getfixturevalue("dispatcher")
    play.by(first).play(play.begin(first.client).orders)
    usual, ends = end_of(first.client, play), []

    for scripts in count():
        first.connection.client.flushall()
        started = play.begin(first.client)
        mortal(scripts)
        try:
            play.by(first).play(started.orders)
            break
        except Death:
            go_on(play.by(heir), watchdog, dispatcher)
            ends.append(end_of(first.client, play))

    assert len(ends) > 2
    assert ends == [usual] * len(ends)
