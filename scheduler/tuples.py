"""Checkpoints as a checkpointer hands them out: with the config that names each, its parent, and what is written."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from graphs.copies import detached

from .arguments import sought
from .checkpoints import StoredCheckpoint
from .config import RunConfig
from .connection import Connection
from .dialogue import waiting
from .errors import CheckpointNotFound
from .history import History
from .ids import created_ms
from .snapshots import config_of, matches, metadata_of
from .whereabouts import refuse_archived


class CheckpointTuple(NamedTuple):
    """One checkpoint of one frame of a thread."""

    #: How to name it.
    config: dict[str, Any]
    #: ``id``, ``ts`` (ISO 8601, UTC) and ``channel_values``.
    checkpoint: dict[str, Any]
    #: source, step, parents, and the user's own.
    metadata: dict[str, Any]
    parent_config: dict[str, Any] | None = None
    #: What is known of its tasks: (task id, key, value); questions under ``__interrupt__``, a failure ``__error__``.
    pending_writes: Sequence[tuple[str, str, Any]] = ()


class Tuples:
    """Reads checkpoints without knowing the graph that made them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._history = History(connection)

    def get(self, config: RunConfig) -> CheckpointTuple | None:
        """Return the checkpoint that a config names, or the one on which its frame stands; None for none.

        Raises:
            ThreadArchived: the thread is in a file.
        """
        keys, checkpoints = self._connection.place(config.thread_id).keys, self._connection.checkpoints
        cursor = self._connection.redis.hget(keys.frame(config.ns), "cursor")
        wanted = config.checkpoint_id or (cursor and cursor.decode())
        if cursor is None:
            refuse_archived(self._connection, config.thread_id, "be read here")
        if not wanted:
            return None
        try:
            return self._tuple(
                config.thread_id, config.ns, checkpoints.named(keys, config.ns, wanted, config.thread_id)
            )
        except CheckpointNotFound:
            return None

    def list(
        self,
        config: RunConfig,
        *,
        everywhere: bool,
        matching: Mapping[str, Any] | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Yield a thread's checkpoints, the newest first.

        Args:
            config: which thread and frame.
            everywhere: whether those of all its frames are yielded.
            matching: metadata that the checkpoints must have.
            before: a checkpoint id; only older ones are yielded.
            limit: how many at the most.

        Raises:
            InvalidConfig: the metadata is no dict, or the limit no number of 0 or more.
        """
        wanted, limit = sought(matching, limit)
        frames = self._connection.redis.smembers(self._connection.place(config.thread_id).keys.frames)
        spaces = ["", *(ns.decode() for ns in frames)] if everywhere else [config.ns]
        found = (self._of_frame(config.thread_id, ns, wanted, before) for ns in spaces)
        newest_first = merge(*found, key=lambda one: one.checkpoint["id"], reverse=True)
        yield from islice(newest_first, limit)

    def _of_frame(
        self, thread_id: str, ns: str, matching: Mapping[str, Any], before: str | None
    ) -> Iterator[CheckpointTuple]:
        for stored in self._history.read(thread_id, ns, before):
            if matches(stored, matching):
                yield self._tuple(thread_id, ns, stored)

    def _tuple(self, thread_id: str, ns: str, stored: StoredCheckpoint) -> CheckpointTuple:
        checkpoint, parents = stored.checkpoint, stored.origin.parents
        parent_id = self._history.parent_id(thread_id, ns, stored)
        keys = self._connection.place(thread_id).keys
        results = self._connection.checkpoints.results(keys, ns, checkpoint.steps, checkpoint.id)
        at = datetime.fromtimestamp(created_ms(checkpoint.id) / 1000, UTC).isoformat()
        return CheckpointTuple(
            config_of(thread_id, checkpoint.id, ns, parents),
            {"id": checkpoint.id, "ts": at, "channel_values": detached(dict(checkpoint.values))},
            metadata_of(stored),
            None if parent_id is None else config_of(thread_id, parent_id, ns, parents),
            [write for step_id, known in results.items() for write in _writes(step_id, known)],
        )


def _writes(step_id: str, known: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for update in known.get("updates", ()):
        yield from ((step_id, key, value) for key, value in update.items())
    if waiting(known):
        yield step_id, "__interrupt__", waiting(known)
    if "error" in known:
        yield step_id, "__error__", known["error"]["repr"]
