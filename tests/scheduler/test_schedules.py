"""Schedules: what they say, when they tick, and that each tick starts one run, whoever dies and whoever is faster."""

from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from graphs.commands import Command
from graphs.graph import Graph
from scheduler import ticking
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.delayed import DelayedRuns, Start
from scheduler.dispatch import Inline
from scheduler.errors import InvalidConfig, InvalidSchedule, ScheduleNotFound
from scheduler.schedule import Plan
from scheduler.schedules import Schedules
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.ticking import Ticking
from scheduler.watchdog import Watchdog

from .stage import begin, everything, kinds, line, play

LINE = line("a")
MINUTE_MS = 60_000
#: The store's clock, as schedules read it here: five seconds past a minute, long ago.
NOW_MS = 1_600_000_025_000
PLAN = Plan("s", "", "* * * * *")


class Crash(Exception):
    """The process dies here."""


@pytest.fixture
def schedules(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Schedules:
    monkeypatch.setattr(Schedules, "now_ms", lambda self: NOW_MS)
    return Schedules(connection)


def start(graph: Graph = LINE, value: Any = None, **config: Any) -> Start:
    given = {"said": ["in"]} if value is None else value
    return Start(graph, parse({"thread_id": "(each)", "on_busy": "wait", **config}), given)


def create(schedules: Schedules, plan: Plan = PLAN, ago_min: int = 0, **more: Any) -> int:
    """Create a schedule whose next tick was so many minutes ago; return that tick."""
    schedules.create(replace(plan, **more), start())
    tick = NOW_MS // MINUTE_MS * MINUTE_MS - ago_min * MINUTE_MS
    move_back(schedules, plan.id, tick)
    return tick


def move_back(schedules: Schedules, schedule_id: str, tick: int) -> None:
    keys = schedules._connection.keys.of_schedule(schedule_id)
    schedules._connection.client.hset(keys.schedule, "next", tick)
    schedules._connection.client.zadd(keys.ticks, {schedule_id: tick})


def started(schedules: Schedules) -> list[tuple[int, str]]:
    """Return what a schedule has started, the oldest first."""
    return [(one.tick_ms, one.kind) for one in schedules.history("s")][::-1]


def begin_all(client: Client, schedules: Schedules) -> list[str]:
    """Let a worker begin all that was started; return what came of each."""
    runs = [(one.thread_id, one.run_id) for one in schedules.history("s") if one.run_id]
    return [DelayedRuns(client).begin(str(thread), str(run), {"line": LINE}) for thread, run in runs]


def test_a_tick_starts_a_run_on_a_thread_of_its_own(client: Client, schedules: Schedules, watchdog: Watchdog) -> None:
    tick = create(schedules)

    assert watchdog.sweep()["ticked"] == 1
    assert watchdog.sweep()["ticked"] == 0

    (run,) = schedules.history("s")
    assert (run.tick_ms, run.kind, run.status) == (tick, "tick", "pending")
    assert run.thread_id == "s@20200913T122700Z"
    assert begin_all(client, schedules) == ["begun"]
    assert kinds(client, run.thread_id) == ["created", "started"]
    assert schedules.history("s")[0].status == "pending"
    assert schedules.get("s").next_ms == tick + MINUTE_MS


def test_two_schedulers_start_each_tick_once(
    client: Client, elsewhere: Client, schedules: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick, rival, advance = create(schedules), Ticking(elsewhere.connection), Schedules.advance
    overtaken: list[bool] = []

    def slow(self: Schedules, *args: Any, **more: Any) -> bool:
        if not overtaken:  # the first one is overtaken between noting the run and moving on
            overtaken.append(True)
            move_back(schedules, "s", tick)
            overtaken.append(rival.sweep()["ticked"] == 1)
        return advance(self, *args, **more)

    monkeypatch.setattr(Schedules, "advance", slow)

    assert Ticking(client.connection).sweep() == {"left alone": 1}

    assert overtaken == [True, True]
    assert started(schedules) == [(tick, "tick")]
    (run,) = schedules.history("s")
    assert begin_all(client, schedules) == ["begun"]
    assert kinds(client, str(run.thread_id)) == ["created", "started"]


@pytest.mark.parametrize("dies_at", ["start", "advance", "after"])
def test_a_scheduler_that_dies_costs_no_tick_and_doubles_none(
    client: Client, schedules: Schedules, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    first = create(schedules, catch_up="all", ago_min=2)
    calls: list[Any] = []
    names = {"start": "start", "advance": "advance", "after": "advance"}
    whole = getattr(Schedules, names[dies_at])

    def dying(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if dies_at == "after" or (dies_at == "start" and len(calls) < 2):
            whole(*args, **more)
            if dies_at == "start":
                return None
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(Schedules, names[dies_at], dying)
        patched.setattr(ticking, "StoreUnavailable", Crash)  # what leaves the sweep as a crash would
        with pytest.raises(Crash):
            Ticking(client.connection).sweep()

    keys = client.connection.keys.of_schedule("s")
    client.connection.client.zadd(keys.ticks, {"s": schedules.get("s").next_ms or 0})  # its hold is over
    Ticking(client.connection).sweep()

    assert started(schedules) == [(first + minutes * MINUTE_MS, "tick") for minutes in range(3)]
    assert begin_all(client, schedules) == ["begun"] * 3
    assert all(kinds(client, str(one.thread_id)) == ["created", "started"] for one in schedules.history("s"))


@pytest.mark.parametrize(
    ("catch_up", "ago", "expected"),
    [
        ("skip", 0, [("tick", 0)]),
        ("skip", 5, [("missed", 0), ("tick", 5)]),
        ("last", 5, [("missed", 0), ("tick", 5)]),
        ("all", 3, [("tick", 0), ("tick", 1), ("tick", 2), ("tick", 3)]),
        ("all", 9, [("missed", 0), ("tick", 6), ("tick", 7), ("tick", 8), ("tick", 9)]),
    ],
)
def test_what_was_missed_is_made_up_for_as_the_schedule_says(
    schedules: Schedules, watchdog: Watchdog, catch_up: Any, ago: int, expected: list[tuple[str, int]]
) -> None:
    first = create(schedules, catch_up=catch_up, most=4, ago_min=ago)

    watchdog.sweep()

    assert [(kind, (tick - first) // MINUTE_MS) for tick, kind in started(schedules)] == expected


def test_a_schedule_that_skips_leaves_out_what_was_missed_by_more_than_a_minute(
    schedules: Schedules, watchdog: Watchdog
) -> None:
    schedules.create(replace(PLAN, cron="0 0 1 1 *", catch_up="skip"), start())
    move_back(schedules, "s", 1)

    watchdog.sweep()

    assert started(schedules) == [(1, "missed")]
    assert schedules.get("s").status == "active"


def test_a_schedule_ends_with_its_last_tick(schedules: Schedules, watchdog: Watchdog) -> None:
    tick = create(schedules, until_ms=NOW_MS + 2 * MINUTE_MS)
    keys = schedules._connection.keys.of_schedule("s")
    record = schedules.stored("s").record.replace(str(schedules.get("s").plan.until_ms).encode(), str(tick).encode())
    schedules._connection.client.hset(keys.schedule, "record", record)

    watchdog.sweep()

    assert (schedules.get("s").status, schedules.get("s").next_ms) == ("ended", None)
    assert started(schedules) == [(tick, "tick")]
    assert schedules.resume("s").status == "ended"


def test_a_paused_schedule_does_not_tick_and_makes_up_for_nothing(schedules: Schedules, watchdog: Watchdog) -> None:
    create(schedules, ago_min=5)

    assert schedules.pause("s").status == "paused"
    watchdog.sweep()
    resumed = schedules.resume("s")

    assert started(schedules) == []
    assert resumed.next_ms is not None and resumed.next_ms > NOW_MS
    assert schedules.resume("s") == resumed


def test_one_thread_for_all_ticks_is_left_alone_while_it_is_busy(
    client: Client, steps: Steps, schedules: Schedules, watchdog: Watchdog
) -> None:
    schedules.create(replace(PLAN, thread_id="daily"), replace(start(), config=parse({"thread_id": "daily"})))
    orders = begin(client, LINE, {}, "daily").orders
    schedules.trigger("s")

    assert begin_all(client, schedules) == ["failed"]
    (run,) = schedules.history("s")
    assert run.status == "error" and run.error is not None and "busy" in run.error
    play(steps, LINE, orders)
    schedules.trigger("s")
    assert begin_all(client, schedules) == ["begun", "over"]


def test_a_schedule_that_cannot_start_says_so_and_stops_no_other(
    client: Client, schedules: Schedules, watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(schedules, replace(PLAN, id="bad"))
    create(schedules)
    whole = Schedules.start

    def picky(self: Schedules, stored: Any, *args: Any) -> Any:
        if stored.schedule.id == "bad":
            raise ValueError("no such luck")
        return whole(self, stored, *args)

    monkeypatch.setattr(Schedules, "start", picky)

    watchdog.sweep()

    assert (schedules.get("bad").error, schedules.get("bad").status) == ("no such luck", "active")
    assert schedules.get("s").error == ""
    assert len(started(schedules)) == 1


def test_a_graph_that_no_worker_knows_is_told_in_the_history(
    client: Client, schedules: Schedules, connection: Connection
) -> None:
    schedules.create(PLAN, start())
    run = schedules.trigger("s")
    assert run.thread_id is not None and run.run_id is not None
    connection.client.hset(connection.place(run.thread_id, run.run_id).named("run"), "sends", 12)

    DelayedRuns(client).begin(run.thread_id, run.run_id, {})

    (told,) = schedules.history("s")
    assert told.status == "error" and told.error is not None and "line" in told.error


def test_a_schedule_that_is_broken_stops_no_other(
    schedules: Schedules, watchdog: Watchdog, connection: Connection
) -> None:
    create(schedules, replace(PLAN, id="bad"))
    connection.client.hset(connection.keys.of_schedule("bad").schedule, "record", "{")
    create(schedules)

    assert watchdog.sweep() == {"ticked": 1, "not handled": 1}


def test_what_is_no_schedule_is_refused(redis: Redis, schedules: Schedules) -> None:
    inline = Schedules(open_connection(redis, Settings(), Inline()))
    refused: list[tuple[Schedules, Plan, Start, type[Exception]]] = [
        (inline, PLAN, start(), InvalidConfig),
        (schedules, PLAN, start(value=Command(resume=1)), InvalidConfig),
        (schedules, PLAN, start(value=5), Exception),
        *(
            (schedules, replace(PLAN, **wrong), start(), InvalidSchedule)
            for wrong in (
                {"id": ""},
                {"id": "a b"},
                {"cron": "x"},
                {"zone": "x"},
                {"on_busy": "x"},
                {"catch_up": "x"},
                {"most": 0},
                {"until_ms": 1},
                {"cron": "0 0 30 2 *"},
            )
        ),
    ]

    for store, plan, given, error in refused:
        with pytest.raises(error):
            store.create(plan, given)
    assert everything(redis) == {}


def test_an_id_is_used_once_unless_it_is_replaced(schedules: Schedules) -> None:
    schedules.create(PLAN, start())

    with pytest.raises(InvalidSchedule, match="already"):
        schedules.create(PLAN, start())
    schedules.create(replace(PLAN, cron="@daily"), start(), replaces=True)

    assert [schedule.plan.cron for schedule in schedules.list()] == ["@daily"]
    assert schedules.list("line") == schedules.list()
    assert schedules.list("other") == []


@pytest.mark.usefixtures("sent_twice")
def test_scripts_that_are_sent_twice_do_no_more(schedules: Schedules, watchdog: Watchdog) -> None:
    tick = create(schedules)

    watchdog.sweep()

    assert started(schedules) == [(tick, "tick")]


def test_a_deleted_schedule_is_gone_with_its_history(schedules: Schedules, redis: Redis) -> None:
    create(schedules)
    schedules._note(schedules.stored("s"), [])

    assert schedules.delete("s")
    assert not schedules.delete("s")

    assert everything(redis) == {}
    for call in (schedules.get, schedules.pause, schedules.resume, schedules.trigger):
        with pytest.raises(ScheduleNotFound):
            call("s")
