"""Where a thread stands, as users see it: state, steps due, history, of its root and of the frames below."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from graphs.checkpoint import PUSH, Checkpoint, Result, Step
from graphs.commands import Interrupt
from graphs.errors import InvalidUpdateError
from graphs.frames import child_of, frame_ns, nearest_graph
from graphs.graph import Graph
from graphs.updates import apply

from .budget import amounts_of
from .checkpoints import StoredCheckpoint, in_place, result_of
from .config import RunConfig, sought
from .connection import Connection
from .dialogue import Dialogue, waiting
from .history import History
from .ids import created_ms
from .shown import in_start_order, result_shown, task_shown


class StepState(NamedTuple):
    """One step of a snapshot: what it is, and what is known of its outcome."""

    id: str
    name: str
    path: tuple[Any, ...]
    error: Any = None
    interrupts: tuple[Any, ...] = ()
    #: Of a step that calls a graph: the config that names the graph's frame, or its snapshot where asked for.
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
    """What a snapshot is of: a frame as it is now, or one entry of its record."""

    graph: Graph
    thread_id: str
    ns: str
    live: bool
    #: Whether the snapshots of the frames below are part of it.
    subgraphs: bool = False


class Snapshots:
    """Reads a thread's state and history through the eyes of one graph."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._history = History(connection)

    def current(
        self, graph: Graph, config: RunConfig, given: Mapping[str, Any] | None, *, subgraphs: bool = False
    ) -> StateSnapshot:
        """Return the state at the cursor, with the open superstep's finished steps merged in; or at a checkpoint.

        Args:
            graph: the graph of the thread's root; a frame below is read through its own graph's keys.
            config: which thread, and of it which frame and which checkpoint.
            given: what the snapshot of a thread without state has for its config.
            subgraphs: whether the steps that call graphs show their snapshots.

        Raises:
            CheckpointNotFound: the config names a checkpoint that the thread does not have.
        """
        live = config.checkpoint_id is None
        own = nearest_graph(graph, config.ns)
        return self._read(_Reading(own, config.thread_id, config.ns, live, subgraphs), config.checkpoint_id, given)

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
            graph: the graph of the thread's root.
            config: which thread, and of it which frame.
            matching: metadata that the checkpoints must have.
            before: a checkpoint id; only older ones are returned.
            limit: how many at the most.

        Raises:
            InvalidConfig: the metadata is no dict, or the limit no number of 0 or more.
        """
        matching, limit = sought(matching, limit)
        reading = _Reading(nearest_graph(graph, config.ns), config.thread_id, config.ns, live=False)
        stored = self._history.read(config.thread_id, config.ns, before, None if matching else limit)
        snapshots = (self._snapshot(reading, one) for one in stored if matches(one, matching))
        return [*islice(snapshots, limit)]

    def at(self, graph: Graph, thread_id: str, checkpoint_id: str, ns: str = "") -> StateSnapshot:
        """Return the record of one checkpoint; ``graph`` is the frame's own."""
        keys = self._connection.place(thread_id).keys
        stored = self._connection.checkpoints.load(keys, ns, checkpoint_id, thread_id)
        return self._snapshot(_Reading(graph, thread_id, ns, live=False), stored)

    def _read(self, reading: _Reading, checkpoint_id: str | None, given: Mapping[str, Any] | None) -> StateSnapshot:
        keys, checkpoints = self._connection.place(reading.thread_id).keys, self._connection.checkpoints
        if checkpoint_id is not None:
            return self._snapshot(reading, checkpoints.named(keys, reading.ns, checkpoint_id, reading.thread_id))
        pipeline = self._connection.redis.pipeline(transaction=False)
        pipeline.hget(keys.frame(reading.ns), "cursor")
        pipeline.hget(keys.thread, "budget")
        pipeline.hgetall(keys.spent)
        cursor, limits, spent = pipeline.execute()
        if cursor is None:
            return StateSnapshot({}, (), dict(given or {}), None, None, None, ())
        found = self._snapshot(reading, checkpoints.load(keys, reading.ns, cursor.decode(), reading.thread_id))
        if not (limits or spent):
            return found
        budget = {"limits": json.loads(limits or b"{}"), "spent": amounts_of(spent)}
        return found._replace(metadata={**(found.metadata or {}), "budget": budget})

    def _snapshot(self, reading: _Reading, stored: StoredCheckpoint) -> StateSnapshot:
        checkpoint, graph = stored.checkpoint, reading.graph
        keys = self._connection.place(reading.thread_id).keys
        results = self._connection.checkpoints.results(keys, reading.ns, checkpoint.steps, checkpoint.id)
        values, done = with_finished(graph, checkpoint, results) if reading.live else (checkpoint.values, ())
        finished = {result.step.id for result in done}
        steps = _shown_order(graph, in_place(checkpoint.steps, results) if reading.live else checkpoint.steps)
        questions = waiting if reading.live else _ever_asked
        states = tuple(
            _step_state(step, results.get(step.id, {}), graph, questions)._replace(state=self._below(reading, step))
            for step in steps
        )
        parent_id = self._history.parent_id(reading.thread_id, reading.ns, stored)
        return StateSnapshot(
            graph.shown(values),
            tuple(step.node for step in steps if step.id not in finished),
            config_of(reading.thread_id, checkpoint.id, reading.ns, stored.origin.parents),
            metadata_of(stored),
            datetime.fromtimestamp(created_ms(checkpoint.id) / 1000, UTC).isoformat(),
            None if parent_id is None else config_of(reading.thread_id, parent_id, reading.ns, stored.origin.parents),
            states,
            tuple(asked for state in states for asked in state.interrupts),
        )

    def _below(self, reading: _Reading, step: Step) -> dict[str, Any] | StateSnapshot | None:
        """Return the frame that a step calls: how to name it, or its snapshot; None where it calls none."""
        child = child_of(reading.graph, step.node)
        if child is None or child.keeps is False:
            return None
        ns = frame_ns(reading.ns, step, keeps=child.keeps)
        config = {"configurable": {"thread_id": reading.thread_id, "checkpoint_ns": ns}}
        if not reading.subgraphs:
            return config
        return self._read(_Reading(child.graph, reading.thread_id, ns, live=True, subgraphs=True), None, config)


def config_of(
    thread_id: str, checkpoint_id: str, ns: str = "", parents: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the config that names a checkpoint; ``parents`` are those of the frames above, by their namespaces."""
    named: dict[str, Any] = {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}
    return {"configurable": named | ({"checkpoint_map": {**(parents or {}), ns: checkpoint_id}} if ns else {})}


def metadata_of(stored: StoredCheckpoint) -> dict[str, Any]:
    """Return a checkpoint's metadata as users see it."""
    checkpoint, parents = stored.checkpoint, dict(stored.origin.parents)
    own: dict[str, Any] = {"source": checkpoint.source, "step": checkpoint.number, "parents": parents}
    return {**stored.origin.metadata, **own}


def snapshot_shown(snapshot: StateSnapshot, values: Any) -> dict[str, Any]:
    """Return a snapshot as the checkpoints mode has it, with its values in the form that is asked for."""
    tasks = in_start_order(snapshot.tasks)
    return {
        "config": snapshot.config,
        "parent_config": snapshot.parent_config,
        "values": values,
        "metadata": snapshot.metadata,
        "next": [task.name for task in tasks],
        "tasks": [task_shown(task._asdict()) for task in tasks],
    }


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


def matches(stored: StoredCheckpoint, wanted: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint has these metadata values."""
    metadata = metadata_of(stored)
    return all(metadata.get(key) == value for key, value in wanted.items())
