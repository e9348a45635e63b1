"""One redis-server process that keeps the data of one folder."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from .binary import ServerBinary
from .errors import EmbeddedRedisError
from .urls import socket_url

if sys.platform != "win32":  # no server is ever found there, but this module must stay importable
    import fcntl

logger = logging.getLogger(__name__)

#: How long a server may be silent at its start, and how long it may take when it says that it loads its data.
SILENCE_LIMIT_S = 10.0
LOADING_LIMIT_S = 600.0

_PROBE_LIMIT_S = 2.0
_STOP_LIMIT_S = 10.0
_LOCK, _LOG, _SOCKET = "redis.lock", "redis.log", "redis.sock"
_LONGEST_SOCKET = 103  # macOS has room for 104 bytes with the closing zero, Linux for 108
_LOG_LINES = 15
#: What a server says, among other words, when it has cut off the end of its file.
_CUT_OFF = "aof-load-truncated"
_REWRITE_POLL_S = 0.02


class RedisServer:
    """A redis-server that this process has started as its child."""

    durable = True

    def __init__(self, binary: ServerBinary, folder: Path, lock: int) -> None:
        """Start the server, which takes over the lock of its folder, and wait until it has loaded its data."""
        _refuse_newer_data(binary, folder)
        self._binary, self._folder, self._log = binary, folder, folder / _LOG
        self._log.touch(mode=0o600)
        self._log_start = self._log.stat().st_size
        self._socket = _new_socket(folder)
        self._process = self._spawn(lock)
        try:
            self._wait_until_ready()
            self._write_anew_if_torn()
        except BaseException:  # also Ctrl-C: nobody else knows this child
            self.stop()
            raise
        logger.info("embedded redis started", extra={"folder": str(folder), "pid": self._process.pid})

    @property
    def url(self) -> str:
        """Where it answers, for redis-py."""
        return socket_url(self._socket)

    def describe(self) -> str:
        """Say in one sentence which server this is and where its data lies."""
        return (
            f"{self._binary.title} ({self._binary.path}), started as process {self._process.pid}; "
            f"its data lies in {self._folder} and is brought to disk every second."
        )

    def stop(self) -> None:
        """Let the server bring everything to disk and end."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            logger.warning("embedded redis did not end in time: killed", extra={"pid": self._process.pid})
            self._process.kill()
            self._process.wait()
        self._remove_short_socket()

    def _remove_short_socket(self) -> None:
        if self._socket.parent != self._folder:
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    def _spawn(self, lock: int) -> subprocess.Popen[bytes]:
        command = [str(self._binary.path), *_options(self._folder, self._socket)]
        with self._log.open("ab") as log:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,  # not --logfile, so that what a broken binary says is kept as well
                    stderr=log,
                    pass_fds=[lock],
                    start_new_session=True,  # Ctrl-C reaches the workers, which need the server to finish
                    umask=0o077,
                )
            except OSError as error:
                self._remove_short_socket()
                raise EmbeddedRedisError(f"{self._binary.path} cannot be run: {error}.") from error
        os.truncate(lock, 0)
        os.pwrite(lock, b"%d" % process.pid, 0)
        return process

    def _wait_until_ready(self) -> None:
        try:
            wait_until_ready(self._socket, self._check_alive)
        except redis.RedisError as error:
            raise EmbeddedRedisError(f"{self._binary.title} does not answer: {error}. {self._last_words()}") from error

    def _write_anew_if_torn(self) -> None:
        """Let the server write its file anew when it has cut off what a power cut left of the last command.

        It takes away that command alone, and leaves the others of its script, which it did not run. The next start
        would, with what comes after them: the file must be another one before anybody writes to it.
        """
        if _CUT_OFF not in self._told():
            return
        with probe(self._socket) as client:
            client.bgrewriteaof()
            while _is_rewriting(client):
                time.sleep(_REWRITE_POLL_S)
        logger.warning(
            "the end of the embedded redis' file was torn, and is cut off", extra={"folder": str(self._folder)}
        )

    def _check_alive(self) -> None:
        if (code := self._process.poll()) is not None:
            raise EmbeddedRedisError(f"{self._binary.title} ended with code {code} at its start. {self._last_words()}")

    def _last_words(self) -> str:
        return "\n".join([f"Its log {self._log} ends with:", *self._told().splitlines()[-_LOG_LINES:]])

    def _told(self) -> str:
        """Return what the server has said since its start."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")


@contextmanager
def folder_lock(folder: Path) -> Iterator[int | None]:
    """Take the lock of a folder, or None while somebody has it.

    A server inherits the lock and so holds it as long as it lives, however it or its parent ends: there can never
    be two servers on one folder, which would ruin each other's data.
    """
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield lock if _locked(lock) else None
    finally:
        os.close(lock)  # not unlocked: that would take the lock from the server as well


def lock_owner(folder: Path) -> str:
    """Return the process id of the server that had the lock last; empty when there was none."""
    return (folder / _LOCK).read_text()


def socket_of(folder: Path) -> Path:
    """Return where the server of a folder listens, if one runs."""
    return (folder / _SOCKET).resolve()


def probe(socket: Path) -> redis.Redis:
    """Return a client that asks once and gives up soon."""
    # Protocol 2 needs no handshake, so a server that is busy loading has only one question to answer.
    retry = Retry(NoBackoff(), 0)
    return redis.Redis(unix_socket_path=str(socket), socket_timeout=_PROBE_LIMIT_S, retry=retry, protocol=2)


def wait_until_ready(socket: Path, check_alive: Callable[[], None] = lambda: None) -> None:
    """Wait until a server has loaded its data; raises what `check_alive` raises, and at last redis's own error."""
    for attempt in Retrying(
        retry=retry_if_exception_type((redis.ConnectionError, redis.TimeoutError)),
        stop=_patience(),
        wait=wait_exponential(multiplier=0.01, max=0.25),
        reraise=True,
    ):
        with attempt:
            check_alive()
            with probe(socket) as client:
                client.ping()


def _patience() -> Callable[[RetryCallState], bool]:
    limit_s = SILENCE_LIMIT_S

    def is_exhausted(state: RetryCallState) -> bool:
        nonlocal limit_s
        if state.outcome and isinstance(state.outcome.exception(), redis.BusyLoadingError):
            limit_s = LOADING_LIMIT_S  # also if it falls silent later: it may load one large value for seconds
        return (state.seconds_since_start or 0.0) >= limit_s

    return is_exhausted


def _is_rewriting(client: redis.Redis) -> bool:
    told = client.info("persistence")
    return bool(told["aof_rewrite_in_progress"] or told["aof_rewrite_scheduled"])


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refuse_newer_data(binary: ServerBinary, folder: Path) -> None:
    if binary.version < (7,) and (folder / "appendonlydir").exists():
        # It would not look into that folder and start empty, as if nothing had ever been stored.
        raise EmbeddedRedisError(
            f"The data in {folder} was written by Redis 7 or newer and {binary.title} ({binary.path}) cannot read it. "
            "Install a newer redis-server, or set TREADLE_DATA to another folder."
        )


def _new_socket(folder: Path) -> Path:
    socket = folder / _SOCKET
    socket.unlink(missing_ok=True)
    if _fits(socket):
        return socket
    short = Path(tempfile.mkdtemp(prefix="treadle-"), _SOCKET)
    if not _fits(short):
        short.parent.rmdir()
        raise EmbeddedRedisError(f"{socket} and {short} are too long for a socket: set TREADLE_DATA to a shorter path.")
    socket.symlink_to(short)  # by it, others find the socket
    return short


def _fits(socket: Path) -> bool:
    return len(os.fsencode(socket)) <= _LONGEST_SOCKET


def _options(folder: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]
