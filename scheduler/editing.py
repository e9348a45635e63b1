"""A person's hand on a thread's state: update it as if a node had written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphs.checkpoint import Checkpoint, Result
from graphs.commands import START, Send
from graphs.graph import Graph
from graphs.planner import node_to_write_as, plan_input, plan_next, plan_update, virtual_step
from graphs.routing import Caller, fresh, outside_of_steps, route
from graphs.updates import Update, updates_of

from .checkpoints import Encoded, Origin, StoredCheckpoint
from .config import RunConfig
from .connection import Connection
from .errors import CursorMoved, TransitionNotAllowed
from .ids import new_checkpoint_id
from .lifecycle import TABLE, ThreadEvent, ThreadStatus, allowed_in
from .moves import Move
from .snapshots import config_of, with_finished
from .thread import Thread
from .threads import ThreadStore


@dataclass(frozen=True, slots=True)
class _Edit:
    """An update, resolved: what is written, on top of what, as which node."""

    graph: Graph
    config: RunConfig
    node: str
    updates: tuple[Update, ...]
    parent: StoredCheckpoint | None
    cursor: str | None


class Editor:
    """Writes to the state of threads that rest."""

    def __init__(self, connection: Connection, threads: ThreadStore, call: Caller) -> None:
        self._connection = connection
        self._threads = threads
        self._call = call

    def update(self, graph: Graph, config: RunConfig, values: Any, as_node: str | None) -> dict[str, Any]:
        """Store an update as a new checkpoint and return the config that names it.

        What would follow the node it is written as is due next.

        Raises:
            UnknownNode: the graph has no such node.
            InvalidUpdateError: the values do not fit the state, or it is not clear as which node they are written.
            ThreadBusy: a run is active on the thread.
            TransitionNotAllowed: the thread is terminated or archived.
        """
        thread = self._threads.find(config.thread_id)
        cursor = thread.cursor if thread is not None else None
        parent = self._parent(config, config.checkpoint_id or cursor)
        node = node_to_write_as(graph, parent.checkpoint if parent is not None else None, as_node)
        edit = _Edit(graph, config, node, updates_of(values, graph.channels), parent, cursor)
        checkpoint, results = self._as_input(edit) if node == START else self._as_node(edit)
        encoded = self._connection.checkpoints.encode(
            checkpoint,
            parent,
            Origin(metadata=config.checkpoint_metadata(), parents=parent.origin.parents if parent else {}),
            branching=parent is not None and parent.checkpoint.id != cursor,
        )
        self._store(edit, encoded, results, thread)
        return config_of(config.thread_id, checkpoint.id)

    def _as_node(self, edit: _Edit) -> tuple[Checkpoint, dict[str, bytes]]:
        if edit.parent is None:
            after, _ = self._written(edit, self._blank(edit), ())
            return replace(after, parent_id=None), {}
        checkpoint, store = edit.parent.checkpoint, self._connection.checkpoints
        found = store.results(self._connection.place(edit.config.thread_id).keys, edit.config.ns, checkpoint.steps)
        # Without a checkpoint_id, what has finished since then is part of the state that the person sees.
        live = edit.config.checkpoint_id is None
        values, done = with_finished(edit.graph, checkpoint, found if live else {})
        after, result = self._written(edit, replace(checkpoint, values=values), done)
        # The update is shown as the result of the step that it stands in for; what a run wrote is never replaced.
        open_steps = [step for step in checkpoint.steps if "updates" not in found.get(step.id, {})]
        return after, {step.id: store.encode_result(result) for step in open_steps if step.node == edit.node}

    def _written(self, edit: _Edit, parent: Checkpoint, done: Sequence[Result]) -> tuple[Checkpoint, Result]:
        result = Result(virtual_step(parent, edit.node), edit.updates, self._route(edit, parent))
        return plan_update(edit.graph, parent, result, new_checkpoint_id(edit.cursor), done), result

    def _as_input(self, edit: _Edit) -> tuple[Checkpoint, dict[str, bytes]]:
        """Write what an input would: the first nodes are due next."""
        blank = self._blank(edit)
        result = Result(blank.steps[0], edit.updates, self._route(edit, blank))
        after = plan_next(edit.graph, blank, [result], new_checkpoint_id(edit.cursor))
        parent_id = edit.parent.checkpoint.id if edit.parent is not None else None
        number = edit.parent.checkpoint.number + 1 if edit.parent is not None else 0
        return replace(after, parent_id=parent_id, source="update", number=number), {}

    def _blank(self, edit: _Edit) -> Checkpoint:
        return plan_input(edit.graph, edit.parent.checkpoint if edit.parent else None, new_checkpoint_id(edit.cursor))

    def _route(self, edit: _Edit, parent: Checkpoint) -> tuple[str | Send, ...]:
        values = fresh(edit.graph, parent.values, edit.updates)
        offered = outside_of_steps(edit.config.for_nodes())
        return route(edit.graph, edit.node, values, offered, self._call)

    def _parent(self, config: RunConfig, wanted: str | None) -> StoredCheckpoint | None:
        if wanted is None:
            return None
        keys, checkpoints = self._connection.place(config.thread_id).keys, self._connection.checkpoints
        find = checkpoints.load if config.checkpoint_id is None else checkpoints.named
        return find(keys, config.ns, wanted, config.thread_id)

    def _store(self, edit: _Edit, encoded: Encoded, results: dict[str, bytes], thread: Thread | None) -> None:
        thread_id, checkpoint = edit.config.thread_id, encoded.stored.checkpoint
        entry = {"kind": "updated", "node": edit.node, "checkpoint": checkpoint.id}
        created = [{"kind": "created"}] if thread is None else []
        move = Move(self._connection.place(thread_id), edit.cursor or "", [encoded], results, entries=[*created, entry])
        request = move.request(
            self._connection,
            allowed=dict.fromkeys(allowed_in(ThreadEvent.UPDATE), True),
            status=TABLE[ThreadStatus.IDLE, ThreadEvent.UPDATE],
            thread_fields={"graph": edit.graph.name, "fingerprint": edit.graph.fingerprint},
        )
        answer = self._connection.scripts.put_checkpoint(move.place, request)
        if answer[0] == "busy":
            raise self._threads.busy(thread_id, answer[1], int(answer[2]))
        if answer[0] == "refused":
            raise TransitionNotAllowed(thread_id, answer[1], ThreadEvent.UPDATE)
        if answer[0] == "moved":
            raise CursorMoved(thread_id)
        move.done(self._connection)
