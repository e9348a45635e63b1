"""An archived thread, looked at: its file becomes a store in this process, where whatever reads threads reads it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import overload

from graphs.errors import UnknownGraph
from scheduler import depot, holdings
from scheduler.archive import SUFFIX, Archive, unpacked
from scheduler.checkpoints import StoredCheckpoint, in_place
from scheduler.connection import open_connection
from scheduler.dialogue import waiting
from scheduler.dispatch import Inline
from scheduler.fake import fake_redis, fake_server
from scheduler.ids import created_ms
from scheduler.snapshots import StateSnapshot, StepState, config_of, metadata_of

from .desk import Desk
from .engine import Engine, open_engine
from .settings import WorkerSettings


class FileDesk(Desk):
    """The store of one archived thread, seen from the command line; Redis is not asked."""

    def __init__(self, settings: WorkerSettings, archive: Archive) -> None:
        super().__init__(settings)
        self.archive = archive

    @property
    def thread_id(self) -> str:
        """The id of the thread."""
        return self.archive.manifest.thread

    @cached_property
    def engine(self) -> Engine:
        """A connection to the thread as it was when it was archived."""
        settings = self.settings.model_copy(update={"prefix": self.archive.manifest.prefix, "wait_replicas": 0})
        connection = open_connection(fake_redis(fake_server()), settings, Inline())
        holdings.put(connection, connection.place(self.thread_id).keys, self.archive.parts)
        return open_engine(connection, durable=False)

    def current(self, thread_id: str, checkpoint_id: str | None = None) -> StateSnapshot:
        """Return where the thread stood; without its graph, if nobody has that any more."""
        try:
            return super().current(thread_id, checkpoint_id)
        except UnknownGraph:
            keys, checkpoints = self.engine.connection.place(thread_id).keys, self.engine.connection.checkpoints
            cursor = self.client.threads.get(thread_id).cursor or ""
            return self._bare(checkpoints.named(keys, "", checkpoint_id or cursor, thread_id))

    def history(self, thread_id: str, limit: int | None = None) -> Sequence[StateSnapshot]:
        """Return the thread's checkpoints, the newest first; without its graph, if nobody has that any more."""
        try:
            return super().history(thread_id, limit)
        except UnknownGraph:
            keys = self.engine.connection.place(thread_id).keys
            return [self._bare(one) for one in self.engine.connection.checkpoints.history(keys, "", None, limit)]

    def _bare(self, stored: StoredCheckpoint) -> StateSnapshot:
        """Return a checkpoint as a snapshot, from what is written down alone."""
        checkpoint, keys = stored.checkpoint, self.engine.connection.place(self.thread_id).keys
        known = self.engine.connection.checkpoints.results(keys, "", checkpoint.steps, checkpoint.id)
        states = tuple(
            StepState(
                step.id,
                step.node,
                step.path,
                (known.get(step.id, {}).get("error") or {}).get("repr"),
                waiting(known.get(step.id, {})),
                None,
                known.get(step.id, {}).get("updates"),
            )
            for step in in_place(checkpoint.steps, known)
        )
        return StateSnapshot(
            dict(checkpoint.values),
            tuple(step.node for step in checkpoint.steps),
            config_of(self.thread_id, checkpoint.id),
            metadata_of(stored),
            datetime.fromtimestamp(created_ms(checkpoint.id) / 1000, UTC).isoformat(),
            None if checkpoint.parent_id is None else config_of(self.thread_id, checkpoint.parent_id),
            states,
            tuple(question for state in states for question in state.interrupts),
        )


@overload
def opened(desk: Desk, thread: str) -> tuple[Desk, str]: ...


@overload
def opened(desk: Desk, thread: str | None) -> tuple[Desk, str | None]: ...


def opened(desk: Desk, thread: str | None) -> tuple[Desk, str | None]:
    """Return the desk and the id of a thread; of one that is named by its archive, a desk over that.

    Raises:
        ArchiveUnavailable, ArchiveBroken, ArchiveTooNew, KeyMissing, SealBroken: it cannot be read, or is not to be
            trusted.
    """
    if thread is None or not thread.endswith(SUFFIX):
        return desk, thread
    archive = unpacked(thread, depot.read(thread), desk.settings.sealing())
    return FileDesk(desk.settings, archive), archive.manifest.thread
