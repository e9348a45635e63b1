"""A Redis client that spends half as much on a command: it keeps no telemetry, and does not poll before it sends.

Every step of a thread sends two commands, and what redis-py does around a command costs more than the command does.
"""

import os
from collections import deque
from functools import partial
from typing import Any

import redis
from hiredis import pack_command


class LeanRedis(redis.Redis):
    """A client whose single commands travel over connections of its own; pipelines and subscriptions use the pool.

    A connection that breaks is opened anew as its retry policy says. One whose command was cut short, as a rule by a
    time limit, is closed: nobody must read the reply that was meant for somebody else.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._idle: deque[Any] = deque()
        self._pid = os.getpid()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and return its reply, as Redis.execute_command does."""
        connection = self._borrow()
        try:
            exchange = partial(self._exchange, connection, args, options)
            return connection.retry.call_with_retry(exchange, lambda _: connection.disconnect())
        except redis.ResponseError:  # a reply like any other: it was read to its end
            raise
        except BaseException:
            connection.disconnect()
            raise
        finally:
            if connection.should_reconnect():
                connection.disconnect()
            self._idle.append(connection)

    def close(self) -> None:
        """Close every connection."""
        while self._idle:
            self._idle.pop().disconnect()
        super().close()

    def _exchange(self, connection: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        words = args[0].split() if " " in args[0] else args[:1]  # such as SCRIPT LOAD
        connection.send_packed_command((pack_command((*words, *args[1:])),))
        if args[0] not in self.response_callbacks:
            return connection.read_response()
        parse: Any = self.parse_response  # redis-py says nothing of its type
        return parse(connection, args[0], **options)

    def _borrow(self) -> Any:
        if self._pid != os.getpid():  # after a fork the sockets are the parent's
            self._pid, self._idle = os.getpid(), deque()
        try:
            return self._idle.pop()
        except IndexError:  # each that waits for its reply has one, and there is none to spare
            return self.connection_pool.make_connection()
