"""A RabbitMQ of one's own: Debian's server and its epmd, on free ports, with all that it keeps in a folder."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from kombu.connection import Connection

_LIBRARIES = Path("/usr/lib/rabbitmq/lib")
_HERE = "127.0.0.1"
_START_S = 90
_STOP_S = 30


class RabbitMQ:
    """A RabbitMQ server that belongs to a folder: it may be killed and started again, and finds its queues there.

    Args:
        folder: where the server keeps its queues, logs and cookie; nothing is written elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self._distribution_port, self._epmd_port = _free_ports(3)
        self.url = f"amqp://guest:guest@{_HERE}:{self.port}//"
        self._node = f"treadle{self.port}@localhost"
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    @staticmethod
    def found() -> bool:
        """Return whether this machine has the server (Debian: apt-get install rabbitmq-server)."""
        return shutil.which("erl") is not None and _programs() is not None

    @property
    def pid(self) -> int | None:
        """The pid of the server while it runs."""
        return None if self._server is None else self._server.pid

    def start(self) -> "RabbitMQ":
        """Start the server and wait until a client can log in.

        Raises:
            RuntimeError: there is no server on this machine, or it did not start; the message has what it printed.
        """
        self._prepare()
        if self._epmd is None:  # in the foreground, so that it is ours to stop: the one that erl starts is a daemon
            self._epmd = self._popen(["epmd", "-port", str(self._epmd_port)], "epmd")
        # Without the shell around the Erlang machine, so that a signal reaches the server and not a script.
        command = [str(self._program("rabbitmq-server")), "-noinput", "-start_epmd", "false"]
        self._server = self._popen(command, "server")
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"RabbitMQ did not start:\n{(self.folder / 'server.log').read_text()[-3000:]}")
            time.sleep(0.1)
        return self

    def kill(self) -> None:
        """End the server as a crash would; its epmd stays for the next start."""
        self._end_server(signal.SIGKILL)

    def stop(self) -> None:
        """End the server and its epmd by their pids."""
        self._end_server(signal.SIGTERM)
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(_STOP_S)
            self._epmd = None

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on this server and return what it prints.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        command = [str(self._program("rabbitmqctl")), "-q", "-n", self._node, *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=True, timeout=60)
        return done.stdout

    def cut_connections(self) -> None:
        """Close the connections of all clients, as a network that breaks."""
        self.ctl("close_all_connections", "cut")

    def depths(self) -> Mapping[str, int]:
        """Return how many messages each queue has, also those that a consumer holds and has not acknowledged."""
        rows = self.ctl("list_queues", "name", "messages", "--no-table-headers").splitlines()
        return {name: int(count) for name, count in (row.split("\t") for row in rows if "\t" in row)}

    def _end_server(self, how: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        if server.poll() is None:
            server.send_signal(how)
        try:
            server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(_STOP_S)
        _end_group(server.pid)  # the helper processes of an Erlang machine that was killed

    def _prepare(self) -> None:
        if not self.found():
            raise RuntimeError("RabbitMQ is not on this machine (Debian: apt-get install rabbitmq-server).")
        self.folder.mkdir(parents=True, exist_ok=True)
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(0o600)
            cookie.write_text(secrets.token_hex(20))
            cookie.chmod(0o400)
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = {_HERE}:{self.port}\n"
            "disk_free_limit.absolute = 50MB\n"
            "vm_memory_high_watermark.relative = 0.8\n"
        )

    def _popen(self, command: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        here = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return here | {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": _HERE,
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": _HERE,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "no-such-file"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
        }

    def _answers(self) -> bool:
        connection = Connection(self.url, connect_timeout=2)
        try:
            connection.connect()
        except (OSError, *connection.connection_errors):
            return False
        finally:
            connection.release()
        return True

    def _program(self, name: str) -> Path:
        programs = _programs()
        if programs is None:
            raise RuntimeError("RabbitMQ is not on this machine (Debian: apt-get install rabbitmq-server).")
        return programs / name


def _programs() -> Path | None:
    return next(iter(sorted(_LIBRARIES.glob("*/sbin"), reverse=True)), None)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server((_HERE, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
