"""What a run is to begin with that waits, for its moment or for its turn: as it is noted, and as it is read again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from graphs.commands import Command
from graphs.graph import Graph

from .config import DEFAULT_RECURSION_LIMIT, RunConfig
from .connection import Connection
from .errors import InvalidConfig
from .failure import Failure
from .lifecycle import RunStatus
from .plan import stored_plan
from .run import Run
from .serde import Serde
from .start_scripts import StartScripts
from .webhook import webhook_of


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
    #: Who is told how it ends, also where it never begins; as a plan has it.
    webhook: Mapping[str, Any] | None = None


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


def stored_start(connection: Connection, later: Later, start: bytes) -> tuple[bytes, bytes]:
    """Return what is noted of a run: its plan, and what it is to begin with."""
    run = Run(
        later.run_id,
        later.thread_id,
        later.graph,
        later.fingerprint,
        recursion_limit=DEFAULT_RECURSION_LIMIT,
        webhook=later.webhook,
    )
    key = connection.place(later.thread_id, later.run_id).named("run")
    plan = connection.stored(stored_plan(run), "The plan", key, "plan")
    return plan, connection.sealing.seal(start, key, "start")


def restored_start(connection: Connection, thread_id: str, run_id: str, start: bytes) -> tuple[RunConfig, Any, Any]:
    """Return the config, the input and the context of a run that waits."""
    record = connection.restored(start, connection.place(thread_id, run_id).named("run"), "start")
    config = replace(_config(record["config"]), thread_id=thread_id, run_id=run_id)
    return config, record["input"], record["context"]


def webhook_in(connection: Connection, start: bytes) -> Mapping[str, Any] | None:
    """Return the webhook of what a run is to begin with, as the plan has it of one that never begins."""
    webhook = webhook_of(connection.serde.loads(start)["config"].get("webhook"))
    return None if webhook is None else webhook.plan(None)


def put_later(connection: Connection, later: Later, start: bytes, begins_ms: int) -> None:
    """Note a run that begins later; one whose id was noted before, or has begun, is left as it is."""
    place = connection.place(later.thread_id, later.run_id)
    plan, sealed = stored_start(connection, later, start)
    StartScripts(connection.client).put_start(
        place,
        run=later.run_id,
        member=place.start_member(),
        at_ms=begins_ms,
        plan=plan,
        start=sealed,
        queue=later.queue or "",
        hooked="" if later.webhook is None else "1",
    )


def settle(
    connection: Connection,
    thread_id: str,
    run_id: str,
    status: RunStatus | None = None,
    failure: Failure | None = None,
) -> bool:
    """Forget that a run was to begin, or that it ever will; return whether it was waiting, and ends in this status."""
    place = connection.place(thread_id, run_id)
    error = b"" if failure is None else connection.stored(failure, "The failure", place.named("run"), "error")
    active = connection.redis.hget(place.keys.thread, "run") if status is not None else None
    return StartScripts(connection.client).settle_start(
        place,
        place.keys.run((active or run_id.encode()).decode()),
        run=run_id,
        member=place.start_member(),
        token=place.keys.token,
        status="" if status is None else status,
        error=error,
    )


def queue_of(graph: Graph) -> str | None:
    """Return the Celery queue of workers that have a graph: the default one where any of its nodes uses that."""
    queues = [node.queue for node in graph.nodes.values()]
    return None if None in queues else queues[0]


def _record(config: RunConfig) -> dict[str, Any]:
    told = {} if config.webhook is None else {"webhook": asdict(config.webhook)}
    return {field.name: getattr(config, field.name) for field in fields(config)} | told


def _config(record: Mapping[str, Any]) -> RunConfig:
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
    return RunConfig(**{**known, "webhook": webhook_of(known.get("webhook"))})
