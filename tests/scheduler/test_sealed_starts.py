"""What is to begin later, or at each tick, is sealed as everything else: inputs, contexts, URLs that hold secrets."""

from functools import partial
from typing import Any

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.config import parse
from scheduler.delayed import DelayedRuns, Start
from scheduler.mistrust import KeyMissing, SealBroken
from scheduler.resealing import Resealing
from scheduler.schedule import Plan
from scheduler.schedules import Schedules
from scheduler.sealing import new_key

from .stage import THREAD, Open, begin, everything, line

LINE = line("a")
GRAPHS = {"line": LINE}
SECRET = "Xq7-secret"
URL = f"https://hooks.example/runs?key={SECRET}"
OLD, NEW = f"old:{new_key()}", f"new:{new_key()}"


@pytest.fixture
def opened(opened: Open) -> Open:
    """The same, and what nobody has sealed is refused, unless a test says otherwise."""
    return partial(opened, strict=True)


def start(thread_id: str, **config: Any) -> Start:
    parsed = parse({"thread_id": thread_id, "webhook": URL, "metadata": {"why": SECRET}, **config})
    return Start(LINE, parsed, {"said": [SECRET]}, at=3600)


def fill(client: Client) -> tuple[str, str]:
    """Note a run that waits for its moment, one that waits for its turn, and a schedule; return the runs' ids."""
    later = DelayedRuns(client).put(start("unborn"))
    begin(client, LINE, {"said": [SECRET]})
    queued = begin(client, LINE, {"said": [SECRET]}, on_busy="enqueue", webhook=URL)
    Schedules(client.connection).create(Plan("s", "", "* * * * *"), start("(each)"))
    return later.run_id, queued.run.id


def said(client: Client, thread_id: str, run_id: str) -> Any:
    """Let a worker begin a run; return what its thread holds then, and which webhook it has."""
    if thread_id == THREAD:  # it is busy
        client.runs.cancel(thread_id, client.threads.get(thread_id).run_id or "")
    assert DelayedRuns(client).begin(thread_id, run_id, GRAPHS) == "begun"
    run = client.runs.get(thread_id, run_id)
    assert run.webhook is not None
    return client.snapshots.current(LINE, parse({"thread_id": thread_id}), {}).values["said"], run.webhook["url"]


def test_nothing_of_what_is_to_begin_can_be_read(opened: Open, redis: Redis) -> None:
    client = opened(OLD)
    later, queued = fill(client)
    triggered = Schedules(client.connection).trigger("s")

    assert SECRET.encode() not in repr(everything(redis)).encode()
    assert said(client, "unborn", later) == ([SECRET], URL)
    assert said(client, THREAD, queued) == ([SECRET, SECRET], URL)
    assert said(client, str(triggered.thread_id), str(triggered.run_id)) == ([SECRET], URL)


def test_without_keys_it_can_be(opened: Open, redis: Redis) -> None:
    fill(opened("", strict=False))

    held = [key for key, value in everything(redis).items() if SECRET.encode() in repr(value).encode()]
    assert sum(b":run:" in key for key in held) >= 2  # else the test above would prove less than it says
    assert any(b":schedule:" in key for key in held)


@pytest.mark.parametrize("before", [OLD, ""], ids=["under the old key", "unsealed"])
def test_afterwards_the_old_key_is_not_needed(opened: Open, before: str) -> None:
    later, queued = fill(opened(before, strict=False))

    tally = Resealing(opened(f"{NEW},{OLD}").connection).all()

    assert (tally.broken, tally.resealed) == ([], tally.found["old" if before else ""])
    client = opened(NEW)
    triggered = Schedules(client.connection).trigger("s")
    assert said(client, "unborn", later) == ([SECRET], URL)
    assert said(client, THREAD, queued) == ([SECRET, SECRET], URL)
    assert said(client, str(triggered.thread_id), str(triggered.run_id)) == ([SECRET], URL)


def test_a_scheduler_without_the_key_says_which_one(opened: Open) -> None:
    fill(opened(OLD))

    with pytest.raises(KeyMissing, match="'old'"):
        Schedules(opened(NEW).connection).trigger("s")


def test_a_schedule_cannot_take_the_start_of_another(opened: Open, redis: Redis) -> None:
    client = opened(OLD)
    schedules = Schedules(client.connection)
    for id_ in ("s", "other"):
        schedules.create(Plan(id_, "", "* * * * *"), start("(each)"))
    here, there = (client.connection.keys.of_schedule(id_).schedule for id_ in ("s", "other"))
    theirs: Any = redis.hget(there, "start")
    redis.hset(here, "start", theirs)

    with pytest.raises(SealBroken):
        schedules.trigger("s")
