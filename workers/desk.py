"""What every command works with: the client and the graphs that this process knows, each made when first needed."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from graphs.graph import Graph
from graphs.registry import Registry
from scheduler.client import Client
from scheduler.config import RunConfig, merged, parse
from scheduler.errors import InvalidConfig
from scheduler.following import Follower
from scheduler.snapshots import StateSnapshot
from scheduler.whereabouts import refuse_archived

from . import bootstrap
from .engine import Engine
from .settings import WorkerSettings


class Desk:
    """The store, seen from the command line."""

    def __init__(self, settings: WorkerSettings | None = None) -> None:
        self.settings = WorkerSettings() if settings is None else settings

    @cached_property
    def engine(self) -> Engine:
        """The connection, whose runs are executed by Celery workers."""
        bootstrap.set_up_traces(self.settings)
        return bootstrap.connect(self.settings)

    @property
    def client(self) -> Client:
        """Every verb on threads."""
        return self.engine.client

    @property
    def follower(self) -> Follower:
        """Reads what happens to runs, live."""
        return Follower(self.engine.connection)

    @cached_property
    def graphs(self) -> Registry:
        """The graphs by name; from here on, what their states are made of can be read."""
        found = bootstrap.registry(self.settings)
        for graph in found.values():
            self.engine.connection.serde.allow(graph.classes)
        return found

    def current(self, thread_id: str, checkpoint_id: str | None = None) -> StateSnapshot:
        """Return where a thread stands, or one of its checkpoints, through the eyes of the graph that it ran last.

        Raises:
            ThreadArchived: it is in a file.
            UnknownGraph, ThreadNotFound, InvalidConfig: as ``graph`` does.
        """
        config = config_for(thread_id, {"checkpoint_id": checkpoint_id})
        return self.client.snapshots.current(self._seen_by(thread_id), config, None)

    def history(self, thread_id: str, limit: int | None = None) -> Sequence[StateSnapshot]:
        """Return a thread's checkpoints, the newest first.

        Raises:
            ThreadArchived: it is in a file.
            UnknownGraph, ThreadNotFound, InvalidConfig: as ``graph`` does.
        """
        return self.client.snapshots.history(self._seen_by(thread_id), config_for(thread_id), limit=limit)

    def _seen_by(self, thread_id: str) -> Graph:
        """Return the graph that a thread ran last; of one that is archived it is said where it is, known or not."""
        refuse_archived(self.engine.connection, thread_id, "be read")
        return self.graph(thread_id)

    def config(self, graph: Graph, thread_id: str, more: Mapping[str, Any] | None) -> RunConfig:
        """Return the config of a run: what the graph's own says, and over it what the call says.

        Raises:
            InvalidThreadId, InvalidConfig: as ``config_for`` does.
        """
        return config_for(thread_id, merged(bootstrap.configs(self.settings)[graph.name], more or {}))

    def graph(self, thread_id: str, name: str | None = None) -> Graph:
        """Return a graph by name, or the one that a thread ran last.

        Raises:
            UnknownGraph: this process does not know it.
            ThreadNotFound: there is no such thread, and no name was given.
            InvalidConfig: the thread has never run, and no name was given.
        """
        name = name or self.client.threads.get(thread_id).graph
        if name is None:
            raise InvalidConfig(f"Thread {thread_id!r} has not run yet: name the graph.")
        return self.graphs[name]


def config_for(thread_id: str, more: Mapping[str, Any] | None = None) -> RunConfig:
    """Return the config of a call about a thread.

    Raises:
        InvalidThreadId: the id is not usable.
        InvalidConfig: a key of ``more`` is not known, or a value does not fit.
    """
    return parse(merged(more or {}, {"thread_id": thread_id}))
