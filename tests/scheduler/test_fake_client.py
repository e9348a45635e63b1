"""The client without a wire answers as redis-py's client of the same fake does, and fails as it fails."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis as redis_py
from fakeredis import FakeRedis

from scheduler.fake import fake_redis, fake_server
from scheduler.fake_client import LocalRedis
from tests.scheduler.test_fake_lua import slow_server

Ask = Callable[[redis_py.Redis], Any]


@pytest.fixture
def client() -> redis_py.Redis:
    """A client without a wire."""
    client = fake_redis(fake_server())
    assert isinstance(client, LocalRedis)
    return client


def filled(client: redis_py.Redis) -> redis_py.Redis:
    """Put one key of each kind into a Redis."""
    client.set("text", "an é".encode())
    client.hset("hash", mapping={"a": "1", "b": b"\xff"})
    client.rpush("list", "a", "b")
    client.sadd("set", "a")
    client.zadd("sorted", {"a": 1.5, "b": 2})
    client.xadd("stream", {"a": "b"}, id="1-0")
    return client


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get("text"),
        lambda client: client.get("no"),
        lambda client: client.hget("hash", "a"),
        lambda client: client.hgetall("hash"),
        lambda client: client.hgetall("no"),
        lambda client: client.hmget("hash", ["a", "no"]),
        lambda client: client.hvals("hash"),
        lambda client: client.smembers("set"),
        lambda client: client.lrange("list", 0, -1),
        lambda client: client.zmscore("sorted", ["a", "no"]),
        lambda client: client.zrange("sorted", 0, -1, withscores=True),
        lambda client: client.zadd("sorted", {"a": 3}, lt=True),
        lambda client: client.xrange("stream", "-", "+", count=1),
        lambda client: client.xrevrange("stream"),
        lambda client: client.xread({"stream": "0-0"}),
        lambda client: client.xread({"stream": "$"}, block=1),
        lambda client: client.brpop("no", timeout=0.01),
        lambda client: client.set("text", 5, ex=10),
        lambda client: client.set("text", 1.5, nx=True),
        lambda client: client.expire("hash", 10),
        lambda client: client.scan(match="s*"),
        lambda client: sorted(client.scan_iter()),
        lambda client: client.type("stream"),
        lambda client: client.config_set("maxmemory-policy", "noeviction"),
        lambda client: client.client_setname("me"),
        lambda client: client.script_exists("0" * 40),
        lambda client: client.script_load("return 1"),
        lambda client: client.eval("return {1, 'a', false, {2}}", 1, "key", "arg"),
        lambda client: client.register_script("return {KEYS[1], ARGV[1], ARGV[2]}")(keys=["é"], args=[1, 2.5]),
        lambda client: client.register_script("return redis.status_reply('FINE')")(),
        lambda client: client.register_script("return {'a', redis.status_reply('b'), nil, 'c'}")(),
        lambda client: client.execute_command("EVALSHA", client.script_load("return KEYS[1]"), "1", "key", "arg"),
        lambda client: client.execute_command(b"HGET", "hash", "a"),
        lambda client: client.execute_command("SCRIPT EXISTS", "0" * 40),
        lambda client: client.pipeline().get("text").hgetall("hash").execute(),
        lambda client: client.transaction(lambda pipe: pipe.get("text")),
        lambda client: client.dbsize(),
    ],
)
def test_a_command_gets_the_same_reply(client: redis_py.Redis, ask: Ask) -> None:
    assert ask(filled(client)) == ask(filled(FakeRedis(server=slow_server())))


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.evalsha("0" * 40, 0),
        lambda client: client.lpush("text", "an entry"),
        lambda client: client.execute_command("NONSENSE"),
        lambda client: client.register_script("return redis.error_reply('LOST lease')")(),
        lambda client: client.register_script("return redis.call('HGET', 'text', 'a')")(),
        lambda client: client.register_script("return redis.call('NONSENSE')")(),
        lambda client: client.register_script("return nothing.at_all")(),
    ],
)
def test_a_command_is_refused_in_the_same_words(client: redis_py.Redis, ask: Ask) -> None:
    refusals = []
    for asked in (client, FakeRedis(server=slow_server())):
        with pytest.raises(redis_py.ResponseError) as refused:
            ask(filled(asked))
        refusals.append((type(refused.value), str(refused.value)))

    assert refusals[0] == refusals[1]
    assert client.get("text") == "an é".encode()


def test_an_argument_that_redis_cannot_take_is_refused(client: redis_py.Redis) -> None:
    with pytest.raises(redis_py.DataError):
        client.hget("hash", None)  # type: ignore[arg-type]

    assert client.ping()


def test_a_script_that_is_no_more_is_loaded_again(client: redis_py.Redis) -> None:
    script = client.register_script("return ARGV[1]")
    assert script(args=["1"]) == b"1"

    client.script_flush()

    assert script(args=["2"]) == b"2"


def test_a_server_that_is_down_is_unreachable_until_it_is_up() -> None:
    server = fake_server()
    client = fake_redis(server)
    script = client.register_script("return 1")
    script()
    server.connected = False

    for ask in (client.ping, script):
        with pytest.raises(redis_py.ConnectionError):
            ask()

    server.connected = True
    assert client.ping()
    assert script() == 1


def test_a_client_that_was_closed_works_again(client: redis_py.Redis) -> None:
    client.set("text", "kept")

    client.close()

    assert client.get("text") == b"kept"


def test_a_connection_that_was_killed_is_replaced(client: redis_py.Redis) -> None:
    killed = client.client_id()
    fake_redis(client._fake).client_kill_filter(_id=str(killed))  # type: ignore[attr-defined]

    with pytest.raises(redis_py.ConnectionError):
        client.ping()

    assert client.client_id() != killed


def test_what_waits_is_in_nobodys_way(client: redis_py.Redis) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(client.brpop, "queue", timeout=10) for _ in range(20)]

        for number in range(20):
            client.lpush("queue", number)

        assert {[*(entry.result(10) or ())][1] for entry in waiting} == {b"%d" % number for number in range(20)}
