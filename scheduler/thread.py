"""A thread as it is stored: its status, its graph, and what is in flight."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphs.priority import DEFAULT_PRIORITY

from .lifecycle import ThreadStatus


@dataclass(frozen=True, slots=True)
class Thread:
    """A durable line of execution; times in milliseconds since the epoch."""

    id: str
    status: ThreadStatus
    #: The name of the graph it ran last; None before its first run.
    graph: str | None = None
    #: The run that is active; None when it rests.
    run_id: str | None = None
    #: The checkpoint it stands on; None before its first input.
    cursor: str | None = None
    created_ms: int = 0
    updated_ms: int = 0
    #: Since when the active run is active.
    since_ms: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: The time limit of its runs when they bring none of their own, in seconds.
    timeout_s: float | None = None
    #: The number of the last entry of its log: it tells whether anything has changed since.
    seq: int = 0
    #: The checkpoint that its next run begins from, because the run after that was taken back; "-": from nothing.
    back: str | None = None
    #: What its runs may spend together, by unit.
    budget: Mapping[str, float] = field(default_factory=dict)
    #: The run that asked a person, and waits for the answer.
    waits: str | None = None
    #: How long it is kept when nothing happens to it, in seconds; None: for ever.
    ttl_s: float | None = None
    #: The file in which it is, and SHA-256 over its content; None: it is in the store.
    archive: str | None = None
    archive_digest: str | None = None

    @classmethod
    def of(cls, thread_id: str, text: Mapping[str, str], cursor: str | None) -> "Thread":
        """Return a thread as its fields have it."""
        return cls(
            thread_id,
            ThreadStatus(text["status"]),
            text.get("graph"),
            text.get("run") or None,
            cursor,
            int(text.get("created", 0)),
            int(text.get("updated", 0)),
            int(text["since"]) if text.get("run") else None,
            json.loads(text["metadata"]),
            float(text["timeout"]) if "timeout" in text else None,
            int(text.get("seq", 0)),
            text.get("back"),
            json.loads(text.get("budget", "{}")),
            text.get("waits"),
            int(text["ttl_ms"]) / 1000 if "ttl_ms" in text else None,
            text.get("archive"),
            text.get("archive_digest"),
        )


@dataclass(frozen=True, slots=True)
class PendingStep:
    """A step in flight; times in milliseconds since the epoch."""

    id: str
    node: str
    run_id: str
    #: queued, held (until a sibling lets it go), leased, waiting (for its next attempt), asleep, limited (until its
    #: turn, or until a slot is free), called (a graph that runs now), or done (its siblings are not).
    state: str
    attempt: int
    #: The worker that has it; None while nobody has.
    worker: str | None
    #: Since when it is in flight, and when somebody must look at it again.
    since_ms: int
    due_ms: int | None
    queue: str | None = None
    #: The version of the graph whose workers it is for; None: any worker of the queue.
    version: str | None = None
    #: From 0 to 9; of what waits in a queue a higher number goes first.
    priority: int = DEFAULT_PRIORITY

    @classmethod
    def of(cls, step: Mapping[str, Any], due: float | None) -> "PendingStep":
        """Return a step as its record has it, and when the due set says that somebody looks at it."""
        leased, asleep = step["state"] == "leased", step["state"] == "waiting" and step.get("asleep", 0) >= step["due"]
        due_ms = step.get("until") if due is None and leased else step["asleep"] if asleep else due
        return cls(
            step["id"],
            step["node"],
            step["run"],
            "asleep" if asleep else "limited" if _is_limited(step) else step["state"],
            step["attempt"],
            step.get("worker") if leased else None,
            int(step["started"] if leased else step["since"]),
            None if due_ms is None else int(due_ms),
            step.get("queue"),
            step.get("version"),
            step.get("priority", DEFAULT_PRIORITY),
        )


def _is_limited(step: Mapping[str, Any]) -> bool:
    """Return whether a step waits because of a limit of the deployment, and has not been leased since."""
    kept = step.get("limited")
    return step["state"] == "waiting" and kept is not None and kept["fence"] == step.get("fence", 0)
