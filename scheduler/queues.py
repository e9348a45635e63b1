"""Putting inputs in line on busy threads: behind those that wait, or before them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graphs.graph import Graph

from .config import RunConfig
from .connection import Connection
from .failure import cancelled, drained, status_of
from .moves import ended, finish_entries
from .run import Run
from .scripts import Request
from .start_scripts import StartScripts
from .storing import Started
from .waiting import Later, Start, queue_of, start_record, stored_start


class Queues:
    """Puts inputs in line.

    Args:
        connection: the store.
        run_of: returns a run as it would be begun now.
    """

    def __init__(self, connection: Connection, run_of: Callable[[Graph, RunConfig, Any], Run]) -> None:
        self._connection = connection
        self._run_of = run_of

    def put(self, start: Start, active: str) -> Started | None:
        """Let an input wait for its turn; return its run, or None where the thread is not busy with this run any more.

        Args:
            start: the input.
            active: the run that the thread is busy with: "interrupt" lets it stop at its next checkpoint, or at once
                while nothing of it is under way; "rollback" takes it back.

        Raises:
            InvalidInput, UnknownNode, NotSerializable, StateTooLarge: the input, or the config, does not fit.
        """
        connection, graph, config = self._connection, start.graph, start.config
        run = self._run_of(graph, config, start.context)
        later = Later(run.thread_id, run.id, graph.name, graph.fingerprint, queue_of(graph), run.webhook)
        record = start_record(connection.serde, replace(start, config=replace(config, drain_reason=None)))
        place = connection.place(run.thread_id, active)
        body = {
            "token": place.keys.token,
            "run": active,
            "waiting": run.id,
            "queue": queue_of(graph) or "",
            "on_busy": config.on_busy,
            "urgent": config.on_busy != "enqueue",
            "inline": connection.dispatcher.inline,
            "hooked": run.webhook is not None,
        }
        stops, blobs = self._stopping(config, active, run.id)
        request = Request(body | stops, [*stored_start(connection, later, record), *blobs])
        key = connection.place(run.thread_id, run.id).named("run")
        if StartScripts(connection.client).put_input(place, request, key) not in ("waits", "ended"):
            return None
        return Started(run, (), None, connection.log_end(run.thread_id), queued=True)

    def _stopping(self, config: RunConfig, active: str, run_id: str) -> tuple[dict[str, Any], list[bytes]]:
        """Return what the script is told about the end of the active run, and the blobs that it takes for that."""
        place = self._connection.place(config.thread_id, active)
        key, why = place.named("run"), f"a new input took its place: run {run_id}"
        if config.on_busy == "enqueue":
            return {}, []
        back = config.on_busy == "rollback"
        failure = cancelled(f"taken back, {why}") if back else drained(why)
        status, error = status_of(failure), self._connection.words(place.keys, failure["repr"])
        entries = finish_entries(active, status, error=error, **({"rolled_back": True} if back else {}))
        return {"ended": ended(status, error=True), "entries": entries, "back": back}, [
            self._connection.stored(failure, "The failure", key, "error"),
            self._connection.sealing.seal(why.encode(), key, "drain"),
        ]
