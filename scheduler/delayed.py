"""Runs that begin later: noted under their threads, begun by a worker when their moment has come, each once.

A run that waits has its id already, and ``start_run`` begins a run of one id once, however often it is tried: so a
message about it may be lost, doubled or late, and so may the worker that it led to.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphs.graph import Graph
from graphs.sleeping import wake_ms

from .client import Client
from .config import OnBusy, RunConfig
from .errors import InvalidConfig, StoreUnavailable, ThreadBusy
from .failure import Failure, describe
from .ids import check_thread_id
from .lifecycle import RunStatus
from .start_scripts import StartScripts
from .storing import Started
from .waiting import Later, Start, put_later, restored_start, settle, start_record

__all__ = ["DelayedRun", "DelayedRuns", "Later", "Start", "put_later", "settle", "start_record"]

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
class _Waiting:
    config: RunConfig
    input: Any
    context: Any
    #: Whether it waits for its turn, and not for its moment.
    queued: bool


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
        begins_ms = wake_ms(start.at, self._connection.now_ms())
        later = Later(thread_id, run.id, graph.name, graph.fingerprint, start.queue, run.webhook)
        put_later(connection, later, record, begins_ms)
        return DelayedRun(thread_id, run.id, graph.name, begins_ms)

    def list(self, thread_id: str) -> list[DelayedRun]:
        """Return the runs of a thread that have not begun, the first one first."""
        keys = self._connection.place(check_thread_id(thread_id)).keys
        found: Any = self._connection.client.zrange(keys.starts, 0, -1, withscores=True)
        runs = ((self._client.runs.get(thread_id, run.decode()), int(begins)) for run, begins in found)
        return [DelayedRun(thread_id, run.id, run.graph, begins_ms) for run, begins_ms in runs]

    def begin(self, thread_id: str, run_id: str, graphs: Mapping[str, Graph]) -> str:
        """Begin a run whose moment has come, or its turn; return what came of it.

        Args:
            thread_id, run_id: the run.
            graphs: those that this process knows.

        Returns:
            begun, busy, failed, unknown or over.
        """
        begun = self.begin_here(thread_id, run_id, graphs)
        return begun if isinstance(begun, str) else "begun"

    def begin_here(self, thread_id: str, run_id: str, graphs: Mapping[str, Graph]) -> Started | str:
        """Begin a run as ``begin`` does; return it, for those who run its steps themselves, or why it has not begun."""
        waiting = self._waiting(thread_id, run_id)
        if waiting is None:
            return "over"
        name = self._client.runs.get(thread_id, run_id).graph
        graph = graphs.get(name)
        if graph is None and self._tried(thread_id, run_id) < _PATIENCE:
            return self._put_off(waiting, "unknown")
        asked = replace(waiting.config, on_busy=_how(waiting))
        try:
            started = self._client.start(graph or graphs[name], asked, waiting.input, waiting.context)
        except StoreUnavailable:
            raise
        except Exception as error:  # whatever is wrong with it, a later attempt would not mend it
            if isinstance(error, ThreadBusy) and waiting.config.on_busy == "wait":
                return self._put_off(waiting, "busy")
            return self._fail(thread_id, run_id, describe(error))
        if not started.queued:  # else its thread is busy: it has a place in line, or keeps the one it had
            settle(self._connection, thread_id, run_id)
        return "busy" if started.queued else started

    def _waiting(self, thread_id: str, run_id: str) -> "_Waiting | None":
        """Return a run that waits; None for one that does not."""
        place = self._connection.place(thread_id, run_id)
        names = ["status", "log_start", "start", "turn"]
        status, begun, start, turn = self._connection.redis.hmget(place.named("run"), names)
        if status != RunStatus.PENDING.encode() or begun is not None or start is None:
            settle(self._connection, thread_id, run_id)
            return None
        return _Waiting(*restored_start(self._connection, thread_id, run_id, start), queued=turn is not None)

    def _tried(self, thread_id: str, run_id: str) -> int:
        return int(self._connection.redis.hget(self._connection.place(thread_id, run_id).named("run"), "sends") or 0)

    def _put_off(self, waiting: "_Waiting", why: str) -> str:
        thread_id, run_id = waiting.config.thread_id, waiting.config.run_id or ""
        place = self._connection.place(thread_id, run_id)
        member = place.turn_member() if waiting.queued else place.start_member()
        self._scripts.put_off_start(place, member=member, after_ms=_AGAIN_MS)
        logger.info("run put off", extra={"thread_id": thread_id, "run_id": run_id, "why": why})
        return why

    def _fail(self, thread_id: str, run_id: str, failure: Failure) -> str:
        settle(self._connection, thread_id, run_id, RunStatus.ERROR, failure)
        logger.warning("run not begun", extra={"thread_id": thread_id, "run_id": run_id, "error": failure["repr"]})
        return "failed"


def _how(waiting: _Waiting) -> OnBusy:
    """Return what a run does whose thread is busy after all: one that has its place in line keeps that."""
    if waiting.queued:
        return "enqueue"
    return "reject" if waiting.config.on_busy == "wait" else waiting.config.on_busy
