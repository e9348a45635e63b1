"""Checkpointers: where the threads of a graph live, and with that, where they run."""

import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from graphs.cache import BaseCache
from graphs.graph import Graph
from graphs.store import BaseStore
from scheduler.archives import ArchiveStore
from scheduler.aside import aside
from scheduler.client import Client
from scheduler.config import merged, parse
from scheduler.connection import open_connection
from scheduler.dispatch import Inline
from scheduler.errors import InvalidConfig
from scheduler.threads import ThreadStore
from scheduler.tuples import CheckpointTuple, Tuples

from .engine import Engine, open_engine
from .inline import InlineRunner
from .succession import Succession
from .tracing import tracing_of

_FOREVER_MS = 10 * 365 * 24 * 3600 * 1000


class Saver:
    """What ``compile(checkpointer=...)`` takes; connects with its first use, so that it can be made anywhere.

    Args:
        types: further classes that states may hold, beside those that the graph's annotations name.
    """

    def __init__(self, *, types: Iterable[type] = ()) -> None:
        self._types = tuple(types)
        self._engine: Engine | None = None
        self._runners: dict[tuple[int, int], InlineRunner] = {}
        self._homes: dict[str, tuple[Graph, InlineRunner]] = {}
        self._turns: Succession | None = None
        self._lock = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The connection and what executes on it."""
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
                self._engine.connection.serde.allow(self._types)
            return self._engine

    @property
    def client(self) -> Client:
        """Every verb on threads, below the level of graphs."""
        return self.engine.client

    @property
    def threads(self) -> ThreadStore:
        """The threads: create, get, list, terminate, delete."""
        return self.client.threads

    @property
    def archives(self) -> ArchiveStore:
        """Threads as files: ``put(thread_id, url)``, ``restore(url)``, ``read(url)``."""
        return self.client.archives

    def prune(self, thread_ids: Iterable[str], *, strategy: str = "keep_latest", keep: int = 1) -> None:
        """Drop the older checkpoints of threads that rest.

        Args:
            thread_ids: the threads.
            strategy: "keep_latest": the newest ``keep`` checkpoints stay, and what they need; "delete": the threads go.
            keep: how many.

        Raises:
            InvalidConfig: the strategy is neither, or ``keep`` no positive number.
            ThreadNotFound, ThreadBusy: a thread is not there, or a run is active on it.
        """
        if strategy not in ("keep_latest", "delete"):
            raise InvalidConfig(f"strategy is 'keep_latest' or 'delete', got {strategy!r:.40}.")
        for thread_id in thread_ids:
            self.threads.delete(thread_id) if strategy == "delete" else self.client.pruning.prune(thread_id, keep)

    async def aprune(self, thread_ids: Iterable[str], *, strategy: str = "keep_latest", keep: int = 1) -> None:
        """Prune as ``prune`` does."""
        await aside(self.prune, thread_ids, strategy=strategy, keep=keep)

    def bind(self, graph: Graph) -> Engine:
        """Return the engine, able to store what the graph's states are made of."""
        engine = self.engine
        engine.connection.serde.allow(graph.classes)
        return engine

    def runner(self, store: BaseStore | None, cache: BaseCache | None = None) -> InlineRunner:
        """Return what executes runs in this process."""
        engine = self.engine
        with self._lock:
            return self._runners.setdefault((id(store), id(cache)), engine.runner(store, cache))

    def turns(self, graph: Graph, runner: InlineRunner) -> Succession:
        """Return what begins, in this process, the inputs that wait for their turn; also those of this graph."""
        client = self.client
        with self._lock:
            self._homes[graph.name] = (graph, runner)
            self._turns = self._turns or Succession(client, self._homes)
            return self._turns

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread with its state, history and log.

        Raises:
            ThreadBusy: a run is active on it.
        """
        self.threads.delete(thread_id)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete as ``delete_thread`` does."""
        await aside(self.delete_thread, thread_id)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with its state and history to a new id, under which it begins a log of its own.

        Raises:
            ThreadNotFound: there is no such thread.
            ThreadBusy: a run is active on it.
            TransitionNotAllowed: there is a thread of the new id already.
        """
        self.threads.copy(source_thread_id, target_thread_id)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy as ``copy_thread`` does."""
        await aside(self.copy_thread, source_thread_id, target_thread_id)

    def get_tuple(self, config: Mapping[str, Any]) -> CheckpointTuple | None:
        """Return the checkpoint that a config names, or the thread's newest; None where there is none."""
        return Tuples(self.engine.connection).get(parse(config))

    async def aget_tuple(self, config: Mapping[str, Any]) -> CheckpointTuple | None:
        """Return what ``get_tuple`` does."""
        return await aside(self.get_tuple, config)

    def list(
        self,
        config: Mapping[str, Any],
        *,
        filter: Mapping[str, Any] | None = None,
        before: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Yield a thread's checkpoints, the newest first: of all its frames, or of the one that the config names.

        Args:
            config: which thread, and which frame (``checkpoint_ns``).
            filter: metadata that a checkpoint must have.
            before: a config with a checkpoint_id; only older ones are yielded.
            limit: how many at the most.
        """
        named = merged({}, config)
        everywhere = {**named, **named.get("configurable", {})}.get("checkpoint_ns") is None
        older_than = None if before is None else parse(merged(config, before)).checkpoint_id
        found = Tuples(self.engine.connection)
        return found.list(parse(config), everywhere=everywhere, matching=filter, before=older_than, limit=limit)

    async def alist(self, config: Mapping[str, Any], **options: Any) -> AsyncIterator[CheckpointTuple]:
        """Yield what ``list`` does."""
        for found in await aside(lambda: [*self.list(config, **options)]):
            yield found

    def _open(self) -> Engine:
        raise NotImplementedError


class MemorySaver(Saver):
    """Keeps threads in this process, and runs them here: for tests and notebooks.

    The protocol is the one of RedisSaver, on a Redis that lives in this process's memory.
    """

    def _open(self) -> Engine:
        from pydantic import SecretStr

        # fakeredis and pydantic are imported by those who use them: they take longer than the rest of the client.
        from scheduler.fake import fake_redis, fake_server
        from scheduler.settings import Settings

        # What never leaves this process need not be sealed.
        settings = Settings(lease_ms=_FOREVER_MS, encryption_keys=SecretStr(""), encryption_strict=False)
        connection = open_connection(fake_redis(fake_server()), settings, Inline(), tracing_of(settings.traces))
        return open_engine(connection, durable=False)


#: LangGraph's other name for it.
InMemorySaver = MemorySaver


class RedisSaver(Saver):
    """Keeps threads in Redis; runs them on the Celery workers of that Redis, or in this process.

    Args:
        url: ``redis://``, ``rediss://``, ``unix://``, ``sentinel://host,host/service``, ``cluster://host,host``;
            None: TREADLE_REDIS_URL, else the embedded Redis.
        inline: run the steps in this process; what is durable is the same.
        types: further classes that states may hold.
    """

    def __init__(self, url: str | None = None, *, inline: bool = False, types: Iterable[type] = ()) -> None:
        super().__init__(types=types)
        self._url = url
        self._inline = inline

    @classmethod
    def from_conn_string(cls, url: str, **options: Any) -> "RedisSaver":
        """Return a saver for a Redis URL."""
        return cls(url, **options)

    def setup(self) -> None:
        """Do nothing: there are no tables to make."""

    def _open(self) -> Engine:
        # Celery and pydantic are imported by those who connect: they would double the time a client takes to start.
        from scheduler.settings import Settings

        from .bootstrap import connect, redis_client

        settings = Settings() if self._url is None else Settings(redis_url=self._url)
        if not self._inline:
            return connect(settings)
        traced = tracing_of(settings.traces)
        return open_engine(open_connection(redis_client(settings), settings, Inline(), traced), durable=True)


def check_parts(checkpointer: object, store: object, cache: object) -> None:
    """Check what a graph is compiled with.

    Raises:
        TypeError: one of the three is of another kind.
    """
    if checkpointer is not None and not isinstance(checkpointer, Saver | bool):
        raise TypeError(
            f"Invalid checkpointer provided: {type(checkpointer).__name__}. "
            "Use treadle.checkpoint.memory.MemorySaver or treadle.checkpoint.redis.RedisSaver."
        )
    if store is not None and not isinstance(store, BaseStore):
        raise TypeError(
            f"Invalid store provided: {type(store).__name__}. Use a BaseStore, such as treadle.store.memory's."
        )
    if cache is not None and not isinstance(cache, BaseCache):
        raise TypeError(
            f"Invalid cache provided: {type(cache).__name__}. Use a BaseCache, such as treadle.cache.memory's."
        )
