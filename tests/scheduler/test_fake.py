"""The stand-in must answer as a real server does where our scripts and clients depend on it."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from scheduler.fake import FakeTcpServer, fake_redis, fake_server

BINARY = b"\x00\xff\r\n\xc3("


@pytest.fixture
def tcp() -> Iterator[redis.Redis]:
    server = FakeTcpServer()
    with redis.Redis.from_url(server.url) as client:
        yield client
    server.stop()


@pytest.fixture(params=["in process", "tcp"])
def client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    if request.param == "tcp":
        yield request.getfixturevalue("tcp")
    else:
        with fake_redis(fake_server()) as client:
            yield client


def test_a_script_hashes_bytes_as_redis_does(client: redis.Redis) -> None:
    digest = client.eval("return redis.sha1hex(ARGV[1])", 0, BINARY)

    assert digest == hashlib.sha1(BINARY).hexdigest().encode()


def test_a_script_hashes_a_number_as_lua_prints_it(client: redis.Redis) -> None:
    digests = client.eval("return {redis.sha1hex(1), redis.sha1hex(1 / 3), redis.sha1hex(1e20)}", 0)

    # As a Redis 7.0 answers this script.
    assert digests == [
        b"356a192b7913b04c54574d18c28d46e6395428ab",
        b"84910dc3dc7e0d7252c72e18174a1bee6d2077b8",
        b"63df2b1e45dc822fe6e01bf2057737894b493f94",
    ]


def test_a_script_chains_digests_in_the_store(client: redis.Redis) -> None:
    script = client.register_script("""
        local head = redis.sha1hex((redis.call("HGET", KEYS[1], "head") or "") .. ARGV[1])
        redis.call("HSET", KEYS[1], "head", head)
        return head
    """)

    heads = [script(keys=["log"], args=[entry]) for entry in (BINARY, b"second")]

    assert heads[1] == hashlib.sha1(heads[0] + b"second").hexdigest().encode()
    assert client.hget("log", "head") == heads[1]


def test_values_are_bytes_and_come_back_unchanged(client: redis.Redis) -> None:
    client.set(BINARY, BINARY)

    assert client.eval("return {KEYS[1], redis.call('GET', KEYS[1])}", 1, BINARY) == [BINARY, BINARY]


def test_a_key_can_be_read_in_the_millisecond_of_its_end_as_in_a_redis(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.set("key", "value")
    client.pexpireat("key", 4_000_000_000_500)
    look = client.register_script("return {redis.call('EXISTS', KEYS[1]), redis.call('TIME')[2]}")

    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.5009)
    last = look(keys=["key"]), client.get("key")
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.501)
    after = look(keys=["key"]), client.get("key")

    assert last == ([1, b"500900"], b"value")
    assert after == ([0, b"501000"], None)


def test_clients_of_one_server_share_its_data_and_servers_share_none() -> None:
    server = fake_server()
    with fake_redis(server) as writer, fake_redis(server) as reader, fake_redis(fake_server()) as stranger:
        writer.set("key", "value")

        assert reader.get("key") == b"value"
        assert stranger.get("key") is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.evalsha("0" * 40, 0),
        lambda client: client.eval("return redis.error_reply('LOST lease')", 0),
        lambda client: client.lpush("text", "an entry"),
    ],
    ids=["unknown script", "error of a script", "wrong type"],
)
def test_a_refused_command_does_not_cost_the_connection(tcp: redis.Redis, ask: Callable[[redis.Redis], object]) -> None:
    tcp.set("text", "not a list")
    connection_id = tcp.client_id()

    with pytest.raises(redis.ResponseError):
        ask(tcp)

    assert tcp.client_id() == connection_id


def test_a_pipeline_goes_on_after_a_refused_command(tcp: redis.Redis) -> None:
    pipeline = tcp.pipeline(transaction=False)
    pipeline.set("text", "a")
    pipeline.lpush("text", "b")
    pipeline.get("text")

    replies = pipeline.execute(raise_on_error=False)

    assert (replies[0], type(replies[1]), replies[2]) == (True, redis.ResponseError, b"a")


@pytest.mark.parametrize(
    "end",
    [
        lambda client: client.pexpire("key", 0),
        lambda client: client.pexpireat("key", 1),
        lambda client: client.expire("key", -1),
    ],
    ids=["now", "long ago", "before"],
)
def test_a_key_that_is_given_an_end_that_has_come_is_gone_at_once(
    tcp: redis.Redis, end: Callable[[redis.Redis], object]
) -> None:
    tcp.set("key", "value")

    assert end(tcp)
    assert tcp.get("key") is None


def test_a_blocking_read_gets_what_another_client_pushes(tcp: redis.Redis) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(tcp.brpop, "queue", timeout=5)
        tcp.lpush("queue", BINARY)

        assert tuple(waiting.result(timeout=5) or ()) == (b"queue", BINARY)


def test_another_process_reaches_the_server(tcp: redis.Redis) -> None:
    port = tcp.get_connection_kwargs()["port"]
    program = f"import redis; redis.Redis(port={port}).set('from', 'elsewhere')"

    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)

    assert tcp.get("from") == b"elsewhere"


def test_a_stopped_server_is_gone() -> None:
    server = FakeTcpServer()
    server.stop()

    with redis.Redis.from_url(server.url, retry=None) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_it_says_that_nothing_survives() -> None:
    server = FakeTcpServer()
    server.stop()

    assert not server.durable
    assert server.url in server.describe()
    assert "nothing survives this process" in server.describe()
