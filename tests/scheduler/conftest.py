"""A store, and everything that works on it, for the scheduler's tests."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

from scheduler.client import Client
from scheduler.connection import Connection, open_connection
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .limiting import Limiting
from .stage import Death, Open


@pytest.fixture
def dispatcher() -> RecordingDispatcher:
    """What was sent to the workers."""
    return RecordingDispatcher()


@pytest.fixture
def settings() -> Settings:
    """The settings of all processes."""
    return Settings()


@pytest.fixture
def connection(redis: Redis, settings: Settings, dispatcher: RecordingDispatcher) -> Connection:
    """The store, and a dispatcher that only takes notes."""
    return open_connection(redis, settings, dispatcher)


@pytest.fixture
def client(connection: Connection) -> Client:
    """Every verb on threads."""
    return Client(connection, _call)


@pytest.fixture
def elsewhere(redis: Redis, settings: Settings, dispatcher: RecordingDispatcher) -> Client:
    """A client in another process: it remembers nothing of what the first one saw."""
    return Client(open_connection(redis, settings, dispatcher), _call)


@pytest.fixture
def opened(redis: Redis, dispatcher: RecordingDispatcher) -> Open:
    """Opens clients in other processes, whose values are sealed."""

    def open_client(keys: str, *, strict: bool = False) -> Client:
        sealed = Settings(encryption_keys=SecretStr(keys), encryption_strict=strict)
        return Client(open_connection(redis, sealed, dispatcher), _call)

    return open_client


@pytest.fixture
def steps(connection: Connection, client: Client) -> Steps:
    """A worker."""
    return Steps(connection, client.runs, "w1")


@pytest.fixture
def rival(elsewhere: Client) -> Steps:
    """A worker in another process."""
    return Steps(elsewhere.connection, elsewhere.runs, "w2")


@pytest.fixture
def watchdog(connection: Connection, client: Client) -> Watchdog:
    """A scheduler."""
    return Watchdog(connection, client.runs)


@pytest.fixture
def limiting(connection: Connection, client: Client) -> Limiting:
    """A worker that keeps to limits."""
    return Limiting(connection, client)


@pytest.fixture
def sent_twice(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every script be sent twice, as when the answer to the first sending is lost with the connection."""
    send = redis.evalsha

    def send_again(*args: Any) -> Any:
        send(*args)
        return send(*args)

    monkeypatch.setattr(redis, "evalsha", send_again)


@pytest.fixture
def mortal(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let whoever works die when Redis has run so many scripts more."""
    send = redis.evalsha

    def die_after(scripts: int) -> None:
        left = iter(range(scripts))

        def send_and_die(*args: Any) -> Any:
            answer = send(*args)
            if next(left, None) is None:
                monkeypatch.setattr(redis, "evalsha", send)
                raise Death
            return answer

        monkeypatch.setattr(redis, "evalsha", send_and_die)

    return die_after


@pytest.fixture
def round_trips(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that were sent one by one, pipelines aside."""
    seen: list[str] = []
    execute: Any = redis.execute_command

    def noted(*args: Any, **options: Any) -> Any:
        seen.append(str(args[0]))
        return execute(*args, **options)

    monkeypatch.setattr(redis, "execute_command", noted)
    return seen


def _call(function: Callable[[], Any]) -> Any:
    return function()
