"""The store of checkpoints: immutable records, and the channel values they refer to.

A record names, for every channel, the generation of its value and how many chunks that has. A value that did not
change is not written again; a list that grew at its end adds one chunk, so that a turn of a long conversation writes
what was said and not what was said before. A generation is written by one line of history only: where history
branches, the values of the branch are *sealed*, and the next change begins a generation of its own.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from xxhash import xxh3_64_hexdigest

from graphs.channels import MISSING
from graphs.checkpoint import Checkpoint, Result, Step
from graphs.commands import Interrupt
from graphs.lean_values import lean

from .bytes_redis import BytesRedis, StreamEntries
from .checkpoint_record import Made, Origin, Record, StoredCheckpoint, made_by, record_of, refs_of, run_of, stored_of
from .chunks import SAME, ChannelRef, ChannelValues, check_size, tail_of
from .dialogue import Dialogue, waiting
from .echoes import with_echoes, without_echoes
from .errors import CheckpointNotFound
from .keys import ThreadKeys
from .sealing import PLAIN, Sealing
from .serde import Serde
from .supersteps import in_place, result_of

__all__ = ["CheckpointStore", "Encoded", "Origin", "StoredCheckpoint", "in_place", "result_of"]

_CACHE_SIZE = 512
_SILENCE = Dialogue()


@lean(frozen=True, slots=True)
class Encoded:
    """A checkpoint as it is written: the record, and the channel chunks that are new with it."""

    stored: StoredCheckpoint
    record: bytes
    chunks: Mapping[str, bytes]


class CheckpointStore:
    """Reads and prepares checkpoints; the scripts write them.

    It remembers the checkpoints it saw last, so that a process that goes on where it committed loads nothing, and
    one that comes back to a thread loads only what was added.
    """

    def __init__(
        self, client: BytesRedis, serde: Serde, sealing: Sealing = PLAIN, limit_bytes: int | None = None
    ) -> None:
        self._redis, self._serde, self._sealing = client, serde, sealing
        self._limit_bytes = limit_bytes
        self._seen: OrderedDict[tuple[str, str, str], StoredCheckpoint] = OrderedDict()
        self._newest: dict[tuple[str, str], str] = {}  # frame -> the last one that was seen of it
        self._lock = threading.Lock()  # a process may work on several threads at once

    def encode(
        self,
        checkpoint: Checkpoint,
        parent: StoredCheckpoint | None,
        origin: Origin,
        *,
        branching: bool = False,
        made_by: tuple[Result, Dialogue] | None = None,
    ) -> Encoded:
        """Return what has to be written for a checkpoint.

        Args:
            checkpoint: the checkpoint.
            parent: the one before it.
            origin: where it comes from.
            branching: whether its parent is not where its frame stands.
            made_by: the one step that made it, and what this asked: kept with it, and not apart.

        Raises:
            NotSerializable: a value cannot be stored.
            StateTooLarge: a value, or the whole state, takes more bytes than the limit.
        """
        refs: dict[str, ChannelRef] = {}
        chunks, tails = dict[str, bytes](), dict[str, Any]()
        generation = xxh3_64_hexdigest(checkpoint.id.encode())
        for name, value in checkpoint.values.items():
            known = _known(parent, name, sealed=branching)
            tail = tail_of(value, MISSING if known is None or parent is None else parent.checkpoint.values[name])
            if known is not None and tail is SAME:
                refs[name] = known
                continue
            if known is None or known.sealed or tail is None:
                known, tail = ChannelRef(generation, 0), value
            data = self._serde.dumps(tail, f"State key {name!r}")
            refs[name], tails[name] = known.grown(len(data)), tail
            chunks[refs[name].fields(name, refs[name].chunks - 1)[0]] = data
        check_size(refs, self._limit_bytes)
        stored = StoredCheckpoint(checkpoint, refs, origin)
        made = None if made_by is None else self._encode_made(*made_by, tails)
        return Encoded(stored, self._serde.dumps(record_of(stored, made), "The checkpoint"), chunks)

    def remember(self, keys: ThreadKeys, ns: str, stored: StoredCheckpoint) -> None:
        """Keep a checkpoint that was written or loaded."""
        with self._lock:
            self._seen[keys.token, ns, stored.checkpoint.id] = stored
            self._seen.move_to_end((keys.token, ns, stored.checkpoint.id))
            self._newest[keys.token, ns] = stored.checkpoint.id
            while len(self._seen) > _CACHE_SIZE:
                (token, of, id_), _ = self._seen.popitem(last=False)
                if self._newest[token, of] == id_:
                    del self._newest[token, of]

    def forget(self, keys: ThreadKeys) -> None:
        """Drop what is remembered of a thread that was deleted."""
        with self._lock:
            for key in [key for key in self._seen if key[0] == keys.token]:
                del self._seen[key]
                self._newest.pop(key[:2], None)

    def named(self, keys: ThreadKeys, ns: str, checkpoint_id: str, thread_id: str) -> StoredCheckpoint:
        """Return a checkpoint that somebody from outside names: it may have been deleted since it was remembered.

        Raises:
            CheckpointNotFound: the thread has none of this id.
        """
        if not self._redis.xrange(keys.checkpoints(ns), checkpoint_id, checkpoint_id):
            raise CheckpointNotFound(thread_id, checkpoint_id)
        return self.load(keys, ns, checkpoint_id, thread_id)

    def load(self, keys: ThreadKeys, ns: str, checkpoint_id: str, thread_id: str) -> StoredCheckpoint:
        """Return a checkpoint.

        Raises:
            CheckpointNotFound: the thread has none of this id.
        """
        seen = self._seen.get((keys.token, ns, checkpoint_id))
        if seen is not None:
            return seen
        entries = self._redis.xrange(keys.checkpoints(ns), checkpoint_id, checkpoint_id)
        if not entries:
            raise CheckpointNotFound(thread_id, checkpoint_id)
        return self._restored(keys, ns, entries)[0]

    def newest(self, keys: ThreadKeys, ns: str) -> str:
        """Return the id of the last checkpoint of a frame that is remembered; nothing where there is none."""
        return self._newest.get((keys.token, ns), "")

    def holds(self, keys: ThreadKeys, ns: str, checkpoint_id: str) -> bool:
        """Return whether a checkpoint is remembered."""
        return (keys.token, ns, checkpoint_id) in self._seen

    def take(
        self, keys: ThreadKeys, ns: str, checkpoint_id: str, record: bytes, chunks: Mapping[str, bytes]
    ) -> StoredCheckpoint:
        """Return a checkpoint of which everything came along, and remember it."""
        values = self._values(keys, ns).taking(chunks)
        stored = stored_of(checkpoint_id, self._record(keys, ns, checkpoint_id, record), values)
        self.remember(keys, ns, stored)
        return stored

    def history(
        self, keys: ThreadKeys, ns: str, before: str | None = None, limit: int | None = None
    ) -> list[StoredCheckpoint]:
        """Return checkpoints, the newest first; ``before`` leaves out that one and all that came after it."""
        if limit is not None and limit < 1:  # Redis would take it for no limit, or not at all
            return []
        newest = f"({before}" if before else "+"
        entries = self._redis.xrevrange(keys.checkpoints(ns), newest, "-", count=limit)
        return self._restored(keys, ns, entries)

    def is_last_of_run(self, keys: ThreadKeys, ns: str, stored: StoredCheckpoint) -> bool:
        """Return whether the run that made a checkpoint made no later one in its frame."""
        following = self._following(keys, ns, stored.checkpoint.id)
        return following is None or run_of(following) != stored.origin.run_id

    def results(
        self, keys: ThreadKeys, ns: str, steps: Sequence[Step], of: str | None = None
    ) -> dict[str, Mapping[str, Any]]:
        """Return what is known of steps, and of the error handlers that took their place, by step id.

        That is ``updates`` and ``goto``, or ``error`` and, by its name, the ``handler`` that takes over.

        Args:
            keys, ns: the frame.
            steps: the steps.
            of: the checkpoint at which they are due, where its superstep may be closed: what a single step wrote lies
                with the checkpoint that it made.
        """
        found = self._results(keys, ns, steps)
        placed = in_place(steps, found)
        found |= self._results(keys, ns, [step for step in placed if step.handles])
        if of is None or all("updates" in found.get(step.id, {}) for step in placed):
            return found
        return found | self._made(keys, ns, [step.id for step in placed], of)

    def questions(self, keys: ThreadKeys, ns: str, checkpoint: Checkpoint) -> dict[str, tuple[Interrupt, ...]]:
        """Return the questions that wait for an answer, by step id, in the order of the steps' paths."""
        found = self.results(keys, ns, checkpoint.steps, checkpoint.id)
        steps = sorted(in_place(checkpoint.steps, found), key=lambda step: step.path)
        return {step.id: asked for step in steps if (asked := waiting(found.get(step.id, {})))}

    def encode_result(self, result: Result, dialogue: Dialogue = _SILENCE) -> bytes:
        """Return a step's writes as bytes.

        Raises:
            NotSerializable: a value cannot be stored; the error names the node and the key.
        """
        return self._encode_writes(
            result, {"updates": list(result.updates), "goto": list(result.goto), **dialogue.record()}
        )

    def _encode_made(self, result: Result, dialogue: Dialogue, tails: Mapping[str, Any]) -> Made:
        """Return what is kept of the one step that made a checkpoint, of which ``tails`` are the new chunks."""
        updates, echoes = without_echoes(result.updates, tails)
        more = {"goto": list(result.goto), "echoes": [*map(list, echoes)], **dialogue.record()}
        written = {"updates": updates} | {name: value for name, value in more.items() if value}
        # a step that stands in for no other one is the only one of the checkpoint before
        return result.step.id if result.step.handles else "", self._encode_writes(result, written)

    def _encode_writes(self, result: Result, record: dict[str, Any]) -> bytes:
        if result.children:
            record["children"] = dict(result.children)
        try:
            return self._serde.dumps(record, f"The result of node {result.step.node!r}")
        except TypeError:
            for update in result.updates:
                for key, value in update.items():
                    self._serde.dumps(value, f"Key {key!r} of the update of node {result.step.node!r}")
            raise

    def encode_known(self, known: Mapping[str, Any], where: str = "The result") -> bytes:
        """Return what is known of a step as bytes; ``where`` names it in errors.

        Raises:
            NotSerializable: it holds something that cannot be stored.
        """
        return self._serde.dumps(dict(known), where)

    def encode_error(
        self, error: Mapping[str, Any], dialogue: Dialogue = _SILENCE, handler: str | None = None
    ) -> bytes:
        """Return a step's failure as bytes; its next attempt is given the answers again, or its handler takes over."""
        handled = {"handler": handler} if handler else {}
        return self._serde.dumps({"error": dict(error), **handled, **dialogue.record()})

    def _results(self, keys: ThreadKeys, ns: str, steps: Sequence[Step]) -> dict[str, Mapping[str, Any]]:
        if not steps:
            return {}
        key, found = keys.results(ns), self._redis.hmget(keys.results(ns), [step.id for step in steps])
        kept = {step.id: data for step, data in zip(steps, found, strict=True) if data is not None}
        return {id_: self._serde.loads(self._sealing.open(data, key, id_)) for id_, data in kept.items()}

    def _made(self, keys: ThreadKeys, ns: str, step_ids: Sequence[str], of: str) -> dict[str, Mapping[str, Any]]:
        """Return what is known of the step that made the checkpoint after another one, if it is one of these.

        The cursor stands on the newest checkpoint of its frame, so a superstep is closed by the next one, or never.
        """
        following = self._following(keys, ns, of)
        made = following and made_by(following)
        if following is None or not made or (made[0] or step_ids[0]) not in step_ids:
            return {}
        known, refs = {"goto": [], **self._serde.loads(made[1])}, refs_of(following)
        values = self._values(keys, ns)
        with_echoes(known["updates"], known.pop("echoes", ()), lambda name: values.newest(name, refs[name]))
        return {made[0] or step_ids[0]: known}

    def _following(self, keys: ThreadKeys, ns: str, checkpoint_id: str) -> Record | None:
        """Return the record of the checkpoint after another one of its frame."""
        entries = self._redis.xrange(keys.checkpoints(ns), f"({checkpoint_id}", "+", count=1)
        return self._record(keys, ns, entries[0][0].decode(), entries[0][1][b"record"]) if entries else None

    def _record(self, keys: ThreadKeys, ns: str, checkpoint_id: str, data: bytes) -> Record:
        record: Record = self._serde.loads(self._sealing.open(data, keys.checkpoints(ns), checkpoint_id))
        return record

    def _values(self, keys: ThreadKeys, ns: str) -> ChannelValues:
        return ChannelValues(self._redis, keys.channels(ns), self._serde, self._sealing)

    def _restored(self, keys: ThreadKeys, ns: str, entries: StreamEntries) -> list[StoredCheckpoint]:
        records = [(id_.decode(), self._record(keys, ns, id_.decode(), fields[b"record"])) for id_, fields in entries]
        values = self._values(keys, ns)
        latest = self._latest(keys, ns)
        if latest is not None:
            values.know(latest.refs, latest.checkpoint.values)
        values.fetch([refs_of(record) for _, record in records])
        restored = [stored_of(id_, record, values) for id_, record in records]
        for stored in restored[:1]:
            self.remember(keys, ns, stored)
        return restored

    def _latest(self, keys: ThreadKeys, ns: str) -> StoredCheckpoint | None:
        """Return the newest checkpoint of a frame that this process has seen: what it holds need not be loaded."""
        return self._seen.get((keys.token, ns, self.newest(keys, ns)))


def _known(parent: StoredCheckpoint | None, name: str, *, sealed: bool) -> ChannelRef | None:
    ref = parent.refs.get(name) if parent is not None else None
    return ref._replace(sealed=True) if ref is not None and sealed else ref
