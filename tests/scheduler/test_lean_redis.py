"""A client that does little around a command still pairs every command with its own reply."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis as redis_py
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.retry import Retry

from scheduler.fake import FakeTcpServer
from scheduler.lean_redis import LeanRedis


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = FakeTcpServer()
    yield server.url
    server.stop()


@pytest.fixture
def lean(url: str) -> Iterator[LeanRedis]:
    with LeanRedis.from_url(url, retry=Retry(NoBackoff(), 1)) as client:
        client.flushall()
        yield client


class Sockets:
    """Counts the connections that are opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = 0
        connect: Any = Connection._connect

        def noted(connection: Connection) -> Any:
            self.opened += 1
            return connect(connection)

        monkeypatch.setattr(Connection, "_connect", noted)


def test_a_command_answers_as_the_clients_own_does(lean: LeanRedis, url: str) -> None:
    lean.hset("h", mapping={"a": 1, "b": "ü"})

    with redis_py.Redis.from_url(url) as usual:
        assert lean.hgetall("h") == usual.hgetall("h") == {b"a": b"1", b"b": "ü".encode()}
        assert (lean.get("none"), lean.exists("h")) == (None, 1)


def test_commands_one_after_the_other_share_one_connection(lean: LeanRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    lean.close()
    sockets = Sockets(monkeypatch)

    for number in range(10):
        lean.set("k", number)

    assert (lean.get("k"), sockets.opened) == (b"9", 1)


def test_a_refused_command_leaves_its_connection_in_order(lean: LeanRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    lean.set("text", "x")
    sockets = Sockets(monkeypatch)

    with pytest.raises(redis_py.ResponseError):
        lean.incr("text")

    assert (lean.get("text"), sockets.opened) == (b"x", 0)


def test_a_command_that_is_cut_short_leaves_its_reply_to_nobody(
    lean: LeanRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lean.set("mine", "mine")
    lean.set("other", "other")

    def cut_short(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Connection, "read_response", cut_short)
        lean.get("mine")

    assert lean.get("other") == b"other"


def test_a_connection_that_broke_is_opened_again(lean: LeanRedis) -> None:
    lean.set("k", "v")
    for connection in lean._idle:
        connection._sock.close()

    assert lean.get("k") == b"v"


def test_a_server_that_is_not_there_is_an_error() -> None:
    with (
        LeanRedis.from_url("redis://127.0.0.1:1/0", retry=Retry(NoBackoff(), 1)) as away,
        pytest.raises(redis_py.ConnectionError),
    ):
        away.get("k")


def test_threads_that_wait_at_the_same_time_have_a_connection_each(lean: LeanRedis) -> None:
    def own(number: int) -> bool:
        lean.set(f"k{number}", number)
        return bool(lean.get(f"k{number}") == str(number).encode())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(own, range(200)))


def test_a_process_that_was_forked_uses_no_connection_of_its_parent(
    lean: LeanRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lean.ping()
    before = set(lean._idle)
    monkeypatch.setattr(os, "getpid", lambda: -1)

    lean.ping()

    assert before.isdisjoint(lean._idle)


def test_a_closed_client_holds_no_socket(lean: LeanRedis) -> None:
    lean.ping()
    connections = list(lean._idle)

    lean.close()

    assert [connection._sock for connection in connections] == [None]
