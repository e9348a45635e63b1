"""Archiving and restoring die at every call of Redis and of the files: nothing is lost, the next call ends the work."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from redis import Redis

from scheduler.client import Client
from scheduler.connection import open_connection
from scheduler.errors import TransitionNotAllowed
from scheduler.fake import fake_redis, fake_server
from scheduler.settings import Settings
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher

from .faults import OF_REDIS, Faults
from .stage import THREAD, begin, everything, kinds, line, play, state

GRAPH = line("a")
pytestmark = pytest.mark.system  # a store for every call that may fail takes its time
COPY = "copy"
OF_FILES = [*((Path, name) for name in ("mkdir", "touch", "replace", "unlink", "exists", "read_bytes")), (os, "fsync")]
OF_FSSPEC = ("makedirs", "pipe_file", "mv", "exists", "cat_file")


@dataclass
class World:
    """A store with a thread that rests, and a folder for its file."""

    folder: str
    redis: Redis = field(default_factory=lambda: fake_redis(fake_server()))

    def __post_init__(self) -> None:
        client = self.client()
        play(Steps(client.connection, client.runs, "w"), GRAPH, begin(client, GRAPH, {"said": ["hi"]}).orders)
        self.said = state(client, GRAPH)

    def client(self) -> Client:
        """Return a client of another process."""
        return Client(open_connection(self.redis, Settings(), RecordingDispatcher()), lambda function: function())

    def put(self) -> str:
        """Archive the thread; return its file."""
        return self.client().archives.put(THREAD, self.folder).url

    def lasting(self) -> set[bytes]:
        """Return the keys that do not go by themselves."""
        return {key for key in everything(self.redis) if self.redis.pttl(key) == -1}

    def has(self, thread_id: str) -> bool:
        """Return whether a thread is in the store, with all that it had."""
        client = self.client()
        thread = client.threads.find(thread_id)
        if thread is None or thread.archive is not None:
            return False
        return bool(state(client, GRAPH, thread_id) == self.said) and client.log.verify(thread_id) is None


@pytest.fixture
def fsspec() -> type:
    """A file system of fsspec's that is nowhere but here."""
    found: type = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
    return found


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch, fsspec: type) -> Faults:
    return Faults.at_calls(monkeypatch, *OF_REDIS, *OF_FILES, *((fsspec, name) for name in OF_FSSPEC))


@pytest.fixture(params=["folder", "memory://"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "folder" else f"memory://{tmp_path.name}"


def worlds(root: str) -> Iterator[tuple[int, World]]:
    """Yield as many worlds as are asked for, each with a folder of its own."""
    return ((number, World(f"{root}/{number}")) for number in count(1))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_archiving_that_dies_anywhere_leaves_the_thread_whole_and_is_ended_by_the_next(
    root: str, fsspec: type, faults: Faults, after: bool
) -> None:
    for at, world in worlds(root):
        before = everything(world.redis)

        died = faults.strikes(world.put, at, after=after)

        assert everything(world.redis) == before or world.client().threads.get(THREAD).archive is not None
        file = Path(world.put()).name
        names = fsspec().ls(world.folder, detail=False) if "://" in root else Path(world.folder).iterdir()
        assert [Path(name).name for name in names] == [file]
        assert len(world.lasting()) == 2
        world.client().archives.restore(THREAD)
        assert world.has(THREAD)
        if not died:
            break
    assert at > 20


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("target", [THREAD, COPY])
def test_a_restoring_that_dies_anywhere_leaves_nothing_half_done_and_is_ended_by_the_next(
    faults: Faults, tmp_path: Path, after: bool, target: str
) -> None:
    for at, world in worlds(str(tmp_path)):
        client, url, archived = world.client(), world.put(), world.lasting()

        died = faults.strikes(lambda: client.archives.restore(url, target), at, after=after)  # noqa: B023

        if world.has(target):
            with pytest.raises(TransitionNotAllowed):
                client.archives.restore(url, target)
        else:
            assert world.lasting() == archived
            client.archives.restore(url, target)
        assert world.has(target)
        assert kinds(client, target).count("restored") == 1
        if not died:
            break
    assert at > 20
