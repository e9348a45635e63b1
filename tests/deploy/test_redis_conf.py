"""deploy/redis.conf: a server of this machine takes it, and what it stores outlives a crash."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis import Redis

from scheduler.binary import find_server
from scheduler.server import wait_until_ready

CONF = Path(__file__).parents[2] / "deploy/redis.conf"


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
