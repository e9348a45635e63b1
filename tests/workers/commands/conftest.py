"""A store, a graph that is known, and a way to call the command line."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from tests.conftest import RealRedis
from treadle.checkpoint.redis import RedisSaver
from treadle.graph import CompiledStateGraph
from workers.cli import main

from .sample import builder

Treadle = Callable[..., Result]


@pytest.fixture
def store(real_redis: RealRedis, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty Redis, which is the one that commands work on."""
    real_redis.flush()
    monkeypatch.setenv("TREADLE_REDIS_URL", real_redis.url)
    monkeypatch.setenv("TREADLE_GRAPHS", "tests.workers.commands.sample:graph")
    monkeypatch.setenv("TREADLE_EXAMPLES", "false")
    return real_redis.url


@pytest.fixture
def graph(store: str) -> CompiledStateGraph:
    """The graph, on the store, executed in this process."""
    return builder.compile(checkpointer=RedisSaver(store, inline=True), name="sample")


@pytest.fixture
def treadle() -> Treadle:
    """Call the command line, as a script does."""

    def call(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=stdin, catch_exceptions=False)

    return call
