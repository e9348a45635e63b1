"""Double-texting: what becomes of an input, whatever the active run is just doing.

===================  ============  ========================  ==============================  =======================
the active run       reject        enqueue                   interrupt                       rollback
===================  ============  ========================  ==============================  =======================
runs, or is to run   ThreadBusy    ends; then the input      stops when its superstep        is taken back at once;
                                                             closes; then the input          then the input
sleeps, or pauses    ThreadBusy    wakes, ends; then the     stops at once, where it         is taken back at once;
                                   input                     stands; then the input          then the input
runs its last step   ThreadBusy    ends; then the input      ends; then the input            is taken back at once;
                                                                                             then the input
waits for a person   the input;    goes on, once a person    the input; the question is      the input; the question
                     the question  says so, and ends; then   gone                            is gone
                     is gone       the input
has ended            the input     the input                 the input                       the input
===================  ============  ========================  ==============================  =======================

Each row is played in several situations (``texting.SITUATIONS``), its cells also with every script sent twice, and with
every process dying after any script.
"""

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from scheduler.client import Client
from scheduler.errors import ThreadBusy
from scheduler.inputs import Inputs
from scheduler.steps import Steps
from scheduler.storing import Started
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import THREAD, Death, kinds
from .texting import SITUATIONS, Busy, Situation, World
from .troupe import Troupe

MODES = ("enqueue", "interrupt", "rollback")
#: Of each kind one, for what takes long.
_FEW = (
    "its step runs",
    "its last step runs",
    "all of its steps are done, and nobody closes",
    "it sleeps",
    "it sleeps beside a step that runs",
    "it is in a graph inside",
    "somebody drains it",
    "it asks a person",
)
MORTAL = pytest.mark.parametrize("situation", [SITUATIONS[name] for name in _FEW], ids=_FEW)
EVERY = pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS)
#: What a run of the new input says, by its graph.
NEW = {"line": ("1", "a", "b"), "fan": ("1", "x", "y", "join"), "parent": ("1", "in", "x", "y", "z")}


@pytest.fixture
def heir(elsewhere: Client, rival: Steps) -> Troupe:
    """The worker in another process that goes on."""
    return Troupe(elsewhere.connection, elsewhere, rival)


@pytest.fixture
def world(client: Client, steps: Steps, heir: Troupe, watchdog: Watchdog, dispatcher: RecordingDispatcher) -> World:
    return World(client, steps, heir, watchdog, dispatcher)


def text(world: World, situation: Situation, on_busy: str) -> tuple[Busy, Started]:
    """Let the situation come about, and an input with it."""
    busy = situation.make(world)
    return busy, world.say(busy.graph, "1", on_busy)


def end_of(world: World, busy: Busy, new: Started) -> tuple[Any, ...]:
    """Return what is to be seen in the end."""
    runs = world.client.runs
    statuses = str(runs.status(THREAD, busy.run_id)), str(runs.status(THREAD, new.run.id))
    finished = [entry.data["step"] for entry in world.client.log.read(THREAD) if entry.kind == "committed"]
    again = len(finished) - len(set(finished))
    return statuses, world.said(busy.graph), world.line, again, world.client.log.verify(THREAD)


def expected(situation: Situation, busy: Busy, on_busy: str) -> tuple[Any, ...]:
    """Return what the table says."""
    ends, before = situation.ends, situation.kept
    if on_busy == "enqueue":
        before = situation.usual
        ends = "interrupted" if situation.asks else "success"
    if on_busy == "rollback" and not situation.free:
        ends, before = "cancelled", ()
    return (ends, "success"), [*before, *NEW[busy.graph.name]], [], 0, None


@EVERY
def test_reject(world: World, situation: Situation) -> None:
    if situation.free:
        busy, new = text(world, situation, "reject")
        world.play(new.orders)
        assert end_of(world, busy, new) == expected(situation, busy, "reject")
        return
    busy = situation.make(world)

    with pytest.raises(ThreadBusy):
        world.say(busy.graph, "1")

    busy.go_on()
    world.settle()
    assert world.said(busy.graph) == [*situation.usual]


@EVERY
@pytest.mark.parametrize("on_busy", MODES)
def test_every_mode(world: World, situation: Situation, on_busy: str) -> None:
    busy, new = text(world, situation, on_busy)

    assert new.queued is (not situation.free or (situation.asks and on_busy == "enqueue"))
    go_on(world, situation, busy, new)

    assert end_of(world, busy, new) == expected(situation, busy, on_busy)


def go_on(world: World, situation: Situation, busy: Busy, new: Started) -> None:
    """Let everybody go on; where a person is asked, that one says so."""
    if situation.free and not new.queued:
        world.play(new.orders)
    else:
        busy.go_on()
    world.settle()


@EVERY
@pytest.mark.parametrize("on_busy", MODES)
def test_every_mode_with_scripts_that_are_sent_twice(
    world: World, situation: Situation, on_busy: str, request: pytest.FixtureRequest
) -> None:
    busy = situation.make(world)
    request.getfixturevalue("sent_twice")

    new = world.say(busy.graph, "1", on_busy)
    go_on(world, situation, busy, new)

    assert end_of(world, busy, new) == expected(situation, busy, on_busy)
    assert kinds(world.client).count("enqueued") == new.queued


@MORTAL
@pytest.mark.parametrize("on_busy", MODES)
def test_every_mode_whoever_dies_after_any_script(
    world: World, situation: Situation, on_busy: str, mortal: Callable[[int], None]
) -> None:
    for scripts in count():
        world.connection.client.flushall()
        busy, new = text(world, situation, on_busy)
        mortal(scripts)
        try:
            go_on(world, situation, busy, new)
            break
        except Death:
            others_go_on(world)
        assert end_of(world, busy, new) == expected(situation, busy, on_busy), scripts

    assert scripts > 2


def others_go_on(world: World) -> None:
    """See to it that all is done, with nothing to go by but what falls due, and a person where one is asked."""
    world.settle()
    world.take_up()
    world.settle()


@MORTAL
@pytest.mark.parametrize("on_busy", MODES)
def test_an_input_is_there_as_a_whole_or_not_at_all_whose_caller_dies(
    world: World, situation: Situation, on_busy: str, mortal: Callable[[int], None]
) -> None:
    whole = set()
    for scripts in range(6):
        world.connection.client.flushall()
        busy = situation.make(world)
        mortal(scripts)
        with suppress(Death):
            world.say(busy.graph, "1", on_busy)
        mortal(1_000_000)
        known = world.line or [run.id for run in world.client.runs.recent(THREAD) if run.id != busy.run_id]
        whole.add(bool(known))

        busy.go_on() if world.line or not known else None
        others_go_on(world)

        if known:
            new = Started(world.client.runs.get(THREAD, known[0]), (), None, 0)
            assert end_of(world, busy, new) == expected(situation, busy, on_busy)
        else:
            assert world.said(busy.graph) == [*situation.usual]

    assert True in whole


#: What two inputs make of an active run whose first step runs, that come before anybody does anything: what is said.
PAIRS = {
    ("enqueue", "enqueue"): "0ab 1ab 2ab",
    ("enqueue", "interrupt"): "0a 2ab 1ab",
    ("enqueue", "rollback"): "2ab 1ab",
    ("interrupt", "enqueue"): "0a 1ab 2ab",
    ("interrupt", "interrupt"): "0a 1ab 2ab",
    ("interrupt", "rollback"): "1ab 2ab",
    ("rollback", "enqueue"): "1ab 2ab",
    ("rollback", "interrupt"): "1ab 2ab",
    ("rollback", "rollback"): "1ab 2ab",
}


@pytest.mark.parametrize("modes", PAIRS, ids=" and ".join)
def test_two_inputs_at_once(world: World, modes: tuple[str, str]) -> None:
    busy = SITUATIONS["its step runs"].make(world)

    both = [world.say(busy.graph, word, on_busy) for word, on_busy in zip("12", modes, strict=True)]
    busy.go_on()
    world.settle()

    assert [one.queued for one in both] == [True, True]
    assert "".join(world.said(busy.graph)) == PAIRS[modes].replace(" ", "")
    assert world.client.log.verify(THREAD) is None


@pytest.mark.parametrize("on_busy", ["interrupt", "rollback"])
def test_one_that_comes_when_the_active_run_has_just_stopped_waits_for_the_one_before_it(
    world: World, on_busy: str
) -> None:
    busy = SITUATIONS["its step runs"].make(world)
    world.say(busy.graph, "1", "interrupt")
    busy.go_on()  # and no scheduler has told anybody whose turn it is

    assert world.say(busy.graph, "2", on_busy).queued
    world.settle()

    assert "".join(world.said(busy.graph)) == "0a1ab2ab"


@pytest.mark.parametrize(
    ("moved", "place", "order"), [("3", 0, "3142"), ("3", 1, "1432"), ("1", 2, "2314"), ("2", 9, "1432")]
)
def test_a_line_that_was_reordered_keeps_what_interrupts_before_what_comes_later(
    world: World, moved: str, place: int, order: str
) -> None:
    busy = SITUATIONS["its step runs"].make(world)
    modes = {"1": "interrupt", "2": "enqueue", "3": "enqueue"}
    waiting = {word: world.say(busy.graph, word, on_busy).run.id for word, on_busy in modes.items()}

    Inputs(world.connection, THREAD).move(waiting[moved], place)
    waiting["4"] = world.say(busy.graph, "4", "interrupt").run.id

    assert world.line == [waiting[word] for word in order]


@pytest.mark.parametrize(
    ("situation", "waiting", "gone", "said"),
    [
        ("its step runs", "1", "1", "0ab"),
        ("its step runs", "12", "1", "0a2ab"),
        ("its step runs", "12", "2", "0a1ab"),
        ("its step runs", "12", "12", "0ab"),
        ("its step runs", "12", "21", "0ab"),
        ("somebody drains it", "1", "1", "0ab"),  # it stops all the same, and is taken up again
        ("it sleeps beside a step that runs", "1", "1", "0xyjoin"),
        ("it is in a graph inside", "1", "1", "inxyz"),
        ("it sleeps", "1", "1", "0"),  # it has stopped at once
    ],
)
def test_a_run_goes_on_whose_interrupting_input_is_removed(
    world: World, situation: str, waiting: str, gone: str, said: str
) -> None:
    busy = SITUATIONS[situation].make(world)
    runs = {word: world.say(busy.graph, word, "interrupt").run.id for word in waiting}

    for word in gone:
        assert Inputs(world.connection, THREAD).remove(runs[word], "said by mistake")
    busy.go_on()
    world.settle()

    assert "".join(world.said(busy.graph)) == said
    assert world.line == []
    went_on = set(waiting) == set(gone) and situation not in ("somebody drains it", "it sleeps")
    assert world.client.runs.status(THREAD, busy.run_id) == ("success" if went_on else "interrupted")


def test_one_that_is_removed_just_when_the_active_run_stops_leaves_it_where_it_is(world: World) -> None:
    busy = SITUATIONS["its step runs"].make(world)
    waiting = world.say(busy.graph, "1", "interrupt").run.id
    scripts = world.connection.scripts
    commit = scripts.commit_superstep

    def removed_between(*args: Any) -> str:
        answer = commit(*args)  # "drained"
        Inputs(world.connection, THREAD).remove(waiting)
        return answer

    with pytest.MonkeyPatch.context() as meanwhile:
        meanwhile.setattr(scripts, "commit_superstep", removed_between)
        busy.go_on()
    world.settle()

    assert world.client.runs.get(THREAD, busy.run_id).error is None
    assert world.said(busy.graph) == ["0", "a"]
    world.take_up()
    assert world.said(busy.graph) == ["0", "a", "b"]
