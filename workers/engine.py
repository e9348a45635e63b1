"""One saver, at work: a connection, a client on it, and what executes the steps that this process has to run."""

import socket
from dataclasses import dataclass, replace
from os import getpid

from graphs.cache import BaseCache
from graphs.store import BaseStore
from scheduler.calls import Calls
from scheduler.client import Client
from scheduler.connection import Connection
from scheduler.dispatch import Inline, StepRef
from scheduler.memory import RedisStore
from scheduler.records import Records
from scheduler.runs import RunStore
from scheduler.steps import Steps

from .attempt import Means
from .body import Nesting
from .executor import Executor
from .heartbeat import Heartbeat
from .inline import InlineRunner
from .loop import call as call_anywhere
from .tracing import tracing_of


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

    def runner(self, store: BaseStore | None, cache: BaseCache | None = None) -> InlineRunner:
        """Return what executes runs in this process, with a long-term memory and a cache for their nodes."""
        worker = f"inline@{socket.gethostname()}:{getpid()}"
        steps = Steps(self.connection, self.client.runs, worker)
        running: dict[StepRef, str] = {}
        heartbeat = Heartbeat(self.connection, steps, running.copy) if self.durable else None
        memory = store if store is not None else default_store(self.connection)
        traced = tracing_of(self.connection.settings.traces)
        means = Means(steps, self.connection.serde, store=memory, cache=cache, tracing=traced)
        calls = Calls(self.connection, call_anywhere)
        executor = Executor(means, calls, nesting(self.connection, worker, means))
        return InlineRunner(executor, self.client.runs, running, heartbeat)


def open_engine(connection: Connection, *, durable: bool) -> Engine:
    """Return an engine on a connection; ``durable``: whether its runs outlive this process."""
    return Engine(connection, Client(connection, call_anywhere), durable)


def default_store(connection: Connection, like: BaseStore | None = None) -> BaseStore:
    """Return the long-term memory of graphs that were compiled without one: it lives beside their threads.

    ``like``: one with whose index and lifetimes it is to work.
    """
    index, ttl = getattr(like, "index_config", None), like.ttl_config if like else None
    return RedisStore(connection.client, connection.keys, connection.serde, connection.sealing, index=index, ttl=ttl)


def nesting(connection: Connection, worker: str, means: Means) -> Nesting:
    """Return what runs the graphs that nodes call in their bodies: in this process, whoever runs the nodes."""
    here = replace(connection, dispatcher=Inline())
    runs = RunStore(here)
    calls = Calls(here, call_anywhere)
    made = Nesting(calls, Records(here))
    executor = Executor(replace(means, steps=Steps(here, runs, worker)), calls, made)
    made.runner = InlineRunner(executor, runs, {})
    return made
