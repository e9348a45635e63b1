"""A Redis client that spends half as much on a command, and that waits for a Redis that ails.

It keeps no telemetry, and does not poll before it sends: every step of a thread sends two commands, and what redis-py
does around a command costs more than the command does.
"""

import os
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import redis
from hiredis import pack_command
from redis.client import Pipeline

from .ailments import ailment_of
from .patience import Patience
from .replicas import Replicas


class LeanRedis(redis.Redis):
    """A client whose single commands travel over connections of its own; pipelines and subscriptions use the pool.

    A connection that breaks is opened anew as its retry policy says. One whose command was cut short, as a rule by a
    time limit, is closed: nobody must read the reply that was meant for somebody else.
    """

    #: How long it waits for a Redis that ails.
    patience = Patience()
    #: Which copies of its writes it waits for; None: for none.
    replicas: Replicas | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._idle: deque[Any] = deque()
        self._pid = os.getpid()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and return its reply, as Redis.execute_command does."""
        return self.patience.see_through(partial(self._ask, args, options))

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "PatientPipeline":
        """Return a pipeline that waits as this client does."""
        made = PatientPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        made.patience = self.patience
        return made

    def close(self) -> None:
        """Close every connection."""
        while self._idle:
            self._idle.pop().disconnect()
        super().close()

    def _ask(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        connection = self._borrow()
        try:
            exchange = partial(self._exchange, connection, args, options)
            return connection.retry.call_with_retry(exchange, lambda _: connection.disconnect())
        except redis.ResponseError as error:  # a reply like any other: it was read to its end
            if _has_moved(error):
                connection.disconnect()
            raise
        except BaseException:
            connection.disconnect()
            raise
        finally:
            if connection.should_reconnect():
                connection.disconnect()
            self._idle.append(connection)

    def _exchange(self, connection: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        words = args[0].split() if " " in args[0] else args[:1]  # such as SCRIPT LOAD
        packed = pack_command((*words, *args[1:]))
        question: Any = None if self.replicas is None else self.replicas.question(args)
        if self.replicas is None or question is None:
            connection.send_packed_command((packed,))
            return self._reply(connection, args, options)
        connection.send_packed_command((packed, pack_command(question)))
        reply: Any = None
        try:
            reply = self._reply(connection, args, options)
        except redis.ResponseError as error:
            reply = error
        copies = connection.read_response()  # in any case: nobody else must read it
        if isinstance(reply, redis.ResponseError):
            raise reply
        self.replicas.note(copies)
        return reply

    def _reply(self, connection: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
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


class PatientPipeline(Pipeline):
    """A pipeline that is sent again as a whole while Redis ails: its commands must do no harm when they come twice."""

    patience = Patience()

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send the commands and return their replies, as Pipeline.execute does; that Redis ails is always an error."""
        stack = [*self.command_stack]
        answers = self.patience.see_through(partial(self._ask, stack))
        if raise_on_error:
            raise_first: Any = self.raise_first_error
            raise_first(stack, answers)
        return answers

    def _ask(self, stack: Sequence[Any]) -> list[Any]:
        self.command_stack = [*stack]  # executing clears it
        answers: list[Any] = super().execute(raise_on_error=False)
        for error in filter(ailment_of, answers):
            if _has_moved(error):
                self.connection_pool.disconnect(inuse_connections=False)
            raise error
        return answers


def _has_moved(error: Exception) -> bool:
    ailment = ailment_of(error)
    return ailment is not None and ailment.moved
