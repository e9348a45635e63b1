"""A cluster whose keys move, and of which a node is silent: each command finds its node, and the others go on."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py
from redis import exceptions
from redis.crc import key_slot

from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.keys import Keys
from scheduler.patience import Patience
from scheduler.redis_at import redis_at
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher
from tests.scheduler.stage import line
from tests.servers import Cluster, Server

pytestmark = pytest.mark.system

GRAPH = line("a", "b")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    # It takes no silence for a death: each part goes on alone.
    cluster = Cluster(tmp_path_factory.mktemp("c"), timeout_ms=60_000)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[Connection]:
    cluster.flush()
    with redis_at(cluster.url, Patience(5)) as redis:
        yield open_connection(redis, Settings(queue_wait_ms=100), RecordingDispatcher())


@pytest.fixture
def client(connection: Connection) -> Client:
    return Client(connection, lambda call: call())


def thread_on(cluster: Cluster, server: Server) -> str:
    """Return the id of a thread whose keys a node holds."""
    keys = Keys()
    ids = (f"t{number}" for number in range(1_000))
    return next(id_ for id_ in ids if cluster.holder(keys.of_thread(id_).thread) is server)


def begin_on(client: Client, cluster: Cluster, server: Server) -> str:
    """Begin a run on a thread of a node, and return the thread's id."""
    thread_id = thread_on(cluster, server)
    client.start(GRAPH, parse({"thread_id": thread_id}), {"said": ["hi"]})
    return thread_id


class Migration:
    """A slot on its way from one node to another."""

    def __init__(self, slot: int, source: Server, target: Server) -> None:
        self.slot, self.source, self.target = slot, source, target
        self._source_id, self._target_id = (server.ask("CLUSTER", "MYID") for server in (source, target))

    def begin(self) -> None:
        """Let the nodes know that it moves."""
        self.target.ask("CLUSTER", "SETSLOT", self.slot, "IMPORTING", self._source_id)
        self.source.ask("CLUSTER", "SETSLOT", self.slot, "MIGRATING", self._target_id)

    def move(self) -> None:
        """Move its keys."""
        for key in self.source.ask("CLUSTER", "GETKEYSINSLOT", self.slot, 1_000):
            self.source.ask("MIGRATE", "127.0.0.1", self.target.port, key, 0, 5_000)

    def end(self) -> None:
        """Let all nodes know where it is."""
        for server in (self.target, self.source):
            server.ask("CLUSTER", "SETSLOT", self.slot, "NODE", self._target_id)


def test_threads_go_on_while_their_slot_moves_to_another_node(client: Client, cluster: Cluster) -> None:
    source, target, _ = cluster.primaries
    thread_id = begin_on(client, cluster, source)
    keys = client.connection.place(thread_id).keys
    away, back = (
        Migration(key_slot(keys.thread.encode()), *servers) for servers in ((source, target), (target, source))
    )
    try:
        away.begin()
        away.move()
        assert client.connection.redis.hget(keys.thread, "status") == b"running"  # asked for where it is going
        assert source.ask("CLUSTER", "COUNTKEYSINSLOT", away.slot) == 0
        away.end()

        assert client.runs.cancel(thread_id, client.runs.recent(thread_id)[0].id, "moved")  # followed to where it is
        pipeline = client.connection.redis.pipeline(transaction=True)
        assert pipeline.hget(keys.thread, "status").hget(keys.thread, "run").execute() == [b"cancelled", b""]
        assert client.log.verify(thread_id) is None
    finally:
        back.begin()
        back.move()
        back.end()


def test_a_script_waits_until_all_keys_of_its_slot_have_moved(client: Client, cluster: Cluster) -> None:
    source, target, _ = cluster.primaries
    thread_id = begin_on(client, cluster, source)
    slot = key_slot(client.connection.place(thread_id).keys.thread.encode())
    there, again = Migration(slot, source, target), Migration(slot, target, source)
    hasty = Client(
        open_connection(redis_at(cluster.url, Patience()), Settings(), RecordingDispatcher()), lambda call: call()
    )
    try:
        there.begin()
        with pytest.raises(Exception, match="the cluster moves a part of its data"):
            hasty.runs.cancel(thread_id, client.runs.recent(thread_id)[0].id, "")
        there.move()
        there.end()

        assert hasty.runs.cancel(thread_id, client.runs.recent(thread_id)[0].id, "")
    finally:
        again.begin()
        again.move()
        again.end()


@pytest.mark.parametrize("silent", [0, 2])
def test_a_silent_node_keeps_no_other_from_being_swept(
    client: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    monkeypatch.setattr("scheduler.redis_at._SILENCE_S", 0.5)
    here, there = cluster.primaries[1], cluster.primaries[silent]
    ids = [begin_on(client, cluster, server) for server in (here, there)]
    for id_ in ids:
        place = client.connection.place(id_)
        admin: Any = client.connection.client
        admin.zadd(place.keys.due, dict.fromkeys(admin.zrange(place.keys.due, 0, -1), 1))
    with redis_at(cluster.url, Patience()) as redis:
        connection = open_connection(redis, Settings(), RecordingDispatcher())
        watchdog = Watchdog(connection, client.runs)
        there.send(signal.SIGSTOP)
        try:
            assert watchdog.sweep() == {"dispatched": 1}
        finally:
            there.send(signal.SIGCONT)


def test_a_silent_node_keeps_no_other_lease_from_being_renewed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.redis_at._SILENCE_S", 0.5)
    cluster.flush()
    here, there, _ = cluster.primaries
    with redis_at(cluster.url, Patience(3600)) as redis:
        dispatcher = RecordingDispatcher()
        client = Client(open_connection(redis, Settings(), dispatcher), lambda call: call())
        for server in (here, there):
            begin_on(client, cluster, server)
        steps, refs = Steps(client.connection, client.runs, "w"), [order.ref for order in dispatcher.sent]
        assert all(steps.claim(ref, "d") for ref in refs)
        there.send(signal.SIGSTOP)
        try:
            assert steps.renew(dict.fromkeys(refs, "d")) == {refs[0]: True}
        finally:
            there.send(signal.SIGCONT)
        assert steps.renew(dict.fromkeys(refs, "d")) == dict.fromkeys(refs, True)


def test_a_script_that_a_node_has_not_seen_is_sent_to_it(client: Client, cluster: Cluster) -> None:
    begin_on(client, cluster, cluster.primaries[0])
    for server in cluster.primaries:
        server.client.script_flush()

    began = [begin_on(client, cluster, server) for server in cluster.primaries[1:]]

    assert [client.threads.get(id_).status for id_ in began] == ["running", "running"]


def test_a_command_whose_keys_lie_in_two_slots_is_refused(connection: Connection) -> None:
    with pytest.raises((exceptions.ClusterCrossSlotError, redis_py.ResponseError)):
        connection.client.unlink("a", "b")
