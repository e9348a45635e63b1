"""What users do with time on a compiled graph: runs that begin later."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from graphs.graph import Graph
from graphs.schema import context_of
from scheduler.config import RunConfig, check, merged
from scheduler.delayed import DelayedRuns, Start
from scheduler.errors import InvalidConfig
from scheduler.handle import RunHandle

from .engine import Engine

Config = Mapping[str, Any] | None
When = float | timedelta | datetime

#: The words that say when a run begins; the last one is LangGraph's.
_WHEN = ("delay", "at", "after_seconds")


class Times:
    """Adds what begins later to a class that has a graph and an engine."""

    graph: Graph
    config: dict[str, Any]

    def _submit_later(self, input: Any, config: Config, when: When, context: Any = None, **options: Any) -> RunHandle:
        """Note a run that begins later; on a busy thread it waits, unless somebody says otherwise."""
        if merged(self.config, check(config)).get("on_busy") is None:
            options.setdefault("on_busy", "wait")
        run_config, engine = self._run_config(config, options), self._durable()
        start = Start(
            self.graph, run_config, input, context_of(self.graph.context, context), when, queue_of(self.graph)
        )
        noted = DelayedRuns(engine.client).put(start)
        return RunHandle(engine.client, self.graph, noted.thread_id, noted.run_id)

    @abstractmethod
    def _run_config(self, config: Config, options: Mapping[str, Any]) -> RunConfig:
        """Return the config of a run."""

    @abstractmethod
    def _durable(self) -> Engine:
        """Return the engine of a graph that has a checkpointer."""


def when_of(options: dict[str, Any]) -> When | None:
    """Take what says when a run begins from its options; None: now.

    Raises:
        InvalidConfig: there is more than one, or a moment where a time from now is meant, or the other way round.
    """
    given = {name: value for name in _WHEN if (value := options.pop(name, None)) is not None}
    if len(given) > 1:
        raise InvalidConfig(f"A run begins after a delay or at a moment: give one of {', '.join(given)}.")
    for name, value in given.items():
        if isinstance(value, datetime) != (name == "at"):
            kind = "a datetime with a time zone" if name == "at" else "a number of seconds or a timedelta"
            raise InvalidConfig(f"{name!r} is {kind}, got {value!r:.60}.")
    return next(iter(given.values()), None)


def queue_of(graph: Graph) -> str | None:
    """Return the Celery queue of workers that have a graph: the default one where any of its nodes uses that."""
    queues = [node.queue for node in graph.nodes.values()]
    return None if None in queues else queues[0]
