"""One saver, at work: a connection, a client on it, and what executes the steps that this process has to run."""

import socket
from dataclasses import dataclass
from os import getpid

import redis

from graphs.store import BaseStore
from scheduler.client import Client
from scheduler.connection import Connection, open_connection
from scheduler.dispatch import Dispatcher, StepRef
from scheduler.settings import Settings
from scheduler.steps import Steps

from .executor import Executor
from .heartbeat import Heartbeat
from .inline import InlineRunner
from .loop import run as run_anywhere


@dataclass(frozen=True, slots=True)
class Engine:
    """What a compiled graph runs on."""

    connection: Connection
    client: Client
    #: Whether runs outlive this process.
    durable: bool

    @property
    def inline(self) -> bool:
        """Whether this process executes the steps of the runs it begins."""
        return self.connection.dispatcher.inline

    def runner(self, store: BaseStore | None) -> InlineRunner:
        """Return what executes runs in this process, with a long-term memory for their nodes."""
        steps = Steps(self.connection, self.client.runs, f"inline@{socket.gethostname()}:{getpid()}")
        running: dict[StepRef, str] = {}
        heartbeat = Heartbeat(self.connection, steps, running.copy) if self.durable else None
        return InlineRunner(Executor(steps, self.connection.serde, store), self.client.runs, running, heartbeat)


def open_engine(client: redis.Redis, settings: Settings, dispatcher: Dispatcher, *, durable: bool) -> Engine:
    """Return an engine over a Redis client that returns bytes."""
    connection = open_connection(client, settings, dispatcher)
    return Engine(connection, Client(connection, lambda call: run_anywhere(call())), durable)
