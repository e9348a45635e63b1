"""Ticks among crashes: any call of a scheduler or worker may be its last, and each tick starts one run all the same."""

import random
from typing import Any, cast

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import open_connection
from scheduler.delayed import DelayedRuns, Start
from scheduler.schedule import Plan
from scheduler.schedules import Schedules
from scheduler.settings import Settings
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import kinds, line

LINE = line("a")
NOW_MS, MINUTE_MS, TICKS = 1_600_000_025_000, 60_000, 8


class Crash(BaseException):
    """The process dies here; nothing catches it."""


class Doomed:
    """A client whose process may die before and after each script, and that may send one twice."""

    def __init__(self, redis: Redis, chance: random.Random, risk: float) -> None:
        self._redis, self._chance, self._risk = redis, chance, risk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)

    def evalsha(self, *args: Any) -> Any:
        fate = self._chance.random()
        if fate < self._risk:
            raise Crash
        answer = self._redis.evalsha(*args)
        if fate < 2 * self._risk:
            raise Crash
        return self._redis.evalsha(*args) if fate < 3 * self._risk else answer


def process(redis: Redis, chance: random.Random, risk: float) -> tuple[Client, RecordingDispatcher]:
    dispatcher = RecordingDispatcher()
    doomed = cast(Redis, Doomed(redis, chance, risk))
    return Client(open_connection(doomed, Settings(), dispatcher), lambda call: call()), dispatcher


def live(redis: Redis, chance: random.Random, risk: float) -> int:
    """Let a scheduler look once, and workers take what it announces; return how many of them died."""
    scheduler, dispatcher = process(redis, chance, risk)
    deaths = 0
    try:
        Watchdog(scheduler.connection, scheduler.runs).sweep()
    except Crash:
        deaths += 1
    for thread_id, run_id, _ in dispatcher.announced:
        worker, _ = process(redis, chance, risk)
        try:
            DelayedRuns(worker).begin(thread_id, run_id, {"line": LINE})
        except Crash:
            deaths += 1
    return deaths


def all_falls_due(client: Client, redis: Redis) -> None:
    keys = client.connection.keys
    due: Any = {key: redis.zrange(key, 0, -1) for key in (*keys.due_sets(), keys.of_schedule().ticks)}
    for key, members in due.items():
        for member in members:
            redis.zadd(key, {member: 1})


def test_each_tick_starts_one_run_whoever_dies(client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Schedules, "now_ms", lambda self: NOW_MS)
    schedules, chance = Schedules(client.connection), random.Random(0)
    given = Start(LINE, parse({"thread_id": "(each)"}), {"said": ["in"]})
    schedules.create(Plan("s", "", "* * * * *", catch_up="all"), given)
    first_ms = NOW_MS // MINUTE_MS * MINUTE_MS - (TICKS - 1) * MINUTE_MS
    redis.hset(client.connection.keys.of_schedule("s").schedule, "next", first_ms)

    deaths = 0
    for risk in (1.0, *[0.12] * 12, *[0.0] * 3):
        all_falls_due(client, redis)
        deaths += live(redis, chance, risk)

    assert deaths > 0
    history = schedules.history("s")
    assert [one.tick_ms for one in history][::-1] == [first_ms + nth * MINUTE_MS for nth in range(TICKS)]
    assert [kinds(client, str(one.thread_id)).count("started") for one in history] == [1] * TICKS
    assert len(client.threads.list()) == TICKS
