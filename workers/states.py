"""The state of threads, as a compiled graph reads it and as a person writes to it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphs.commands import StateUpdate
from graphs.graph import Graph
from scheduler.config import RunConfig, merged, parse
from scheduler.snapshots import StateSnapshot

from .engine import Engine

Config = Mapping[str, Any] | None


class StateFace(ABC):
    """Adds ``get_state`` and its kin to a class that has a graph and an engine.

    Their configs name a thread, and of it a checkpoint (``checkpoint_id``) or the frame of a graph inside of the graph
    (``checkpoint_ns``, as the tasks of a snapshot say in their ``state``).
    """

    graph: Graph

    def get_state(self, config: Config = None, *, subgraphs: bool = False) -> StateSnapshot:
        """Return where a thread stands, or one of its checkpoints.

        Args:
            config: which thread, frame and checkpoint.
            subgraphs: whether the ``state`` of tasks that call graphs is a snapshot, and not a config that names it.

        Raises:
            CheckpointNotFound: the thread does not have the config's checkpoint.
        """
        snapshots = self._durable().client.snapshots
        return snapshots.current(self.graph, self._parsed(config), config, subgraphs=subgraphs)

    def get_state_history(
        self,
        config: Config = None,
        *,
        filter: Mapping[str, Any] | None = None,
        before: Config = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """Yield a thread's checkpoints, the newest first.

        Args:
            config: which thread and frame.
            filter: metadata that a checkpoint must have.
            before: a config with a checkpoint_id; only older ones are yielded.
            limit: how many at the most.
        """
        older_than = None if before is None else parse(merged(config or {}, before)).checkpoint_id
        snapshots = self._durable().client.snapshots
        yield from snapshots.history(self.graph, self._parsed(config), matching=filter, before=older_than, limit=limit)

    def update_state(
        self, config: Config, values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> dict[str, Any]:
        """Write to a thread's state as if a node had, and return the config of the new checkpoint.

        Args:
            config: which thread, frame and checkpoint.
            values: what is written; None keeps the state, and what is due runs anew.
            as_node: the node, whose edges then say what is due; None: the one that wrote last. END (with None): nothing
                is due any more. "__input__": an input arrives, and "__start__" takes it in. "__copy__": a copy beside
                the checkpoint, which a list of StateUpdates is then written to.
            task_id: which of the node's tasks the update stands for.

        Raises:
            InvalidUpdateError, UnknownSubgraph: the update does not fit.
            ThreadBusy: a run is active on the thread.
        """
        return self.bulk_update_state(config, [[StateUpdate(values, as_node, task_id)]])

    def bulk_update_state(self, config: Config, supersteps: Sequence[Sequence[StateUpdate]]) -> dict[str, Any]:
        """Write several supersteps of updates, all or none, and return the config of the last checkpoint.

        The updates of a superstep are applied together, each as a node; every superstep makes a checkpoint.

        Raises:
            ValueError: there is no superstep, or one without updates.
            InvalidUpdateError, UnknownSubgraph: an update does not fit, alone or beside the others.
            ThreadBusy: a run is active on the thread.
        """
        return self._durable().client.editor.rewrite(self.graph, self._parsed(config), supersteps)

    @abstractmethod
    def _parsed(self, config: Config, **given: Any) -> RunConfig:
        """Return a call's config, taken apart."""

    @abstractmethod
    def _durable(self) -> Engine:
        """Return the engine of a graph that has a checkpointer."""
