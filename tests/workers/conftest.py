"""Savers for the worker floor's tests: every way of running in this process."""

import pytest

from treadle.checkpoint.base import BaseCheckpointSaver
from treadle.checkpoint.memory import MemorySaver
from treadle.checkpoint.redis import RedisSaver


@pytest.fixture(params=["memory", "redis"])
def saver(request: pytest.FixtureRequest) -> BaseCheckpointSaver:
    """A fresh saver that runs in this process: on a Redis in its memory, and on a real one."""
    if request.param == "memory":
        return MemorySaver()
    server = request.getfixturevalue("real_redis")
    server.flush()
    return RedisSaver(server.url, inline=True)
