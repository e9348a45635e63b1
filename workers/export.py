"""A thread as one JSON document: everything that is known of it, readable without Treadle."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scheduler.checkpoints import StoredCheckpoint
from scheduler.client import Client

from .happenings import record_of
from .rendering import plain

#: The form of the document; a later one with other fields has a higher number.
FORMAT = 1

_ALL = 1_000_000_000


def export(client: Client, thread_id: str) -> dict[str, Any]:
    """Return a thread with its runs, its checkpoints and its log, the oldest first.

    Raises:
        ThreadNotFound: there is none of this id.
    """
    thread = client.threads.get(thread_id)
    keys = client.connection.place(thread_id).keys
    checkpoints = client.connection.checkpoints.history(keys, "")
    return {
        "format": FORMAT,
        "thread": asdict(thread),
        "runs": [asdict(run) for run in reversed(client.runs.recent(thread_id, _ALL))],
        "checkpoints": [_record(stored) for stored in reversed(checkpoints)],
        "log": [record_of(entry) for entry in client.log.read(thread_id)],
    }


def write(target: Path, document: Mapping[str, Any]) -> None:
    """Write a document to a file, which is there as a whole or not at all."""
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        unfinished.write_text(json.dumps(plain(document), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _record(stored: StoredCheckpoint) -> dict[str, Any]:
    """Return a checkpoint; what a graph's annotations would name stays nameless, so that no graph is needed."""
    checkpoint = stored.checkpoint
    return {
        "id": checkpoint.id,
        "parent": checkpoint.parent_id,
        "source": checkpoint.source,
        "number": checkpoint.number,
        "run": stored.origin.run_id,
        "metadata": stored.origin.metadata,
        "next": [step.node for step in checkpoint.steps],
        "values": checkpoint.values,
    }
