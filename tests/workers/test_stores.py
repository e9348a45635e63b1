"""The long-term memories that workers give to the nodes of their graphs."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis import Redis

from scheduler.connection import open_connection
from scheduler.dispatch import Inline
from treadle.store.base import BaseStore
from treadle.store.memory import InMemoryStore
from treadle.store.redis import RedisStore
from workers import bootstrap
from workers.settings import WorkerSettings

INDEX = {"dims": 1, "embed": lambda texts: [[1.0] for _ in texts]}


@pytest.mark.parametrize("said", ({"ttl": {"default_ttl": 5}}, {"index": INDEX}, {"index": INDEX, "ttl": {}}))
def test_a_memory_of_one_process_becomes_the_one_beside_the_threads_with_what_it_says_of_items(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    own = InMemoryStore(**said)
    monkeypatch.setattr(bootstrap, "_compiled", lambda _: [SimpleNamespace(name="g", store=own)])
    settings = WorkerSettings(redis_url="redis://nowhere")

    found = cast(RedisStore, bootstrap.stores(settings, open_connection(redis, settings, Inline()))["g"])
    found.put(("n",), "k", {"a": 1})

    assert isinstance(found, BaseStore)
    assert not isinstance(found, InMemoryStore)
    assert (found.index_config, found.ttl_config) == (own.index_config, own.ttl_config)
    assert [key for key in cast(list[bytes], redis.keys("*")) if b":item:" in key] != []
