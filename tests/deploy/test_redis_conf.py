"""deploy/redis.conf: a server of this machine takes it, and what it stores outlives a crash."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis import ConnectionError, Redis

from scheduler.binary import find_server
from scheduler.server import wait_until_ready

CONF = Path(__file__).parents[2] / "deploy/redis.conf"
MEND = CONF.with_name("mend-aof.sh")
#: A script of two writes.
WRITE_TWO = "redis.call('SET', KEYS[1], '') redis.call('SET', KEYS[2], '')"


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="treadle-") as name:  # a socket's path must be short
        yield Path(name)


@contextmanager
def server(folder: Path) -> Iterator[Redis]:
    """Run a server with the settings, and kill it in the end."""
    binary = find_server()
    if binary is None:
        pytest.skip("no redis-server on this machine")
    socket = folder / "redis.sock"
    command: list[str | Path] = [binary.path, CONF, "--port", "0", "--unixsocket", socket, "--dir", folder]
    with ExitStack() as stack:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.kill)
        wait_until_ready(socket)
        yield stack.enter_context(Redis(unix_socket_path=str(socket), decode_responses=True))


def test_it_is_what_the_protocol_needs(folder: Path) -> None:
    with server(folder) as redis:
        settings = redis.config_get("*")

    wanted = {"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction"}
    assert {name: settings[name] for name in wanted} == wanted


def test_strangers_are_kept_out_and_quiet_workers_are_not(folder: Path) -> None:
    with server(folder) as redis:
        settings = redis.config_get("*")

    wanted = {"protected-mode": "yes", "timeout": "0", "tcp-keepalive": "60"}
    assert {name: settings[name] for name in wanted} == wanted


def test_what_was_stored_outlives_a_killed_server(folder: Path) -> None:
    with server(folder) as redis:
        redis.set("thread", "cursor")

    with server(folder) as redis:
        assert redis.get("thread") == "cursor"


@pytest.fixture
def torn(folder: Path) -> Path:
    """The folder of a server whose file ends in the middle of a script."""
    for name in ("whole", "torn"):
        with server(folder) as redis:
            redis.eval(WRITE_TWO, 2, f"{name} 1", f"{name} 2")
    cut(folder, 20)
    return folder


def cut(folder: Path, count: int) -> None:
    """Take bytes off the end of what a server wrote last."""
    file = max(folder.rglob("*appendonly*.aof"), key=lambda found: found.stat().st_mtime_ns)
    os.truncate(file, file.stat().st_size - count)


def mend(folder: Path, *most: str) -> "subprocess.CompletedProcess[str]":
    if not (shutil.which("redis-check-aof") or shutil.which("valkey-check-aof")):
        pytest.skip("no redis-check-aof on this machine")
    return subprocess.run(["sh", MEND, folder, *most], capture_output=True, text=True, check=True)


def test_of_a_torn_script_nothing_is_left_after_mending(torn: Path) -> None:
    assert "torn, and are cut off" in mend(torn).stdout
    with server(torn) as redis:
        redis.eval(WRITE_TWO, 2, "after 1", "after 2")

    with server(torn) as redis:
        assert {key.partition(" ")[0] for key in redis.scan_iter()} == {"whole", "after"}


def test_a_torn_file_that_nobody_mended_stops_the_start(torn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.server.SILENCE_LIMIT_S", 0.5)

    with pytest.raises(ConnectionError), server(torn):
        pass


def test_mending_leaves_a_whole_file_as_it_is_and_much_damage_to_a_person(torn: Path) -> None:
    assert "nothing is cut off" in mend(torn, "10").stderr
    mend(torn)

    assert mend(torn).stdout == ""
