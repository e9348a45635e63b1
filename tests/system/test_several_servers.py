"""The store on several servers, one of which is lost under load: a primary that sentinels watch, and a cluster."""

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from scheduler.client import Client
from scheduler.connection import open_connection
from scheduler.dispatch import Inline
from scheduler.errors import TransitionNotAllowed
from scheduler.patience import Patience
from scheduler.redis_at import redis_at
from scheduler.replicas import Replicas
from scheduler.settings import Settings
from tests.servers import Cluster, Server, Watched
from tests.system.conftest import Deployment, until
from tests.system.graphs import compiled
from treadle.checkpoint.redis import RedisSaver

pytestmark = pytest.mark.system

THREADS = 6
#: A message that was lost with a server is soon sent again.
SETTINGS = {"TREADLE_QUEUE_WAIT_MS": "1000"}


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("d")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    watched = Watched(tmp_path_factory.mktemp("w"))
    try:
        yield watched.start()
    finally:
        watched.stop()


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder, replicas=1)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


def lose(server: Server, deployment: Deployment, saver: RedisSaver) -> None:
    """Lose a server while runs are in flight, and see that every one of them ends as it should."""
    deployment.worker("one", "-c", "4")
    deployment.scheduler()
    graph = compiled("chain", saver)
    handles = [graph.submit({"trail": []}, {"thread_id": f"t{number}"}) for number in range(THREADS)]
    for handle in handles:
        until(partial(_has_begun, saver, handle.thread_id), "a step of each run is committed")

    server.kill()

    for handle in handles:
        assert handle.result(timeout=60) == {"trail": list(range(20))}
        assert saver.client.log.verify(handle.thread_id) is None
    assert {thread.id for thread in saver.threads.list()} == {handle.thread_id for handle in handles}


def test_what_is_told_to_be_done_is_on_the_replica(watched: Watched) -> None:
    replicas = Replicas(1, 500)
    with redis_at(watched.url, Patience(5), replicas) as redis:
        client = Client(open_connection(redis, Settings(), Inline()), lambda call: call())
        client.threads.create("copied")
        key = client.connection.place("copied").keys.thread
        assert watched.replica.ask("HGET", key, "status") == b"created"
        assert replicas.missed == 0

        watched.replica.send(signal.SIGSTOP)
        try:
            assert client.threads.create("alone").status == "created"
        finally:
            watched.replica.send(signal.SIGCONT)
        assert replicas.missed == 1

        with pytest.raises(TransitionNotAllowed):
            client.threads.create("copied")
        client.threads.delete("copied")
        client.threads.delete("alone")


def test_runs_outlive_the_primary_that_sentinels_watch(folder: Path, watched: Watched) -> None:
    deployment = Deployment(folder, watched.url, **SETTINGS)
    try:
        lose(watched.primary, deployment, RedisSaver(watched.url))
        assert "steps are published" not in deployment.output("one")  # but pushed, there as well
    finally:
        deployment.stop()


def test_runs_outlive_a_primary_of_a_cluster(folder: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = f"unix://{folder / 'redis.sock'}"
    monkeypatch.setenv("TREADLE_BROKER_URL", broker)
    deployment = Deployment(folder, cluster.url, TREADLE_BROKER_URL=broker, **SETTINGS)
    try:
        lose(cluster.primaries[0], deployment, RedisSaver(cluster.url))
    finally:
        deployment.stop()


def _has_begun(saver: RedisSaver, thread_id: str) -> bool:
    return any(entry.kind == "committed" for entry in saver.client.log.read(thread_id))
