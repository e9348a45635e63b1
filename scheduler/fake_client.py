"""A client of a fake server in this process: redis-py's commands and replies, without the wire between.

redis-py packs a command into bytes, takes a connection from a pool, and times all of it for its metrics; fakeredis
takes the bytes apart again. Here a command is handed over as it is. What needs a connection of its own, as pipelines
and subscriptions do, gets one from redis-py's pool as ever.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import redis
from fakeredis import FakeRedis, FakeServer
from fakeredis._helpers import SimpleError

from .fake_lua import RunScript


class LocalRedis(FakeRedis):
    """A client of a fake server in this process; replies are bytes.

    Args:
        server: the server.
        run_script: what runs its scripts.
    """

    def __init__(self, server: FakeServer, run_script: RunScript, **options: Any) -> None:
        super().__init__(server=server, **options)
        self._fake: Any = server
        self._run_script = run_script
        self._pool: Any = self.connection_pool
        self._parse: Callable[..., Any] = self.parse_response
        self._to_bytes: Callable[[Any], bytes] = self._pool.get_encoder().encode
        self._idle: deque[Any] = deque()  # connections; as many as were ever in use at a time

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command and return its reply, parsed as redis-py parses it."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        try:
            connection.connect()
            return self._answer(connection, args, options)
        except redis.ResponseError:
            raise
        except BaseException:
            connection.disconnect()  # a reply may still be on its way; it connects again when it is used again
            raise
        finally:
            self._idle.append(connection)

    def close(self) -> None:
        """End its connections; the next command makes new ones."""
        for connection in [*self._idle]:
            connection.disconnect()
        super().close()

    def _answer(self, connection: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
        socket = connection.get_socket()
        if not self._fake.connected or socket._killed:
            raise redis.ConnectionError("the fake server is not connected")
        fields = [self._bytes(arg) for arg in args]
        script = self._fake.script_cache.get(fields[1]) if args[0] == "EVALSHA" else None
        if script is not None:
            first = 3 + int(args[2])
            return self._answer_script(socket, script, fields[3:first], fields[first:])
        socket._process_command([*fields[0].split(), *fields[1:]])  # a name of two words travels as two
        return self._parse(connection, args[0], **options)

    def _bytes(self, value: Any) -> bytes:
        if type(value) is bytes:
            return value
        return value.encode() if type(value) is str else self._to_bytes(value)

    def _answer_script(self, socket: Any, script: bytes, keys: Sequence[bytes], args: Sequence[bytes]) -> Any:
        server = self._fake
        with server.lock:
            now = time.time()
            for database in server.dbs.values():
                database.time = now
            try:
                reply = self._run_script(socket, script, keys, args)
            except SimpleError as error:
                raise socket._decode_error(error) from error
        return socket._decode_result(reply)
