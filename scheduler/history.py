"""The history of a frame: which of its checkpoints are shown, in which order, and which one came before.

A run with durability "exit" stores its checkpoints as any other one, so that a crash costs no more; its history shows
the one on which it left the thread, and of the frames below those on which it stands interrupted.
"""

from collections.abc import Iterator

from .checkpoints import StoredCheckpoint
from .connection import Connection
from .errors import CheckpointNotFound, RunNotFound
from .lifecycle import RunStatus
from .runs import RunStore

_PAGE = 100


class History:
    """Reads the checkpoints that history shows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._runs = RunStore(connection)

    def read(
        self, thread_id: str, ns: str, before: str | None = None, limit: int | None = None
    ) -> Iterator[StoredCheckpoint]:
        """Yield a frame's checkpoints, the newest first; ``limit`` says how many are likely to be taken."""
        keys, page = self._connection.place(thread_id).keys, min(limit or _PAGE, _PAGE)
        while found := self._connection.checkpoints.history(keys, ns, before, page):
            yield from (stored for stored in found if self._is_shown(thread_id, ns, stored))
            before = found[-1].checkpoint.id
            if len(found) < page:
                return

    def parent_id(self, thread_id: str, ns: str, stored: StoredCheckpoint) -> str | None:
        """Return the checkpoint that came before one; for the end of an exit-run, where the run before it ended."""
        if not self._is_exit(thread_id, stored):
            return stored.checkpoint.parent_id
        keys, checkpoints = self._connection.place(thread_id).keys, self._connection.checkpoints
        parent_id = stored.checkpoint.parent_id
        while parent_id is not None:
            try:
                parent = checkpoints.load(keys, ns, parent_id, thread_id)
            except CheckpointNotFound:  # it was pruned
                break
            if self._is_shown(thread_id, ns, parent):
                break
            parent_id = parent.checkpoint.parent_id
        return parent_id

    def _is_shown(self, thread_id: str, ns: str, stored: StoredCheckpoint) -> bool:
        if not self._is_exit(thread_id, stored):
            return True
        run = self._runs.get(thread_id, stored.origin.run_id)
        if not ns:
            return run.checkpoint == stored.checkpoint.id
        if run.status is not RunStatus.INTERRUPTED or not stored.checkpoint.steps:
            return False
        keys = self._connection.place(thread_id).keys
        return self._connection.checkpoints.is_last_of_run(keys, ns, stored)

    def _is_exit(self, thread_id: str, stored: StoredCheckpoint) -> bool:
        """Return whether a run made a checkpoint of which history shows only where it ended."""
        if not stored.origin.run_id:
            return False
        try:
            return self._runs.load(thread_id, stored.origin.run_id).durability == "exit"
        except RunNotFound:  # a copied thread has the checkpoints, and no runs
            return False
