"""What users do with time on a compiled graph: runs that begin later, and schedules."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from graphs.graph import Graph
from graphs.schema import context_of
from scheduler.config import RunConfig, check, merged
from scheduler.delayed import DelayedRun, DelayedRuns, Start
from scheduler.errors import InvalidConfig, InvalidSchedule
from scheduler.handle import RunHandle
from scheduler.schedule import CatchUp, OnBusyTick, Plan, Schedule
from scheduler.schedules import Schedules
from scheduler.waiting import queue_of

from .engine import Engine

Config = Mapping[str, Any] | None
When = float | timedelta | datetime

#: The words that say when a run begins; the last one is LangGraph's.
_WHEN = ("delay", "at", "after_seconds")


#: The thread in the config of runs that have each a thread of its own.
EACH = "(each)"


class ScheduleOptions(TypedDict, total=False):
    """What a schedule may say beside when it ticks."""

    #: The time zone whose clock it is about; UTC when left out.
    zone: str
    #: What nodes get as ``runtime.context``.
    context: Any
    #: A tick whose thread is busy: "skip" it, or "wait" until the thread is free.
    on_busy: OnBusyTick
    #: Which ticks are made up for that came while no scheduler ran: the "last" one, "all", or none that is more than a
    #: minute late ("skip").
    catch_up: CatchUp
    #: How many of these at the most.
    most: int
    #: The last moment at which it ticks, with a time zone.
    until: datetime | None
    #: Whether a schedule of this id is replaced.
    replace: bool


class GraphSchedules:
    """The schedules of one graph; those of all are at `treadle schedule`."""

    def __init__(self, graph: Graph, store: Schedules, config_of: Callable[[Config], RunConfig]) -> None:
        self._graph = graph
        self._store = store
        self._config_of = config_of
        self.get = store.get
        self.pause = store.pause
        self.resume = store.resume
        self.delete = store.delete
        self.trigger = store.trigger
        self.history = store.history

    def create(
        self, id: str, cron: str, input: Any = None, config: Config = None, **options: Unpack[ScheduleOptions]
    ) -> Schedule:
        """Start the graph by the clock, from now on.

        Each tick starts one run, by any number of schedulers. What falls into an hour that the zone's clock skips ticks
        when it has jumped; what falls into a doubled hour ticks once, unless the cron names every hour.

        Args:
            id: the schedule's name.
            cron: minute, hour, day of month, month, day of week; or ``@daily`` and its like.
            input: what each run begins with; None to go on from where its thread stands.
            config: of the runs; without a ``thread_id`` each has a thread of its own, ``ID@MOMENT``.
            **options: see ScheduleOptions.

        Raises:
            InvalidSchedule: it never ticks, something in it is none, or there is one of this id.
            InvalidConfig: the graph's steps run in this process, which no scheduler looks after.
            InvalidInput, NotSerializable, StateTooLarge: the input does not fit the graph or the store.
        """
        run_config, said = self._config_of(config), dict[str, Any](options)
        until, replaces = said.pop("until", None), said.pop("replace", False)
        context = context_of(self._graph.context, said.pop("context", None))
        if until is not None and (not isinstance(until, datetime) or until.utcoffset() is None):
            raise InvalidSchedule(f"until is a datetime with a time zone, got {until!r:.60}.")
        thread_id = None if run_config.thread_id == EACH else run_config.thread_id
        until_ms = None if until is None else round(until.timestamp() * 1000)
        plan = Plan(id, self._graph.name, cron, thread_id=thread_id, until_ms=until_ms, **said)
        start = Start(self._graph, run_config, input, context, queue=queue_of(self._graph))
        return self._store.create(plan, start, replaces=replaces)

    def list(self) -> Sequence[Schedule]:
        """Return the graph's schedules, the one that ticks next first."""
        return self._store.list(self._graph.name)


class Times:
    """Adds what begins later to a class that has a graph and an engine."""

    graph: Graph
    config: dict[str, Any]

    def delayed_runs(self, thread_id: str) -> Sequence[DelayedRun]:
        """Return the runs of a thread that have not begun, the first one first."""
        return DelayedRuns(self._durable().client).list(thread_id)

    @property
    def schedules(self) -> GraphSchedules:
        """The graph's schedules: create, get, list, pause, resume, delete, trigger, history."""
        return GraphSchedules(self.graph, Schedules(self._durable().connection), self._scheduled_config)

    def _scheduled_config(self, config: Config) -> RunConfig:
        """Return the config of a schedule's runs; which thread each has need not be said."""
        named = merged(self.config, check(config))
        where = {**named, **named.get("configurable", {})}.get("thread_id")
        return self._run_config(merged(named, {} if where is not None else {"thread_id": EACH}), {})

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
