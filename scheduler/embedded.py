"""The Redis that is used when none is configured: it lives in a folder of the user, or else in this process."""

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Protocol, Self

import platformdirs
import redis
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from . import server
from .binary import ServerBinary, find_server
from .errors import EmbeddedRedisError
from .urls import socket_url


def default_folder() -> Path:
    """Return the folder for the data: `TREADLE_DATA`, else the place where this system keeps a user's data."""
    return Path(os.environ.get("TREADLE_DATA") or platformdirs.user_data_path("treadle"))


class EmbeddedRedis:
    """Attaches to the Redis of a folder, or starts it and stops it again; with no server installed, a fake one."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or default_folder()).expanduser().resolve()
        self._server: _Server | None = None
        self._starter_pid = os.getpid()

    def start(self) -> str:
        """Return the URL of a server that is ready; raises EmbeddedRedisError, which quotes the server's log."""
        if self._server is None:
            self._server = _attached_or_started(self.folder)
            self._starter_pid = os.getpid()
        return self._server.url

    def stop(self) -> None:
        """Stop the server if this process has started it; one that it is attached to goes on."""
        # A forked worker has a copy of this object, and must not stop the server when it unwinds.
        if self._server is not None and self._starter_pid == os.getpid():
            self._server.stop()
        self._server = None

    @property
    def url(self) -> str:
        """The URL of the server, in redis-py's spelling."""
        return self._running().url

    @property
    def durable(self) -> bool:
        """Whether the data survives the end of the server."""
        return self._running().durable

    def describe(self) -> str:
        """Say in one sentence which server this is, where its data lies and whether it lasts."""
        return self._running().describe()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _running(self) -> "_Server":
        if self._server is None:
            raise EmbeddedRedisError("The embedded Redis is not running: call start(), or use it in a with statement.")
        return self._server


class _Server(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def durable(self) -> bool: ...
    def describe(self) -> str: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _AttachedServer:
    durable: ClassVar[bool] = True

    url: str
    folder: Path
    pid: int

    def describe(self) -> str:
        return f"The Redis of {self.folder}, already running as process {self.pid}; its data lies in that folder."

    def stop(self) -> None:
        """Leave it running: it belongs to the process that started it."""


class _FolderTaken(EmbeddedRedisError):
    """A process has the lock of the folder, but no server answers there."""


def _attached_or_started(folder: Path) -> _Server:
    binary = find_server()
    if binary is None:
        return _attached(folder) or _fake()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _attached_or_started_soon(binary, folder)
    except OSError as error:
        raise EmbeddedRedisError(
            f"{folder} cannot hold the data: {error}. Set TREADLE_DATA to a folder that you may write to."
        ) from error


def _attached_or_started_soon(binary: ServerBinary, folder: Path) -> _Server:
    patiently = Retrying(
        retry=retry_if_exception_type(_FolderTaken),
        stop=stop_after_delay(server.SILENCE_LIMIT_S),
        wait=wait_fixed(0.05),
        reraise=True,
    )
    return patiently(_attached_or_started_once, binary, folder)


def _attached_or_started_once(binary: ServerBinary, folder: Path) -> _Server:
    with server.folder_lock(folder) as lock:
        if lock is not None:
            return server.RedisServer(binary, folder, lock)
    if running := _attached(folder):
        return running
    # Just being started, or busy; starting another one now would ruin its data.
    raise _FolderTaken(
        f"Process {server.lock_owner(folder)} has the lock of {folder} but does not answer at "
        f"{server.socket_of(folder)}: end that process, or set TREADLE_DATA to another folder."
    )


def _attached(folder: Path) -> _Server | None:
    socket = server.socket_of(folder)
    if not socket.is_socket():
        return None
    try:
        with server.probe(socket) as client:
            if client.config_get("dir").get("dir") != str(folder):
                return None
            server.wait_until_ready(socket)
            return _AttachedServer(socket_url(socket), folder, client.info("server")["process_id"])
    except (redis.ConnectionError, redis.TimeoutError):
        return None
    except redis.RedisError as error:
        raise EmbeddedRedisError(f"The Redis of {folder} answers with an error: {error}.") from error


def _fake() -> _Server:
    from .fake import FakeTcpServer  # here, because fakeredis takes long to import and is seldom needed

    return FakeTcpServer()
