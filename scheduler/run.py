"""One invocation of a graph on a thread, as it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphs.commands import Durability
from graphs.priority import DEFAULT_PRIORITY
from graphs.versioning import Versioning

from .dispatch import version_name
from .lifecycle import RunStatus


@dataclass(frozen=True, slots=True)
class Run:
    """A run; times in milliseconds since the epoch."""

    id: str
    thread_id: str
    graph: str
    fingerprint: str
    status: RunStatus = RunStatus.PENDING
    #: Whether the process that began it also executes its steps.
    inline: bool = False
    #: What nodes see as their config.
    config: Mapping[str, Any] = field(default_factory=dict)
    context: Any = None
    recursion_limit: int = 0
    interrupt_before: tuple[str, ...] = ()
    interrupt_after: tuple[str, ...] = ()
    #: How long each superstep of its root may take; None: without a limit.
    step_timeout_s: float | None = None
    #: What each of its checkpoints carries.
    metadata: Mapping[str, Any] = field(default_factory=dict)
    durability: Durability = "async"
    #: Where the frames below begin again, for a run that replays one of their checkpoints: frame -> checkpoint id.
    replays: Mapping[str, str] = field(default_factory=dict)
    #: What it may spend, by unit; and whether its thread has a budget too.
    budget: Mapping[str, float] = field(default_factory=dict)
    metered: bool = False
    #: Whether chat models that its nodes call are heard token by token; nobody may be there to follow it.
    heard: bool = True
    #: Where its end is told: ``url``, ``include``, and the ``keys`` of its output; None: nowhere.
    webhook: Mapping[str, Any] | None = None
    #: The ``traceparent`` of the trace that it belongs to; None: whoever began it does not trace.
    trace: str | None = None
    #: How urgent its steps are where their nodes do not say: from 0 to 9, a higher number goes first.
    priority: int = DEFAULT_PRIORITY
    #: Which versions of its graph may go on with it.
    versioning: Versioning = "park"
    started_ms: int | None = None
    ended_ms: int | None = None
    deadline_ms: int | None = None
    error: Mapping[str, Any] | None = None
    #: What it has spent, by unit, where somebody counts.
    spent: Mapping[str, float] = field(default_factory=dict)
    #: Which limits of what it may spend it has reached: scope, unit, spent and limit of each.
    breach: tuple[Mapping[str, Any], ...] = ()
    #: The checkpoint on which it left the thread; None while it is active.
    checkpoint: str | None = None
    #: The log's last entry before the run began: where its followers begin to read.
    log_start: int = 0

    @property
    def version(self) -> str | None:
        """The version whose workers get its steps, as their queues name it; None where that is left to chance."""
        return None if self.versioning == "park" else version_name(self.graph, self.fingerprint)

    @property
    def limit_s(self) -> float:
        """The time limit of the run as a whole, in seconds; 0 for none."""
        return ((self.deadline_ms or 0) - (self.started_ms or 0)) / 1000 if self.deadline_ms else 0.0

    @property
    def user(self) -> str | None:
        """Who began it, where the config says so: ``metadata.user``, or the identity of ``langgraph_auth_user``."""
        known = self.config.get("configurable", {}).get("langgraph_auth_user")
        identity = known.get("identity") if isinstance(known, Mapping) else None
        user = self.config.get("metadata", {}).get("user", identity)
        return None if user is None else str(user)

    def left_s(self, now_s: float) -> float:
        """Return how many seconds are left until the deadline."""
        return (self.deadline_ms or 0) / 1000 - now_s

    @property
    def superstep_ms(self) -> dict[str, Any]:
        """The limit of a superstep as scripts are told; nothing for none, and inline, where the process keeps it."""
        limited = self.step_timeout_s is not None and not self.inline
        return {"superstep_ms": round((self.step_timeout_s or 0) * 1000)} if limited else {}

    def plan(self) -> dict[str, Any]:
        """Return what never changes while it runs: what a worker must know."""
        return {
            "graph": self.graph,
            "fingerprint": self.fingerprint,
            "inline": self.inline,
            "config": dict(self.config),
            "context": self.context,
            "recursion_limit": self.recursion_limit,
            "interrupt_before": list(self.interrupt_before),
            "interrupt_after": list(self.interrupt_after),
            "step_timeout_s": self.step_timeout_s,
            "metadata": dict(self.metadata),
            "durability": self.durability,
            "replays": dict(self.replays),
            "budget": dict(self.budget),
            "metered": self.metered,
            "heard": self.heard,
            "webhook": self.webhook,
            "trace": self.trace,
            "priority": self.priority,
            "versioning": self.versioning,
        }
