"""The scripts as a whole: what their headers promise, what a repetition does, and what is said when Redis is down."""

import json
import re
from importlib.resources import files
from typing import Any

import pytest
import redis as redis_py
from redis import Redis

from graphs.graph import Graph
from scheduler import lua_files
from scheduler.bytes_redis import available
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection
from scheduler.delivery_scripts import DeliveryScripts
from scheduler.ending_scripts import EndingScripts
from scheduler.errors import StoreUnavailable
from scheduler.failure import describe
from scheduler.keys import Keys
from scheduler.limit_scripts import LimitScripts
from scheduler.lua_files import load, names
from scheduler.schedule_scripts import ScheduleScripts
from scheduler.scripts import Place, Request, Scripts
from scheduler.start_scripts import StartScripts
from scheduler.steps import Steps

from .stage import THREAD, begin, claim, expire_lease, fan, finish, kinds, line, play, record, refs, rewrite, state

LINE = line("a", "b")
FAN = fan("a", "b")
FOLDER = files("scheduler") / "lua"


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text()


def used(text: str, table: str) -> set[str]:
    return set(re.findall(rf"\b{table}\.([a-z_]+)", text))


def calls(text: str) -> set[str]:
    """Return which of the shared functions a text calls."""
    return {name for name in functions() if re.search(rf"\b{name}\(", text)}


def functions() -> dict[str, str]:
    """Return the shared functions with their bodies."""
    parts = re.split(r"^local function (\w+)", "\n".join(lua_files.shared()), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def reached(text: str, table: str) -> set[str]:
    """Return what a text uses of a table, by itself and by the functions it calls."""
    return used(text, table).union(*(reached(functions()[name], table) for name in calls(text)))


def walks_all_keys(text: str) -> bool:
    """Return whether a text, or a function that it calls, goes through KEYS."""
    return "ipairs(KEYS)" in text or any(walks_all_keys(functions()[name]) for name in calls(text))


@pytest.mark.parametrize("name", names())
def test_a_header_declares_exactly_what_its_script_uses(name: str) -> None:
    source, text = load(name), text_of(name)

    assert reached(text, "A") == set(source.args) or "request" in text
    if not walks_all_keys(text):
        assert reached(text, "K") == set(source.keys)


@pytest.mark.parametrize("name", names())
def test_a_script_says_what_it_is_for_and_what_it_returns_on_less_than_a_page(name: str) -> None:
    text = text_of(name)

    assert re.match(r"-- [A-Z][^\n]+\n(-- [^\n]+\n)*-- KEYS [^\n]+\n-- ARGV ", text)
    assert "-- Returns " in text or name.startswith("memory_")
    assert len(text.splitlines()) <= 40


def test_every_script_has_a_method_or_belongs_to_the_memory() -> None:
    callers = (Scripts, DeliveryScripts, EndingScripts, LimitScripts, ScheduleScripts, StartScripts)

    known = [name for name in names() if any(hasattr(caller, name) for caller in callers)]

    assert [name for name in names() if name not in known and not name.startswith("memory_")] == []


def test_a_place_names_the_keys_of_its_run_and_its_frame() -> None:
    place = Place(Keys("x").of_thread("t"), "r1", "outer|inner")

    assert place.named("run") == place.keys.run("r1")
    assert place.named("channels") == place.keys.channels("outer|inner")
    assert place.named("thread") == place.keys.thread
    assert (place.member("s"), place.run_member()) == ("t s", "t run:r1")


def test_a_request_is_followed_by_its_blobs() -> None:
    assert Request({"a": [1], "b": None}, [b"x", b"y"]).args() == [b'{"a":[1],"b":null}', b"x", b"y"]


def without_chance(redis: Redis, thread_id: str = THREAD) -> dict[str, Any]:
    """Return what does not depend on clock and chance: how many entries each key of the thread has."""
    sizes = {b"hash": redis.hlen, b"stream": redis.xlen, b"list": redis.llen, b"zset": redis.zcard}
    found: Any = redis.keys("*")
    return {re.sub(rb"run:.*", b"run", key).decode(): sizes[redis.type(key)](key) for key in found}  # type: ignore[index]


@pytest.mark.parametrize("graph", [LINE, FAN], ids=["line", "fan"])
def test_a_run_whose_every_script_is_sent_twice_is_the_same_run(
    client: Client, steps: Steps, redis: Redis, request: pytest.FixtureRequest, graph: Graph
) -> None:
    play(steps, graph, begin(client, graph, {"said": ["hi"]}).orders)
    once = (state(client, graph), kinds(client), without_chance(redis))
    redis.flushall()

    request.getfixturevalue("sent_twice")
    play(steps, graph, begin(client, graph, {"said": ["hi"]}).orders)

    assert (state(client, graph), kinds(client), without_chance(redis)) == once


@pytest.mark.usefixtures("sent_twice")
def test_a_retry_that_is_sent_twice_happens_once(client: Client, connection: Connection, steps: Steps) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)

    steps.retry(held, describe(ValueError("again")), 1_000)
    rewrite(connection, held.ref, due=1)

    assert claim(steps, held.ref).attempt == 2
    assert kinds(client).count("retried") == 1


@pytest.mark.usefixtures("sent_twice")
def test_a_failure_that_is_sent_twice_happens_once(client: Client, steps: Steps) -> None:
    due = refs(begin(client, FAN, {}).orders)

    steps.fail(claim(steps, due["a"]), FAN, describe(ValueError("no")))
    progress = finish(steps, FAN, due["b"])

    assert progress.ended == "error"
    assert [kinds(client).count(kind) for kind in ("failed", "committed", "finished")] == [1, 1, 1]


def test_a_lost_worker_that_is_seen_twice_is_one_loss(client: Client, connection: Connection, steps: Steps) -> None:
    held = claim(steps, begin(client, LINE, {}).orders[0].ref)
    expire_lease(connection, held.ref)
    place = connection.place(THREAD)

    (seen,) = [
        json.loads(answer)
        for _ in range(2)
        for answer in connection.scripts.redispatch_step([(place, held.ref.step_id)], wait_ms=100, wait_max_ms=1_000)
        if isinstance(answer, bytes)
    ][1:]

    assert seen["losses"] == record(connection, held.ref)["losses"] == 1
    assert kinds(client).count("lost worker") == 1


@pytest.mark.usefixtures("sent_twice")
def test_what_a_caller_does_to_a_thread_is_said_to_be_done_when_it_is_sent_twice(client: Client) -> None:
    client.threads.create(THREAD)
    started = begin(client, LINE, {})

    assert client.runs.cancel(THREAD, started.run.id)
    client.editor.update(LINE, parse({"thread_id": THREAD}), {"answer": 1}, "a")
    client.threads.terminate(THREAD)
    client.threads.delete(THREAD)

    assert client.threads.find(THREAD) is None


@pytest.mark.parametrize(
    "error",
    [redis_py.ConnectionError, redis_py.TimeoutError, redis_py.ReadOnlyError, redis_py.OutOfMemoryError],
)
def test_a_redis_that_does_not_do_its_work_is_said_to_be_unavailable(error: type[Exception]) -> None:
    with (
        pytest.raises(StoreUnavailable, match=r"Redis could not start run, because .*gone"),
        available("start run"),
    ):
        raise error("gone")


@pytest.mark.one_server
def test_scripts_and_reads_alike_say_when_redis_is_unavailable(
    client: Client, connection: Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise redis_py.ConnectionError("gone")

    monkeypatch.setattr(redis, "execute_command", refuse)
    monkeypatch.setattr(redis.connection_pool, "get_connection", refuse)

    with pytest.raises(StoreUnavailable, match="publish event"):
        connection.scripts.publish_event(connection.place("t", "r"), run="r", max_events=1, event=b"")
    with pytest.raises(StoreUnavailable, match="answer HGET, because it does not answer"):
        client.runs.status("t", "r")
    with pytest.raises(StoreUnavailable, match="answer EXECUTE, because"):
        client.threads.find("t")


def test_a_mistake_in_a_script_is_not_taken_for_an_absent_redis() -> None:
    with pytest.raises(redis_py.ResponseError), available("do it"):
        raise redis_py.ResponseError("wrong type")
