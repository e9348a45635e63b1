"""Where a thread stands, as users see it: state, steps due, history."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from graphs.checkpoint import PUSH, Checkpoint, Result, Step
from graphs.commands import Interrupt
from graphs.errors import InvalidUpdateError
from graphs.graph import Graph
from graphs.updates import apply

from .checkpoints import StoredCheckpoint, in_place, result_of
from .config import RunConfig
from .connection import Connection
from .dialogue import Dialogue, waiting
from .ids import created_ms
from .threads import ThreadStore


class StepState(NamedTuple):
    """One step of a snapshot: what it is, and what is known of its outcome."""

    id: str
    name: str
    path: tuple[Any, ...]
    error: Any = None
    interrupts: tuple[Any, ...] = ()
    state: Any = None
    result: Any = None


class StateSnapshot(NamedTuple):
    """The state of a thread at one checkpoint."""

    #: The state; {} for a thread that has none.
    values: Any
    #: The nodes due next.
    next: tuple[str, ...]
    #: How to name this checkpoint in a later call.
    config: dict[str, Any]
    #: source, step, parents, and the user's own; None for a thread that has no checkpoint.
    metadata: dict[str, Any] | None
    #: ISO 8601, UTC.
    created_at: str | None
    parent_config: dict[str, Any] | None
    tasks: tuple[StepState, ...]
    interrupts: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reading:
    """Whether a snapshot is the thread as it is now, or one entry of its record."""

    graph: Graph
    thread_id: str
    ns: str
    live: bool


class Snapshots:
    """Reads a thread's state and history through the eyes of one graph."""

    def __init__(self, connection: Connection, threads: ThreadStore) -> None:
        self._connection = connection
        self._threads = threads

    def current(self, graph: Graph, config: RunConfig, given: Mapping[str, Any] | None) -> StateSnapshot:
        """Return the state at the cursor, with the open superstep's finished steps merged in; or at a checkpoint.

        Raises:
            CheckpointNotFound: the config names a checkpoint that the thread does not have.
        """
        wanted = config.checkpoint_id
        if wanted is None:
            thread = self._threads.find(config.thread_id)
            wanted = thread.cursor if thread is not None else None
        if wanted is None:
            return StateSnapshot({}, (), dict(given or {}), None, None, None, ())
        keys, checkpoints = self._connection.place(config.thread_id).keys, self._connection.checkpoints
        find = checkpoints.load if config.checkpoint_id is None else checkpoints.named
        stored = find(keys, config.ns, wanted, config.thread_id)
        reading = _Reading(graph, config.thread_id, config.ns, live=config.checkpoint_id is None)
        return self._snapshot(reading, stored)

    def history(
        self,
        graph: Graph,
        config: RunConfig,
        *,
        matching: Mapping[str, Any] | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> Sequence[StateSnapshot]:
        """Return the record of checkpoints, the newest first.

        Args:
            graph: whose keys are shown.
            config: which thread.
            matching: metadata that the checkpoints must have.
            before: a checkpoint id; only older ones are returned.
            limit: how many at the most.
        """
        keys = self._connection.place(config.thread_id).keys
        loaded = self._connection.checkpoints.history(keys, config.ns, before, None if matching else limit)
        reading = _Reading(graph, config.thread_id, config.ns, live=False)
        snapshots = (self._snapshot(reading, stored) for stored in loaded)
        found = [snapshot for snapshot in snapshots if _matches(snapshot.metadata or {}, matching or {})]
        return found[:limit]

    def at(self, graph: Graph, thread_id: str, checkpoint_id: str) -> StateSnapshot:
        """Return the record of one checkpoint."""
        keys = self._connection.place(thread_id).keys
        stored = self._connection.checkpoints.load(keys, "", checkpoint_id, thread_id)
        return self._snapshot(_Reading(graph, thread_id, "", live=False), stored)

    def _snapshot(self, reading: _Reading, stored: StoredCheckpoint) -> StateSnapshot:
        checkpoint, graph = stored.checkpoint, reading.graph
        keys = self._connection.place(reading.thread_id).keys
        results = self._connection.checkpoints.results(keys, reading.ns, checkpoint.steps)
        values, done = with_finished(graph, checkpoint, results) if reading.live else (checkpoint.values, ())
        finished = {result.step.id for result in done}
        steps = _shown_order(graph, in_place(checkpoint.steps, results) if reading.live else checkpoint.steps)
        questions = waiting if reading.live else _ever_asked
        states = tuple(_step_state(step, results.get(step.id, {}), graph, questions) for step in steps)
        return StateSnapshot(
            graph.shown(values),
            tuple(step.node for step in steps if step.id not in finished),
            config_of(reading.thread_id, checkpoint.id, reading.ns),
            metadata_of(stored),
            datetime.fromtimestamp(created_ms(checkpoint.id) / 1000, UTC).isoformat(),
            None if checkpoint.parent_id is None else config_of(reading.thread_id, checkpoint.parent_id, reading.ns),
            states,
            tuple(asked for state in states for asked in state.interrupts),
        )


def config_of(thread_id: str, checkpoint_id: str, ns: str = "") -> dict[str, Any]:
    """Return the config that names a checkpoint."""
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}}


def metadata_of(stored: StoredCheckpoint) -> dict[str, Any]:
    """Return a checkpoint's metadata as users see it."""
    checkpoint, parents = stored.checkpoint, dict(stored.origin.parents)
    own: dict[str, Any] = {"source": checkpoint.source, "step": checkpoint.number, "parents": parents}
    return {**stored.origin.metadata, **own}


def result_shown(updates: Sequence[Mapping[str, Any]], graph: Graph) -> Any:
    """Return a step's writes as one result: a dict by key, ``{"$writes": [...]}`` where a key was written twice."""
    merged: dict[str, list[Any]] = {}
    for update in updates:
        for key, value in update.items():
            merged.setdefault(key, []).append(value)
    shown = {key: values[0] if len(values) == 1 else {"$writes": values} for key, values in merged.items()}
    return next(iter(shown.values()), None) if graph.state.is_root else shown


def with_finished(
    graph: Graph, checkpoint: Checkpoint, found: Mapping[str, Mapping[str, Any]]
) -> tuple[Mapping[str, Any], tuple[Result, ...]]:
    """Return the state with what the finished steps of an open superstep wrote, and what each of them wrote.

    Where their writes do not go together the superstep can never close; the state must be readable all the same.
    """
    ordered = sorted(in_place(checkpoint.steps, found), key=lambda step: step.path)
    done = [(step, found[step.id]) for step in ordered if "updates" in found.get(step.id, {})]
    results = tuple(result_of(step, known) for step, known in done)
    try:
        return apply(graph.channels, checkpoint.values, (one for result in results for one in result.updates)), results
    except InvalidUpdateError:
        return checkpoint.values, ()


def _shown_order(graph: Graph, steps: Sequence[Step]) -> list[Step]:
    order = {name: index for index, name in enumerate(graph.nodes)}
    return sorted(
        steps, key=lambda step: (step.path[0] != PUSH, 0 if step.path[0] == PUSH else order.get(str(step.path[1]), -1))
    )


def _step_state(
    step: Step,
    result: Mapping[str, Any],
    graph: Graph,
    questions: Callable[[Mapping[str, Any]], tuple[Interrupt, ...]],
) -> StepState:
    error = result.get("error")
    shown = result_shown(result["updates"], graph) if "updates" in result else None
    return StepState(step.id, step.node, step.path, error["repr"] if error else None, questions(result), None, shown)


def _ever_asked(result: Mapping[str, Any]) -> tuple[Interrupt, ...]:
    return Dialogue.of(result).asked


def _matches(metadata: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(metadata.get(key) == value for key, value in wanted.items())
