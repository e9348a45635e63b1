"""A store that is full, only reads, is silent or dies: runs in flight go on where they stood, no node runs again."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pytest
import redis as redis_py

from tests.system.conftest import Deployment, until
from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver
from treadle.errors import StoreUnavailable

pytestmark = pytest.mark.system

THREADS = 4
#: Longer than the lease of the deployment; and longer than a client waits for a silent server.
LONG_S, SILENT_S = 3.5, 6


@dataclass
class Store:
    """A deployment with a worker and a scheduler, and hands on its Redis."""

    deployment: Deployment
    saver: RedisSaver
    admin: redis_py.Redis

    @contextmanager
    def full(self) -> Iterator[None]:
        self.admin.config_set("maxmemory", 1)
        yield
        self.admin.config_set("maxmemory", 0)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        self.admin.replicaof("127.0.0.1", 1)
        yield
        self.admin.replicaof("NO", "ONE")

    @contextmanager
    def silent(self) -> Iterator[None]:
        self.deployment.redis.send(signal.SIGSTOP)
        yield
        self.deployment.redis.send(signal.SIGCONT)

    @contextmanager
    def dead(self) -> Iterator[None]:
        self.deployment.redis.kill()
        yield
        self.deployment.redis.start()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    deployment = Deployment(tmp_path_factory.mktemp("d"), TREADLE_LEASE_MS="3000")
    try:
        deployment.scheduler()
        deployment.worker("one", "-c", str(THREADS))
        with redis_py.Redis.from_url(deployment.url) as admin:
            yield Store(deployment, RedisSaver(deployment.url), admin)
    finally:
        deployment.stop()


@pytest.mark.parametrize(
    ("ails", "for_s"), [("full", LONG_S), ("read_only", LONG_S), ("dead", 2), ("silent", SILENT_S)]
)
def test_nodes_that_end_while_the_store_ails_are_committed_when_it_is_well_again(
    store: Store, ails: str, for_s: float
) -> None:
    graph = compiled("slow", store.saver)
    handles = [graph.submit({"trail": [1.5]}, {"thread_id": f"{ails}-{number}"}) for number in range(THREADS)]
    for handle in handles:
        until(partial(_was_leased, store.saver, handle.thread_id), "the step is leased")

    with getattr(store, ails)():
        time.sleep(for_s)

    for handle in handles:
        assert handle.result(timeout=60) == {"trail": [1.5, "slept", "after"]}
        kinds = [entry.kind for entry in store.saver.client.log.read(handle.thread_id)]
        assert (kinds.count("leased"), kinds.count("committed"), kinds.count("lost worker")) == (2, 2, 0)
        assert store.saver.client.log.verify(handle.thread_id) is None


@pytest.mark.parametrize(("ails", "why"), [("full", "it is full"), ("read_only", "it is a replica")])
def test_who_has_no_patience_is_told_what_ails_the_store(
    store: Store, monkeypatch: pytest.MonkeyPatch, ails: str, why: str
) -> None:
    monkeypatch.setenv("TREADLE_STORE_PATIENCE_S", "0.2")
    graph = compiled("chat", RedisSaver(store.deployment.url))

    with getattr(store, ails)(), pytest.raises(StoreUnavailable, match=why):
        graph.submit({"messages": ["Hello"]}, {"thread_id": f"refused-{ails}"})

    assert store.saver.threads.find(f"refused-{ails}") is None


def test_a_full_store_still_forgets_threads(store: Store) -> None:
    compiled("chat", store.saver).invoke({"messages": ["Hello"]}, {"thread_id": "done"})

    with store.full():
        store.saver.threads.delete("done")

    assert store.saver.threads.find("done") is None


def _was_leased(saver: RedisSaver, thread_id: str) -> bool:
    return any(entry.kind == "leased" for entry in saver.client.log.read(thread_id))
