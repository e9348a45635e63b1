"""Passwords of URLs: they are in no repr, no error and nothing that is told, also of a URL that is wrong."""

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from scheduler.errors import InvalidSettings
from treadle.checkpoint.redis import RedisSaver
from workers import bootstrap
from workers.pushing import pushing
from workers.settings import WorkerSettings

SECRET = "s3cret-Pass"
URLS = [
    f"redis://worker:{SECRET}@127.0.0.1:1/0",
    f"rediss://worker:{SECRET}@127.0.0.1:1/0",
    f"unix://worker:{SECRET}@/nowhere/redis.sock?db=0",
    f"unix:///nowhere/redis.sock?username=worker&password={SECRET}",
    f"redis://127.0.0.1:1/0?username=worker&password={SECRET}",
]
NO_URLS = [f"redis://worker:{SECRET}/x@host/0", f"http://worker:{SECRET}@host/0"]

SHOWN: dict[str, Callable[[WorkerSettings], Any]] = {
    "settings": repr,
    "what the doctor says": bootstrap.described,
    "the client": lambda settings: repr(bootstrap.redis_client(settings)),
    "an error of the client": lambda settings: bootstrap.redis_client(settings.model_copy()).ping(),
    "the connection": lambda settings: repr(bootstrap.connection(settings)),
    "the app's configuration": lambda settings: bootstrap.celery_app(settings).conf.humanize(with_defaults=False),
    "the worker's banner": lambda settings: bootstrap.celery_app(settings).connection().as_uri(),
    "why messages are not pushed": lambda settings: (
        pushing(bootstrap.celery_app(settings), bootstrap.redis_url(settings)).why
    ),
    "the engine": lambda settings: repr(RedisSaver(settings.redis_url).engine),
    "an error of the store": lambda settings: RedisSaver(settings.redis_url).threads.list(),
}


def told(show: Callable[[WorkerSettings], Any], url: str) -> str:
    """Return what is shown, or the whole traceback."""
    try:
        return str(show(WorkerSettings(redis_url=url)))
    except Exception as error:
        return "".join(traceback.format_exception(error))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a Redis that is not there only once."""
    monkeypatch.setenv("TREADLE_STORE_PATIENCE_S", "0")


@pytest.mark.parametrize("what", SHOWN)
@pytest.mark.parametrize("url", [*URLS, *NO_URLS])
def test_a_password_is_never_shown(what: str, url: str) -> None:
    assert SECRET not in told(SHOWN[what], url)


@pytest.mark.parametrize("url", NO_URLS)
def test_a_url_that_is_none_says_how_one_looks(url: str) -> None:
    with pytest.raises(InvalidSettings, match="rediss://"):
        WorkerSettings(redis_url=url)


def test_a_broker_that_cannot_be_read_keeps_its_password() -> None:
    app = bootstrap.celery_app(WorkerSettings(redis_url=URLS[0], broker_url=NO_URLS[0]))

    why = pushing(app, URLS[0]).why

    assert "cannot be read (ValueError)" in why
    assert SECRET not in why + repr(WorkerSettings(broker_url=NO_URLS[0]))
