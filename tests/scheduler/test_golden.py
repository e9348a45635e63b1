"""Files that an earlier version wrote: whatever changes, they are read, verified and brought back.

When the form changes, files of the new one are added, and those of the old one stay.
"""

import hashlib
import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis import Redis

from graphs.commands import Command
from scheduler.archive import broken_log
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import open_connection
from scheduler.settings import Settings
from scheduler.steps import Steps
from tests.fakes import RecordingDispatcher

from .stage import kinds, line, play, state

FOLDER = Path(__file__).parent / "golden"
GRAPH, THREAD = line("a", "b"), "golden/1"
SAID = [word for turn in range(30) for word in (f"turn {turn}", "a", "b")]


@pytest.fixture(params=["format-1.treadle", "format-1-sealed.treadle"])
def file(request: pytest.FixtureRequest) -> str:
    """A file of the first form."""
    if "sealed" in request.param:
        pytest.importorskip("cryptography")
    return str(FOLDER / request.param)


@pytest.fixture
def reader(redis: Redis) -> Client:
    """A client with the key that the sealed file needs, beside one that seals today."""
    keys = SecretStr(f"today:{'B' * 43}=,golden:{'A' * 43}=")
    return Client(open_connection(redis, Settings(encryption_keys=keys), RecordingDispatcher()), lambda call: call())


def test_a_file_of_the_first_form_is_read(reader: Client, file: str) -> None:
    archive = reader.archives.read(file)

    manifest = archive.manifest
    assert (manifest.treadle_archive, manifest.thread, manifest.prefix) == (1, THREAD, "treadle")
    assert (manifest.status, manifest.graph, manifest.compression) == ("paused", "line", "gzip")
    assert manifest.counts == {"runs": 31, "frames": 1, "checkpoints": 122, "events": 0, "entries": 185}
    assert broken_log(archive) is None


def test_a_file_says_what_it_is_to_whoever_has_nothing_but_it(file: str) -> None:
    first, _, rest = Path(file).read_bytes().partition(b"\n")
    told = json.loads(first)

    assert (len(rest), hashlib.sha256(rest).hexdigest()) == (told["payload_bytes"], told["payload_sha256"])


def test_a_thread_of_the_first_form_comes_back_and_goes_on(reader: Client, file: str) -> None:
    reader.archives.restore(file)

    steps = Steps(reader.connection, reader.runs, "w")
    thread = reader.threads.get(THREAD)
    assert (thread.metadata, thread.ttl_s, thread.status) == ({"case": 42}, 86_400, "paused")
    assert state(reader, GRAPH, THREAD) == {"said": [*SAID, "careful"], "answer": {"n": 29, "text": "größer"}}
    assert reader.log.verify(THREAD) is None
    play(steps, GRAPH, reader.start(GRAPH, parse({"thread_id": THREAD}), Command(resume="yes")).orders)
    assert state(reader, GRAPH, THREAD)["said"] == [*SAID, "careful", "a", "b"]
    assert kinds(reader, THREAD)[-1] == "finished"
