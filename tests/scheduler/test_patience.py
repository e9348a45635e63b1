"""A Redis that ails is asked again, for as long as patience lasts and only where it may pass."""

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from redis import exceptions
from redis.connection import Connection

from scheduler.fake import FakeTcpServer
from scheduler.lean_redis import LeanRedis
from scheduler.patience import Patience
from scheduler.redis_at import redis_at

AWAY = exceptions.ConnectionError("refused")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.patience._LONGEST_PAUSE_S", 0.001)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = FakeTcpServer()
    yield server.url
    server.stop()


def after(*errors: Exception) -> Callable[[], str]:
    """Return what fails as often as there are errors, and then answers."""
    left = [*errors]

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return ask


def known(patience: Patience) -> Patience:
    """Return a patience with a Redis that has answered once."""
    patience.see_through(after())
    return patience


def test_what_passes_is_waited_for() -> None:
    assert known(Patience(30)).see_through(after(*[AWAY] * 20)) == "answer"


def test_patience_ends_with_what_was_said_last() -> None:
    began = time.monotonic()

    with pytest.raises(exceptions.OutOfMemoryError, match="still"):
        known(Patience(0.05)).see_through(after(AWAY, *[exceptions.OutOfMemoryError("still")] * 10_000))

    assert time.monotonic() - began < 5


def test_a_redis_that_never_answered_gets_little_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.patience._FOR_STRANGERS_S", 0.02)

    with pytest.raises(exceptions.ConnectionError):
        Patience(3600).see_through(after(*[AWAY] * 10_000))


@pytest.mark.parametrize("error", [exceptions.AuthenticationError("no"), exceptions.ResponseError("wrong"), KeyError()])
def test_what_does_not_pass_is_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error)):
        known(Patience(30)).see_through(after(error))


def test_who_has_no_patience_asks_once() -> None:
    with pytest.raises(exceptions.ConnectionError):
        known(Patience(0)).see_through(after(AWAY))


def test_who_has_no_patience_minds_no_connection_that_was_closed_meanwhile(url: str) -> None:
    with redis_at(url, Patience(0)) as client:
        client.set("n", 1)
        for connection in cast(LeanRedis, client)._idle:
            connection._sock.close()

        assert client.get("n") == b"1"


def test_commands_and_pipelines_of_a_client_are_sent_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, full = redis_at(url, known(Patience(30))), exceptions.OutOfMemoryError("full")
    client.set("n", 1)
    read, refused = Connection.read_response, after(full)

    def read_response(connection: Connection, *args: Any, **options: Any) -> Any:
        answer = read(connection, *args, **options)
        refused()
        return answer

    monkeypatch.setattr(Connection, "read_response", read_response)
    assert client.get("n") == b"1"

    refused = after(full, full)
    pipeline: Any = client.pipeline(transaction=False)
    assert pipeline.get("n").get("n").execute() == [b"1", b"1"]
    client.close()
