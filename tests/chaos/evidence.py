"""What lies in the store when all is over: read once, and judged by the checks."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scheduler.log import LogEntry
from scheduler.run import Run
from treadle.errors import ThreadNotFound

from .load import Role


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint of a thread's root: which one, after which, and the number in its metadata."""

    id: str
    parent: str | None
    step: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is left of one thread."""

    thread_id: str
    status: str
    log: Sequence[LogEntry]
    #: What is wrong with the log's chain; None: nothing.
    broken: str | None
    values: Mapping[str, Any]
    checkpoints: Sequence[Checkpoint]
    #: Steps in flight.
    pending: Sequence[str]
    runs: Sequence[Run]


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that the checks look at."""

    threads: Sequence[Evidence]
    #: What is due, and where.
    due: Sequence[str] = ()
    #: The keys of threads.
    keys: Sequence[str] = ()
    #: How many messages of steps still wait after there was time to take them.
    queued: int = 0
    #: The threads' keys after all threads were deleted.
    left: Sequence[str] = ()
    #: (thread, step) -> how often its node was called.
    calls: Mapping[tuple[str, str], int] = field(default_factory=Counter)
    #: Who died without anybody's doing.
    died: Sequence[str] = ()
    #: What clients met that they should not.
    problems: Sequence[str] = ()


def read(role: Role) -> Evidence:
    """Read what is left of a thread."""
    client = role.graph.checkpointer.client  # type: ignore[union-attr]
    thread = client.threads.find(role.thread_id)
    if thread is None:
        return Evidence(role.thread_id, "missing", [], None, {}, [], [], [])
    history = list(role.graph.get_state_history(role.config))
    try:
        broken = client.log.verify(role.thread_id)
    except ThreadNotFound as error:
        broken = str(error)
    return Evidence(
        role.thread_id,
        str(thread.status),
        list(client.log.read(role.thread_id)),
        broken,
        (history[0].values if history else None) or {},
        [_checkpoint(snapshot) for snapshot in reversed(history)],
        [f"{step.node} ({step.state})" for step in client.threads.pending(role.thread_id)],
        client.runs.recent(role.thread_id, 10_000),
    )


def thread_keys(client: Any, prefix: str = "treadle") -> list[str]:
    """Return the keys in the slots of threads: not those of queues, of the memory and of the cache."""
    return sorted(key.decode() for key in client.scan_iter(f"{prefix}:{{p*", count=1_000))


def due(client: Any, keys: Iterable[str]) -> list[str]:
    """Return what is due, as ``due set: member``."""
    return [f"{key}: {member.decode()}" for key in keys if key.endswith(":due") for member in client.zrange(key, 0, -1)]


def _checkpoint(snapshot: Any) -> Checkpoint:
    parent = snapshot.parent_config and snapshot.parent_config["configurable"]["checkpoint_id"]
    return Checkpoint(snapshot.config["configurable"]["checkpoint_id"], parent, snapshot.metadata["step"])
