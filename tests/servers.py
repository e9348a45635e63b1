"""Redis servers on ports of this machine, for tests of more than one: a cluster, or a primary that sentinels watch."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
import redis as redis_py
from redis.backoff import NoBackoff
from redis.retry import Retry

_HOST = "127.0.0.1"
_SLOTS = 16_384


def redis_server() -> str | None:
    """Return the program of the server that tests start: TREADLE_TEST_REDIS, else what PATH has."""
    named = os.environ.get("TREADLE_TEST_REDIS") or ""
    return named or shutil.which("redis-server") or shutil.which("valkey-server")


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], what: str, timeout_s: float = 20) -> None:
    """Wait until a condition holds, whatever the server says before; the test fails with ``what`` if it never does."""
    deadline, said = time.monotonic() + timeout_s, ""
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except redis_py.RedisError as error:
            said = str(error)
        time.sleep(0.02)
    pytest.fail(f"After {timeout_s} s still not: {what} {said}")


class Server:
    """One server process on a port of its own; it keeps its port when it is started again."""

    def __init__(self, folder: Path, *options: object, program: str = "redis-server") -> None:
        folder.mkdir()
        self.folder, self.port = folder, free_port()
        self._program, self._options = program, [str(option) for option in options]
        self._process: subprocess.Popen[bytes] | None = None
        self.client = redis_py.Redis(
            host=_HOST, port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=2, socket_connect_timeout=2
        )

    def start(self) -> Self:
        """Start it; it may not answer yet."""
        program = redis_server() if self._program == "redis-server" else shutil.which(self._program)
        if program is None:
            pytest.fail(f"This test needs {self._program} on PATH (Debian: apt-get install {self._program}).")
        arguments = ["--port", str(self.port), "--bind", _HOST, "--dir", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program, *self._options, *arguments], stdout=log, stderr=log)
        return self

    def ask(self, *command: object) -> Any:
        """Send it a command and return the reply."""
        execute: Any = self.client.execute_command
        return execute(*command)

    def answers(self) -> bool:
        """Return whether it answers."""
        return bool(self.client.ping())

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it, and what is known of it."""
        self.kill()
        self.client.close()


class Cluster:
    """A Redis Cluster of three primaries, each with as many replicas as asked for."""

    def __init__(self, folder: Path, *, replicas: int = 0, timeout_ms: int = 500) -> None:
        options = ["--save", "", "--cluster-enabled", "yes", "--cluster-node-timeout", timeout_ms, "--hz", "100"]
        options += ["--repl-diskless-sync-delay", 0, "--cluster-replica-validity-factor", 0]
        self.servers: list[Server] = []
        for number in range(3 * (1 + replicas)):
            self.servers.append(Server(folder / f"n{number}", *options, "--cluster-port", free_port()))
        self.primaries, self.replicas = self.servers[:3], self.servers[3:]
        self.addresses = [(_HOST, server.port) for server in self.primaries]
        self.url = f"cluster://{','.join(f'{host}:{port}' for host, port in self.addresses)}"

    def start(self) -> Self:
        """Start it, and wait until every node knows every slot."""
        for server in self.servers:
            server.start()
        for server in self.servers:
            until(server.answers, "the node answers")
        for number, server in enumerate(self.primaries):
            slots = _SLOTS * number // 3, _SLOTS * (number + 1) // 3 - 1
            server.ask("CLUSTER", "ADDSLOTSRANGE", *slots)
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        first, *others = self.servers
        for server in others:
            bus = server._options[server._options.index("--cluster-port") + 1]
            first.ask("CLUSTER", "MEET", _HOST, server.port, bus)
        for number, replica in enumerate(self.replicas):
            primary = self.primaries[number % 3]
            id_ = primary.ask("CLUSTER", "MYID").decode()
            until(partial(replica.ask, "CLUSTER", "REPLICATE", id_), "the replica knows its primary")
        for server in self.servers:
            until(partial(self._is_whole, server), "the cluster is whole")
        return self

    def holder(self, key: str) -> Server:
        """Return the primary that holds a key at the beginning."""
        slot = int(self.primaries[0].ask("CLUSTER", "KEYSLOT", key))
        return self.primaries[min(2, slot * 3 // _SLOTS)]

    def flush(self) -> None:
        """Empty it."""
        for server in self.primaries:
            server.client.flushall()

    def stop(self) -> None:
        """End it."""
        for server in self.servers:
            server.stop()

    def _is_whole(self, server: Server) -> bool:
        told = _info(server.ask("CLUSTER", "INFO"))
        is_linked = server in self.primaries or server.client.info("replication")["master_link_status"] == "up"
        return told["cluster_state"] == "ok" and told["cluster_known_nodes"] == str(len(self.servers)) and is_linked


class Watched:
    """A primary with a replica, and three sentinels that watch them under the name ``treadle``."""

    def __init__(self, folder: Path, *options: object) -> None:
        shared = ["--save", "", "--repl-diskless-sync-delay", 0, "--hz", "100", *options]
        self.primary = Server(folder / "a", *shared)
        self.replica = Server(folder / "b", *shared, "--replicaof", f"{_HOST} {self.primary.port}")
        self.sentinels = [self._sentinel(folder / f"s{number}") for number in range(3)]
        self.url = f"sentinel://{','.join(f'{_HOST}:{sentinel.port}' for sentinel in self.sentinels)}/treadle"

    def start(self) -> Self:
        """Start them, and wait until the sentinels know each other and the replica."""
        self.primary.start()
        self.replica.start()
        until(self._is_copied, "the replica follows")
        for sentinel in self.sentinels:  # they look for replicas when they start, and then every ten seconds
            sentinel.start()
        for sentinel in self.sentinels:
            until(partial(_knows_all, sentinel), "the sentinel knows the others")
        return self

    def stop(self) -> None:
        """End them."""
        for server in self._servers:
            server.stop()

    @property
    def _servers(self) -> Sequence[Server]:
        return [self.primary, self.replica, *self.sentinels]

    def _is_copied(self) -> bool:
        return bool(self.replica.client.info("replication")["master_link_status"] == "up")

    def _sentinel(self, folder: Path) -> Server:
        sentinel = Server(folder, folder / "conf", program="redis-sentinel")
        watch = [
            f"sentinel monitor treadle {_HOST} {self.primary.port} 2",
            "sentinel down-after-milliseconds treadle 500",
            "sentinel failover-timeout treadle 2000",
        ]
        (folder / "conf").write_text("\n".join([f"port {sentinel.port}", *watch, ""]))
        return sentinel


def _knows_all(sentinel: Server) -> bool:
    answer = sentinel.ask("SENTINEL", "MASTER", "treadle")
    told = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
    told = {_text(name): _text(value) for name, value in told.items()}
    return (told["num-slaves"], told["num-other-sentinels"]) == ("1", "2")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _info(answer: Any) -> dict[str, str]:
    return dict(line.split(":", 1) for line in _text(answer).splitlines() if ":" in line)
