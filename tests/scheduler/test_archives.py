"""Threads out of the store and back."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from graphs.interrupts import Deadline, GraphInterrupt, Questions
from scheduler import depot
from scheduler.absence import ArchiveBroken, ArchiveTooNew, ArchiveUnavailable, ThreadArchived
from scheduler.archive import FORMAT, broken_log
from scheduler.archives import reseal
from scheduler.client import Client
from scheduler.config import parse
from scheduler.connection import Connection, open_connection
from scheduler.deliveries import member_of
from scheduler.ending_scripts import EndingScripts
from scheduler.errors import InputsWaiting, StoreUnavailable, ThreadBusy, TransitionNotAllowed
from scheduler.settings import Settings
from scheduler.steps import Steps
from scheduler.tuples import Tuples
from scheduler.watchdog import Watchdog
from tests.fakes import RecordingDispatcher

from .stage import THREAD, begin, claim, everything, kinds, line, play, state

GRAPH = line("a", "b")


@pytest.fixture
def finished(client: Client, steps: Steps) -> str:
    """A thread whose two runs ended well."""
    for _ in range(2):
        play(steps, GRAPH, begin(client, GRAPH, {"said": ["hi"]}).orders)
    return THREAD


def own(redis: Redis) -> dict[bytes, Any]:
    """Return everything that is a thread's own, without what says when it changed last."""
    return everything(redis, lambda key: not key.endswith((b":due", b":threads", b":counts")))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_archived_thread_is_a_file_and_a_word_in_the_store(
    client: Client, redis: Redis, finished: str, tmp_path: Path
) -> None:
    before = len(own(redis))

    archived = client.archives.put(finished, str(tmp_path))

    manifest = client.archives.read(archived.url).manifest
    thread = client.threads.get(finished)
    assert (thread.status, thread.archive, thread.graph) == ("archived", archived.url, "line")
    assert Path(archived.url).stat().st_size == archived.size
    assert (manifest.treadle_archive, manifest.thread, manifest.status) == (FORMAT, finished, "idle")
    assert manifest.counts == {"runs": 2, "frames": 1, "checkpoints": 8, "events": 0, "entries": manifest.head["seq"]}
    assert before > len(own(redis)) == 1


def test_a_restored_thread_is_what_it_was_and_its_log_goes_on(
    client: Client, steps: Steps, redis: Redis, finished: str, tmp_path: Path
) -> None:
    before, told = own(redis), kinds(client)
    history = client.snapshots.history(GRAPH, parse({"thread_id": finished}))
    archived = client.archives.put(finished, str(tmp_path))

    client.archives.restore(finished)

    after = own(redis)
    changing = {key for key in before if b":thread:" in key or b":log:" in key}
    assert {key: after[key] for key in before if key not in changing} == {
        key: value for key, value in before.items() if key not in changing
    }
    assert after.keys() == before.keys()
    assert kinds(client) == [*told, "restored"]
    assert client.log.verify(finished) is None
    assert client.threads.get(finished).archive is None
    assert client.snapshots.history(GRAPH, parse({"thread_id": finished})) == history
    play(steps, GRAPH, begin(client, GRAPH, {"said": ["again"]}).orders)
    assert state(client, GRAPH)["said"][-3:] == ["again", "a", "b"]
    assert Path(archived.url).exists()


def test_a_thread_is_restored_under_another_id_as_a_copy(
    client: Client, steps: Steps, finished: str, tmp_path: Path
) -> None:
    before = state(client, GRAPH)
    archived = client.archives.put(finished, str(tmp_path))

    client.archives.restore(archived.url, "other")

    assert state(client, GRAPH, "other") == before
    assert kinds(client, "other") == ["restored"]
    assert next(client.log.read("other")).data["from"] == finished
    assert client.log.verify("other") is None
    assert client.runs.recent("other") == []
    play(steps, GRAPH, begin(client, GRAPH, {"said": ["more"]}, "other").orders)
    assert client.threads.get(finished).status == "archived"


def test_a_thread_that_runs_is_not_archived(client: Client, tmp_path: Path) -> None:
    begin(client, GRAPH, {"said": ["hi"]})

    with pytest.raises(ThreadBusy):
        client.archives.put(THREAD, str(tmp_path))

    assert names(tmp_path) == []


def test_a_thread_is_archived_once_and_stays_where_it_is(client: Client, finished: str, tmp_path: Path) -> None:
    first = client.archives.put(finished, str(tmp_path))

    again = client.archives.put(finished, str(tmp_path / "elsewhere"))

    assert (again.url, again.digest) == (first.url, first.digest)
    assert len(names(tmp_path)) == 1


def test_nothing_has_happened_where_the_file_cannot_be_written(
    client: Client, redis: Redis, finished: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    before = everything(redis)

    with pytest.raises(ArchiveUnavailable, match="is not in reach"):
        client.archives.put(finished, str(tmp_path / "file"))

    assert everything(redis) == before


def test_nothing_has_happened_where_it_dies_with_half_a_file(
    client: Client, redis: Redis, finished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = everything(redis), Path.replace

    def die(path: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        client.archives.put(finished, str(tmp_path))

    assert everything(redis) == before
    assert names(tmp_path) == []
    monkeypatch.setattr(Path, "replace", rename)
    assert Path(client.archives.put(finished, str(tmp_path)).url).exists()


def test_what_dies_between_the_file_and_the_deletion_is_done_by_the_next_call(
    client: Client, redis: Redis, finished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(redis)

    def die(*args: Any) -> Any:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(EndingScripts, "free_thread", die)
        with pytest.raises(StoreUnavailable):
            client.archives.put(finished, str(tmp_path))
    (file,) = names(tmp_path)

    assert everything(redis) == before
    assert client.archives.put(finished, str(tmp_path)).url == str(tmp_path / file)
    assert names(tmp_path) == [file]


def test_a_deletion_whose_answer_is_lost_has_happened(
    client: Client, connection: Connection, finished: str, tmp_path: Path, sent_twice: None
) -> None:
    archived = client.archives.put(finished, str(tmp_path))

    assert client.threads.get(finished).archive == archived.url
    client.archives.restore(finished)
    assert client.log.verify(finished) is None
    assert kinds(client)[-2:] == ["finished", "restored"]


def test_a_thread_that_moves_while_it_is_archived_is_archived_as_it_is_then(
    client: Client, steps: Steps, finished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, moved = depot.write, list[str]()

    def write_late(url: str, data: bytes) -> None:
        write(url, data)
        if not moved:
            moved.append(url)
            play(steps, GRAPH, begin(client, GRAPH, {"said": ["late"]}).orders)

    monkeypatch.setattr(depot, "write", write_late)
    archived = client.archives.put(finished, str(tmp_path))

    assert len(names(tmp_path)) == 2
    assert client.archives.read(archived.url).manifest.counts["runs"] == 3
    client.archives.restore(finished)
    assert "late" in state(client, GRAPH)["said"]


def test_a_thread_whose_restoring_is_cut_short_is_still_in_its_file(
    client: Client, redis: Redis, finished: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived = client.archives.put(finished, str(tmp_path))

    def die(*args: Any) -> Any:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(EndingScripts, "restore_thread", die)
        with pytest.raises(StoreUnavailable):
            client.archives.restore(finished)

    assert client.threads.get(finished).archive == archived.url
    assert all(redis.ttl(key) > 0 for key in own(redis) if not key.endswith(f":thread:{THREAD}".encode()))
    assert client.archives.restore(finished) == finished
    assert client.log.verify(finished) is None


def test_what_is_restored_twice_is_refused(client: Client, finished: str, tmp_path: Path) -> None:
    archived = client.archives.put(finished, str(tmp_path))
    client.archives.restore(archived.url)

    for source in (archived.url, finished):
        with pytest.raises(TransitionNotAllowed):
            client.archives.restore(source)

    assert kinds(client)[-1] == "restored"


def test_a_deleted_thread_comes_back_from_its_file(client: Client, finished: str, tmp_path: Path) -> None:
    before = state(client, GRAPH)
    archived = client.archives.put(finished, str(tmp_path))
    client.threads.delete(finished)

    client.archives.restore(archived.url)

    assert state(client, GRAPH) == before


@pytest.mark.parametrize(
    "use",
    [
        lambda client: begin(client, GRAPH, {"said": ["x"]}),
        lambda client: begin(client, GRAPH),
        lambda client: client.snapshots.current(GRAPH, parse({"thread_id": THREAD}), None),
        lambda client: client.snapshots.history(GRAPH, parse({"thread_id": THREAD})),
        lambda client: [*client.log.read(THREAD)],
        lambda client: client.log.verify(THREAD),
        lambda client: client.editor.update(GRAPH, parse({"thread_id": THREAD}), {"said": ["x"]}),
        lambda client: client.threads.copy(THREAD, "copy"),
        lambda client: Tuples(client.connection).get(parse({"thread_id": THREAD})),
        lambda client: client.pruning.prune(THREAD),
    ],
)
def test_whoever_uses_an_archived_thread_is_told_where_it_is(
    client: Client, finished: str, tmp_path: Path, use: Callable[[Client], Any]
) -> None:
    archived = client.archives.put(finished, str(tmp_path))

    with pytest.raises(ThreadArchived) as refused:
        use(client)

    assert archived.url in str(refused.value)


def test_an_invoke_restores_an_archived_thread_where_it_says_so(
    client: Client, steps: Steps, finished: str, tmp_path: Path
) -> None:
    client.archives.put(finished, str(tmp_path))

    started = begin(client, GRAPH, {"said": ["back"]}, on_archived="restore")

    play(steps, GRAPH, started.orders)
    assert state(client, GRAPH)["said"] == ["hi", "a", "b", "hi", "a", "b", "back", "a", "b"]


@pytest.mark.parametrize("damage", ["cut", "byte", "manifest", "empty", "form", "other"])
def test_a_file_that_is_not_what_was_written_is_found_out(
    client: Client, finished: str, tmp_path: Path, damage: str
) -> None:
    file = Path(client.archives.put(finished, str(tmp_path)).url)
    data = file.read_bytes()
    damaged = {
        "cut": data[:-7],
        "byte": data[:-50] + bytes([data[-50] ^ 1]) + data[-49:],
        "manifest": data.replace(b'"status":"idle"', b'"status":"done"'),
        "empty": b"",
        "form": data.replace(b'{"treadle_archive":1', b'{"treadle_archive":9'),
        "other": b"{}\n",
    }
    file.write_bytes(damaged[damage])

    with pytest.raises(ArchiveTooNew if damage == "form" else ArchiveBroken):
        client.archives.restore(finished)

    assert client.threads.get(finished).archive == str(file)


def test_an_archive_has_the_head_of_its_log(client: Client, finished: str, tmp_path: Path) -> None:
    head = client.log.head(finished)

    archive = client.archives.read(client.archives.put(finished, str(tmp_path)).url)

    assert (archive.head.digest, archive.head.chain, archive.head.seq) == (head.digest, head.chain, head.seq)
    assert broken_log(archive) is None


def test_a_log_that_was_altered_is_not_archived(client: Client, redis: Redis, finished: str, tmp_path: Path) -> None:
    keys = client.connection.place(finished).keys
    redis.xdel(keys.log, "2-0")

    with pytest.raises(Exception, match="not what was written"):
        client.archives.put(finished, str(tmp_path))

    assert names(tmp_path) == []


def test_the_first_line_says_what_a_file_is(client: Client, finished: str, tmp_path: Path) -> None:
    file = Path(client.archives.put(finished, str(tmp_path)).url)

    manifest = json.loads(file.read_bytes().partition(b"\n")[0])

    assert manifest["treadle_archive"] == 1
    assert (manifest["thread"], manifest["prefix"], manifest["compression"]) == (THREAD, "treadle", "gzip")
    assert file.name == f"t.{manifest['content_sha256'][:16]}.treadle"


def test_archives_lie_in_whatever_fsspec_knows(client: Client, finished: str) -> None:
    pytest.importorskip("fsspec")
    before = state(client, GRAPH)

    archived = client.archives.put(finished, "memory://shelf/of/threads")
    client.archives.restore(finished)

    assert archived.url.startswith("memory://shelf/of/threads/t.")
    assert state(client, GRAPH) == before


def test_idle_threads_are_found_by_the_clock_of_redis(client: Client, connection: Connection, finished: str) -> None:
    begin(client, GRAPH, {"said": ["x"]}, "running")
    begin(client, GRAPH, {"said": ["x"]}, "paused", interrupt_before=["a"])

    assert client.archives.idle(0) == [finished]
    assert client.archives.idle(0, waiting=True) == [finished, "paused"]
    assert client.archives.idle(60_000) == []


def sealed_client(redis: Redis, keys: str) -> Client:
    settings = Settings(encryption_keys=keys)
    return Client(open_connection(redis, settings, RecordingDispatcher()), lambda function: function())


OLD = "old:" + "A" * 43 + "="
NEW = "new:" + "B" * 43 + "="


def test_a_sealed_thread_is_sealed_in_its_file_and_follows_the_keys(redis: Redis, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    before = sealed_client(redis, OLD)
    play(Steps(before.connection, before.runs, "w"), GRAPH, begin(before, GRAPH, {"said": ["a secret"]}).orders)
    archived = before.archives.put(THREAD, str(tmp_path))
    assert before.archives.read(archived.url).manifest.key == "old"

    rotating = sealed_client(redis, f"{NEW},{OLD}")
    assert reseal(archived.url, rotating.connection.sealing)
    assert not reseal(archived.url, rotating.connection.sealing)
    after = sealed_client(redis, NEW)
    after.archives.restore(THREAD)

    assert state(after, GRAPH)["said"] == ["a secret", "a", "b"]
    assert after.log.verify(THREAD) is None


def test_a_sealed_file_says_nothing_without_its_key(redis: Redis, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    sealed = sealed_client(redis, OLD)
    play(Steps(sealed.connection, sealed.runs, "w"), GRAPH, begin(sealed, GRAPH, {"said": ["a secret"]}).orders)
    archived = sealed.archives.put(THREAD, str(tmp_path))

    with pytest.raises(Exception, match="which is not here"):
        sealed_client(redis, NEW).archives.read(archived.url)


def test_the_deadline_of_a_question_goes_along(
    client: Client, steps: Steps, watchdog: Watchdog, connection: Connection, tmp_path: Path
) -> None:
    claimed = claim(steps, begin(client, GRAPH, {"said": ["hi"]}).orders[0].ref)
    with pytest.raises(GraphInterrupt) as asked:
        Questions(claimed.step.id).ask("Really?", None, Deadline(timedelta(hours=1), "no"))
    steps.ask(claimed, GRAPH, asked.value)
    place = connection.place(THREAD)
    before = connection.redis.zmscore(place.keys.due, [place.member("questions")])

    client.archives.put(THREAD, str(tmp_path))
    assert connection.redis.zmscore(place.keys.due, [place.member("questions")]) == [None]
    client.archives.restore(THREAD)

    assert connection.redis.zmscore(place.keys.due, [place.member("questions")]) == before
    connection.client.zadd(place.keys.due, {place.member("questions"): 1})
    assert watchdog.sweep() == {"left alone": 1}
    assert client.threads.get(THREAD).status == "paused"


def test_a_thread_on_which_a_run_is_to_begin_is_not_archived(
    client: Client, connection: Connection, finished: str, tmp_path: Path
) -> None:
    connection.client.zadd(connection.place(THREAD).keys.starts, {"run": 1})

    with pytest.raises(TransitionNotAllowed, match="begin a run later"):
        client.archives.put(finished, str(tmp_path))

    assert client.archives.idle(0) == []
    assert names(tmp_path) == []


def test_a_thread_on_which_inputs_wait_for_an_answer_is_not_archived(client: Client, tmp_path: Path) -> None:
    begin(client, GRAPH, {"said": ["hi"]}, interrupt_before=["a"])
    begin(client, GRAPH, {"said": ["next"]}, on_busy="enqueue")

    with pytest.raises(InputsWaiting):
        client.archives.put(THREAD, str(tmp_path))

    assert client.archives.idle(0, waiting=True) == []
    assert names(tmp_path) == []


@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_thread_whose_webhook_is_still_to_be_told_is_not_archived(
    client: Client, steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: bool
) -> None:
    started = begin(client, GRAPH, {"said": ["hi"]}, webhook="https://hooks.example")
    play(steps, GRAPH, started.orders)
    place, redis, write = client.connection.place(THREAD, started.run.id), client.connection.client, depot.write

    def write_late(url: str, data: bytes) -> None:
        write(url, data)
        redis.zadd(place.keys.due, {member_of(place): 1})

    if meanwhile:  # it was told, and somebody wants it again
        redis.zrem(place.keys.due, member_of(place))
        monkeypatch.setattr(depot, "write", write_late)

    with pytest.raises(TransitionNotAllowed, match="still telling a webhook how a run ended"):
        client.archives.put(THREAD, str(tmp_path))

    assert client.archives.idle(0) == []
    redis.zrem(place.keys.due, member_of(place))
    assert client.archives.idle(0) == [THREAD]
