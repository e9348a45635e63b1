"""A person's hand on a thread's state: update it as if nodes had written."""

from collections.abc import Sequence
from typing import Any

from graphs.checks import shown
from graphs.commands import StateUpdate
from graphs.errors import InvalidUpdateError
from graphs.frames import graph_at
from graphs.graph import Graph
from graphs.routing import Caller

from .checkpoints import StoredCheckpoint
from .config import RunConfig
from .connection import Connection
from .edits import Draft, Edit, Edits, update_of
from .errors import CursorMoved, TransitionNotAllowed
from .lifecycle import TABLE, ThreadEvent, ThreadStatus, allowed_in
from .moves import Move
from .snapshots import config_of
from .threads import ThreadStore, check_log
from .whereabouts import refuse_archived


class Editor:
    """Writes to the state of threads that rest."""

    def __init__(self, connection: Connection, threads: ThreadStore, call: Caller) -> None:
        self._connection = connection
        self._threads = threads
        self._edits = Edits(connection.checkpoints, call)

    def update(
        self, graph: Graph, config: RunConfig, values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> dict[str, Any]:
        """Store an update as a new checkpoint and return the config that names it.

        What would follow the node it is written as is due next.

        Args:
            graph: the graph of the thread's root.
            config: which thread, and of it which frame and which checkpoint.
            values: what is written; None keeps the state.
            as_node: the node; None: the one that wrote last. END: nothing is due any more. "__input__": an input
                arrives. "__copy__": a copy beside the checkpoint, which is then written to where the values are
                StateUpdates.
            task_id: which of the node's steps it stands for.

        Raises:
            UnknownSubgraph: the config names a frame, and no graph is known for it.
            InvalidUpdateError: the values do not fit the state, or it is not clear as which node they are written.
            ThreadBusy: a run is active on the thread.
            TransitionNotAllowed: the thread is terminated or archived.
        """
        return self.rewrite(graph, config, [[StateUpdate(values, as_node, task_id)]])

    def rewrite(self, graph: Graph, config: RunConfig, supersteps: Sequence[Sequence[StateUpdate]]) -> dict[str, Any]:
        """Store updates, one checkpoint for each superstep, all or none, and return the config of the last one.

        Raises:
            ValueError: there is no superstep, or one without updates.
            TypeError: something among them is no list, or no StateUpdate.
            UnknownSubgraph, InvalidUpdateError, ThreadBusy, TransitionNotAllowed: as for ``update``.
        """
        given = _checked(supersteps)
        first = draft = self._draft(graph_at(graph, config.ns), config)
        edits = []
        for superstep in given:
            edits.append(self._edits.superstep(draft, superstep))
            draft = draft.after(edits[-1].encoded[-1])
        self._store(first, edits)
        stored = edits[-1].encoded[-1].stored
        return config_of(config.thread_id, stored.checkpoint.id, config.ns, stored.origin.parents)

    def _draft(self, graph: Graph, config: RunConfig) -> Draft:
        keys, checkpoints = self._connection.place(config.thread_id).keys, self._connection.checkpoints
        found = self._connection.redis.hget(keys.frame(config.ns), "cursor")
        cursor = None if found is None else found.decode()
        if cursor is None:
            refuse_archived(self._connection, config.thread_id, ThreadEvent.UPDATE)
        stored: StoredCheckpoint | None = None
        if config.checkpoint_id is not None:
            stored = checkpoints.named(keys, config.ns, config.checkpoint_id, config.thread_id)
        elif cursor is not None:
            stored = checkpoints.load(keys, config.ns, cursor, config.thread_id)
        elif config.ns:
            raise InvalidUpdateError(f"No state to update at {config.ns!r}: the graph there has not been called yet.")
        steps = () if stored is None else stored.checkpoint.steps
        known = checkpoints.results(keys, config.ns, steps, config.checkpoint_id)
        return Draft(graph, config, stored, cursor, known, live=config.checkpoint_id is None)

    def _store(self, draft: Draft, edits: Sequence[Edit]) -> None:
        config, at_root = draft.config, not draft.config.ns
        encoded = [one for edit in edits for one in edit.encoded]
        results = {step: data for edit in edits for step, data in edit.results.items()}
        thread = self._threads.find(config.thread_id)
        check_log(thread, self._connection.settings.max_log_entries)
        where = {} if at_root else {"ns": config.ns}
        entries = [{"kind": "updated", **where, **edit.entry} for edit in edits]
        move = Move(
            self._connection.place(config.thread_id, ns=config.ns),
            draft.cursor or "",
            encoded,
            results,
            entries=entries if thread is not None else [{"kind": "created"}, *entries],
        )
        # What a frame below holds says nothing about the thread: it rests as it did.
        status = {"status": TABLE[ThreadStatus.IDLE, ThreadEvent.UPDATE]} if at_root else {}
        graph = {"graph": draft.graph.name, "fingerprint": draft.graph.fingerprint} if at_root else {}
        request = move.request(
            self._connection, allowed=dict.fromkeys(allowed_in(ThreadEvent.UPDATE), True), thread_fields=graph, **status
        )
        answer = self._connection.scripts.put_checkpoint(move.place, request)
        if answer[0] == "busy":
            raise self._threads.busy(config.thread_id, answer[1], int(answer[2]))
        if answer[0] == "refused":
            raise TransitionNotAllowed(config.thread_id, answer[1], ThreadEvent.UPDATE)
        if answer[0] == "moved":
            raise CursorMoved(config.thread_id)
        move.done(self._connection)


def _checked(supersteps: Any) -> list[list[StateUpdate]]:
    if supersteps is None or (isinstance(supersteps, list | tuple) and not supersteps):
        raise ValueError("No supersteps provided: give a list of lists of StateUpdate.")
    if not isinstance(supersteps, list | tuple) or not all(isinstance(one, list | tuple) for one in supersteps):
        raise TypeError(f"Supersteps are a list of lists of StateUpdate, got {shown(supersteps)}.")
    if not all(supersteps):
        raise ValueError("No updates provided: every superstep has at least one StateUpdate.")
    return [[update_of(update) for update in superstep] for superstep in supersteps]
