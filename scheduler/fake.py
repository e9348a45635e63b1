"""The fakeredis that stands in for a Redis server: in tests, in one process, and where no server is installed."""

import hashlib
import logging
import threading
from collections import defaultdict
from typing import Any

import redis
from fakeredis import FakeRedis, FakeRedisConnection, FakeServer, TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from fakeredis._core._database import Database

from .fake_client import LocalRedis
from .fake_lua import RunScript, hasten

logger = logging.getLogger(__name__)

_VERSION = (7,)  # newer commands are refused, as the oldest servers in use refuse them

_MAX_CONNECTIONS = 10_000  # as many runs may wait at once; redis-py would refuse the 101st command in flight


def fake_server() -> FakeServer:
    """Return a new, empty fake server whose scripts have `redis.sha1hex`, which fakeredis lacks."""
    server = _Server(version=_VERSION)
    with fake_redis(server) as client:
        client.eval("return 1", 0)  # the first script makes the Lua runtime
    # The runtime passes strings as bytes, in both directions and for names too.
    server._lua_runtime.globals()[b"redis"][b"sha1hex"] = _sha1hex  # type: ignore[attr-defined]
    server.run_script = hasten(server)
    return server


def fake_redis(server: FakeServer) -> redis.Redis:
    """Return a client of a fake server in this process; replies are bytes."""
    run_script = server.run_script if isinstance(server, _Server) else None
    if run_script is None:
        return FakeRedis(server=server, max_connections=_MAX_CONNECTIONS)
    return LocalRedis(server, run_script, max_connections=_MAX_CONNECTIONS)


class _Database(Database):
    """Judges by whole milliseconds what has expired: in the millisecond of its end a key can still be read.

    fakeredis lets it go within that one, so what a script does with TIME would be a millisecond behind.
    """

    @property
    def time(self) -> float:
        """The moment of the command that runs, in seconds."""
        return self._time

    @time.setter
    def time(self, now: float) -> None:
        self._time = round(now * 1_000_000) // 1000 / 1000  # rounded as TIME is

    def schedule_expiry(self, key: bytes, expireat: float | None) -> None:
        """Note when a key ends; one that is given an end that has come is gone at once, as in a Redis."""
        if expireat is not None and expireat <= self.time and (expireat, key) not in self._expiry_heap:
            self._dict.pop(key, None)
        else:
            super().schedule_expiry(key, expireat)


class _Server(FakeServer):
    run_script: RunScript | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dbs = defaultdict(lambda: _Database(self.lock))


class FakeTcpServer:
    """A fake server that every process of this machine can reach, and that is gone with this process."""

    durable = False

    def __init__(self) -> None:
        self._tcp = _TcpServer()
        self.url = f"redis://127.0.0.1:{self._tcp.server_address[1]}/0"
        self._thread = threading.Thread(target=self._tcp.serve_forever, args=(0.05,), name="fakeredis", daemon=True)
        self._thread.start()

    def describe(self) -> str:
        """Say in one sentence which server this is and where its data lies."""
        return (
            f"fakeredis at {self.url}, in the memory of this process because no redis-server or valkey-server "
            "of version 6.2 or newer was found: nothing survives this process."
        )

    def stop(self) -> None:
        """End the server; its data is gone."""
        self._tcp.shutdown()
        self._thread.join()
        self._tcp.server_close()


class _ReplyingConnection(FakeRedisConnection):
    """Hands errors over as replies: fakeredis closes the TCP connection of a client whose command it refused."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except redis.ResponseError as error:
            return error


class _Handler(TCPFakeRequestHandler):
    disable_nagle_algorithm = True  # else the second of two replies waits 40 ms for the client's ACK

    def setup(self) -> None:
        connection = _ReplyingConnection(server=self.server.fake_server, protocol=2)  # until the client says HELLO 3
        self.server.clients[self.client_address] = connection
        super().setup()


class _TcpServer(TcpFakeServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0))
        self.fake_server = fake_server()
        self.daemon_threads = True  # a client that stays connected must not keep the process from ending
        self.RequestHandlerClass = _Handler

    def handle_error(self, request: object, client_address: object) -> None:
        logger.debug("fakeredis client went away", exc_info=True)  # the default prints to the terminal


def _sha1hex(value: bytes | float) -> bytes:
    data = value if isinstance(value, bytes) else b"%.14g" % value  # a number as Lua prints it
    return hashlib.sha1(data, usedforsecurity=False).hexdigest().encode()
