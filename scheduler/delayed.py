"""Runs that begin later: noted under their threads, begun by a worker when their moment has come, each once.

A run that waits has its id already, and ``start_run`` begins a run of one id once, however often it is tried: so a
message about it may be lost, doubled or late, and so may the worker that it led to.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from graphs.commands import Command
from graphs.graph import Graph
from graphs.sleeping import wake_ms

from .client import Client
from .config import DEFAULT_RECURSION_LIMIT, RunConfig
from .connection import Connection
from .errors import InvalidConfig, StoreUnavailable, ThreadBusy
from .failure import Failure, describe
from .ids import check_thread_id
from .lifecycle import RunStatus
from .plan import stored_plan
from .run import Run
from .runs import settle
from .serde import Serde
from .start_scripts import StartScripts

logger = logging.getLogger(__name__)

#: How long after a thread was found busy, or a graph unknown, it is tried again.
_AGAIN_MS = 5_000
#: How often a worker may not know the graph, as while a new version of the code is being deployed.
_PATIENCE = 12


@dataclass(frozen=True, slots=True)
class DelayedRun:
    """A run that has not begun."""

    thread_id: str
    run_id: str
    graph: str
    #: When it begins, in milliseconds since the epoch.
    begins_ms: int


@dataclass(frozen=True, slots=True)
class Start:
    """What a run is to begin with, and when."""

    graph: Graph
    config: RunConfig
    input: Any = None
    context: Any = None
    #: A moment, or how long from now; a number is seconds.
    at: float | timedelta | datetime = 0
    #: The Celery queue of the worker that begins it; None: the default one.
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """A run that is to begin, as it is noted: no more than somebody who does not know its graph can tell."""

    thread_id: str
    run_id: str
    graph: str
    fingerprint: str
    queue: str | None = None


class DelayedRuns:
    """Notes runs that begin later, and begins them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._connection = client.connection
        self._scripts = StartScripts(client.connection.client)

    def put(self, start: Start) -> DelayedRun:
        """Note a run.

        Raises:
            InvalidConfig: steps run in this process, which nobody looks after; or the input is a Command.
            InvalidSleep: the moment is none.
            InvalidInput, NotSerializable, StateTooLarge: the input does not fit the graph or the store.
        """
        if self._connection.dispatcher.inline:
            raise InvalidConfig("A run that begins later needs workers and a scheduler: RedisSaver(url), not inline.")
        connection, graph, thread_id = self._connection, start.graph, start.config.thread_id
        run = self._client.run_of(graph, start.config, start.context)
        record = start_record(connection.serde, start)
        begins_ms = wake_ms(start.at, self._now_ms())
        put_later(connection, Later(thread_id, run.id, graph.name, graph.fingerprint, start.queue), record, begins_ms)
        return DelayedRun(thread_id, run.id, graph.name, begins_ms)

    def list(self, thread_id: str) -> list[DelayedRun]:
        """Return the runs of a thread that have not begun, the first one first."""
        keys = self._connection.place(check_thread_id(thread_id)).keys
        found: Any = self._connection.client.zrange(keys.starts, 0, -1, withscores=True)
        runs = ((self._client.runs.get(thread_id, run.decode()), int(begins)) for run, begins in found)
        return [DelayedRun(thread_id, run.id, run.graph, begins_ms) for run, begins_ms in runs]

    def begin(self, thread_id: str, run_id: str, graphs: Mapping[str, Graph]) -> str:
        """Begin a run whose moment has come; return what came of it: begun, busy, failed, unknown or over.

        Args:
            thread_id, run_id: the run.
            graphs: those that this process knows.
        """
        waiting = self._waiting(thread_id, run_id)
        if waiting is None:
            return "over"
        name = self._client.runs.get(thread_id, run_id).graph
        graph = graphs.get(name)
        if graph is None and self._tried(thread_id, run_id) < _PATIENCE:
            return self._put_off(thread_id, run_id, "unknown")
        config, value, context = waiting
        try:
            self._client.start(graph or graphs[name], replace(config, on_busy="reject"), value, context)
        except StoreUnavailable:
            raise
        except ThreadBusy as busy:
            if config.on_busy == "wait":
                return self._put_off(thread_id, run_id, "busy")
            return self._fail(thread_id, run_id, describe(busy))
        except Exception as error:  # whatever is wrong with it, a later attempt would not mend it
            return self._fail(thread_id, run_id, describe(error))
        settle(self._connection, thread_id, run_id)
        return "begun"

    def _waiting(self, thread_id: str, run_id: str) -> tuple[RunConfig, Any, Any] | None:
        """Return the config, input and context of a run that waits; None for one that does not."""
        place = self._connection.place(thread_id, run_id)
        status, begun, start = self._connection.redis.hmget(place.named("run"), ["status", "log_start", "start"])
        if status != RunStatus.PENDING.encode() or begun is not None or start is None:
            settle(self._connection, thread_id, run_id)
            return None
        record = self._connection.serde.loads(start)
        config = replace(_config(record["config"]), thread_id=thread_id, run_id=run_id)
        return config, record["input"], record["context"]

    def _tried(self, thread_id: str, run_id: str) -> int:
        return int(self._connection.redis.hget(self._connection.place(thread_id, run_id).named("run"), "sends") or 0)

    def _put_off(self, thread_id: str, run_id: str, why: str) -> str:
        place = self._connection.place(thread_id, run_id)
        self._scripts.put_off_start(place, member=place.start_member(), after_ms=_AGAIN_MS)
        logger.info("run put off", extra={"thread_id": thread_id, "run_id": run_id, "why": why})
        return why

    def _fail(self, thread_id: str, run_id: str, failure: Failure) -> str:
        settle(self._connection, thread_id, run_id, RunStatus.ERROR, failure)
        logger.warning("run not begun", extra={"thread_id": thread_id, "run_id": run_id, "error": failure["repr"]})
        return "failed"

    def _now_ms(self) -> int:
        seconds, micros = self._connection.redis.time()
        return seconds * 1000 + micros // 1000


def start_record(serde: Serde, start: Start) -> bytes:
    """Return what a run is to begin with, for those who know its graph.

    Raises:
        InvalidConfig: the input is a Command.
        InvalidInput, NotSerializable, StateTooLarge: it does not fit the graph or the store.
    """
    if isinstance(start.input, Command):
        raise InvalidConfig("A run that begins later takes an input, or None to go on; a Command is for now.")
    if start.input is not None:
        start.graph.input.read(start.input)
    record = {"config": _record(start.config), "input": start.input, "context": start.context}
    return serde.dumps(record, "The input, config or context of a run that begins later")


def put_later(connection: Connection, later: Later, start: bytes, begins_ms: int) -> None:
    """Note a run; one whose id was noted before, or has begun, is left as it is."""
    place = connection.place(later.thread_id, later.run_id)
    run = Run(later.run_id, later.thread_id, later.graph, later.fingerprint, recursion_limit=DEFAULT_RECURSION_LIMIT)
    StartScripts(connection.client).put_start(
        place,
        run=later.run_id,
        member=place.start_member(),
        at_ms=begins_ms,
        plan=connection.serde.dumps(stored_plan(run)),
        start=start,
        queue=later.queue or "",
    )


def _record(config: RunConfig) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(config)}


def _config(record: Mapping[str, Any]) -> RunConfig:
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
    return RunConfig(**known)
