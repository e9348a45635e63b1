"""Pruning: a thread that has grown long keeps its newest checkpoints, what they need, and all of its log."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .absence import ThreadArchived
from .checkpoint_record import made_by
from .connection import Connection
from .deliveries import telling
from .dialogue import Dialogue
from .ending_scripts import EndingScripts
from .errors import InvalidConfig, ThreadNotFound, TransitionNotAllowed
from .ids import check_thread_id
from .lifecycle import ThreadEvent, allowed_in
from .outline import Outline, kept, unused
from .scripts import Place, Request
from .thread import Thread
from .threads import ThreadStore

#: Lua takes no longer list of arguments, and nobody waits long for one script.
_BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame as it was looked through."""

    place: Place
    cursor: str
    outlines: Sequence[Outline]
    #: The steps that have asked a person.
    asked: frozenset[str]
    fields: Sequence[str]


class Pruning:
    """Prunes threads.

    Args:
        connection: the store.
        threads: the store's threads.
    """

    def __init__(self, connection: Connection, threads: ThreadStore) -> None:
        self._connection, self._threads = connection, threads
        self._scripts = EndingScripts(connection.client)

    def prune(self, thread_id: str, keep: int = 1) -> int:
        """Drop the older checkpoints of a thread that rests; return how many.

        State, questions and the log stay as they are; of the history stay the newest ``keep`` checkpoints of the root
        and what they need: where each graph inside stands or stood, the parents of branches, and each checkpoint at
        which a person was asked. A result of an old run whose last checkpoint is gone is gone as well.

        Raises:
            ThreadNotFound: there is no such thread.
            ThreadBusy: a run is active on it.
            ThreadArchived, TransitionNotAllowed: its status does not allow it.
            InvalidConfig: ``keep`` is no positive number.
        """
        if isinstance(keep, bool) or not isinstance(keep, int) or keep < 1:
            raise InvalidConfig(f"keep is how many checkpoints stay, at least 1; got {keep!r:.40}.")
        thread_id, dropped = check_thread_id(thread_id), None
        while dropped is None:
            dropped = self._prune_once(self._threads.get(thread_id), keep)
        return dropped

    def _prune_once(self, thread: Thread, keep: int) -> int | None:
        """Prune a thread as it is now; return how many went, or None where something has happened to it meanwhile."""
        if thread.archive is not None:
            raise ThreadArchived(thread.id, "be pruned", thread.archive)
        if thread.run_id is not None:
            raise self._threads.busy(thread.id, thread.run_id, thread.since_ms or 0)
        keys = self._connection.place(thread.id).keys
        names = ["", *sorted(ns.decode() for ns in self._connection.redis.smembers(keys.frames))]
        frames = {ns: self._look(self._connection.place(thread.id, ns=ns)) for ns in names}
        staying = kept(
            {ns: frame.outlines for ns, frame in frames.items()},
            {"": self._needed(thread)} | {ns: {frame.cursor} for ns, frame in frames.items() if ns},
            {ns: frame.asked for ns, frame in frames.items()},
            keep,
        )
        seq, dropped = thread.seq, 0
        for ns, frame in frames.items():
            gone = [one for one in frame.outlines if one.id not in staying[ns]]
            for first in range(0, len(gone), _BATCH):
                end = first + _BATCH >= len(gone)
                told = self._drop(thread, frame, gone[first : first + _BATCH], seq, staying[ns] if end else None)
                if told is None:
                    return None
                seq, dropped = told, dropped + len(gone[first : first + _BATCH])
        self._connection.checkpoints.forget(keys)
        return dropped

    def _needed(self, thread: Thread) -> set[str]:
        """Return where a thread stands, and its next run begins, and what somebody is still to be told of its runs."""
        runs = telling(self._connection, thread.id)
        ends = [self._connection.redis.hget(run.named("run"), "checkpoint") for run in runs]
        return {thread.cursor or "", thread.back or "", *(end.decode() for end in ends if end is not None)}

    def _look(self, place: Place) -> _Frame:
        connection = self._connection
        checkpoints, results = place.named("checkpoints"), place.named("results")
        pipeline = connection.redis.pipeline(transaction=True)
        pipeline.hget(place.named("frame"), "cursor")
        pipeline.xrange(checkpoints, "-", "+")
        pipeline.hgetall(results)
        pipeline.hkeys(place.named("channels"))
        cursor, entries, known, fields = pipeline.execute()
        records = {
            id_.decode(): connection.restored(fields_[b"record"], checkpoints, id_.decode()) for id_, fields_ in entries
        }
        outlines = [Outline.of(id_, record) for id_, record in records.items()]
        asked = {name.decode() for name, data in known.items() if self._asked(data, results, name.decode())}
        for before, record in zip(outlines, [*records.values()][1:], strict=False):
            made = made_by(record)
            if made is not None and Dialogue.of(connection.serde.loads(made[1])).asked:
                asked |= {made[0]} if made[0] else before.steps
        return _Frame(place, (cursor or b"").decode(), outlines, frozenset(asked), [name.decode() for name in fields])

    def _asked(self, data: bytes, key: str, step_id: str) -> bool:
        known = self._connection.restored(data, key, step_id)
        return isinstance(known, Mapping) and bool(Dialogue.of(known).asked)

    def _drop(
        self, thread: Thread, frame: _Frame, gone: Sequence[Outline], seq: int, staying: set[str] | None
    ) -> int | None:
        """Drop checkpoints, and with the last of them what no other one needs; return the log's new end."""
        rest = [one for one in frame.outlines if staying is None or one.id in staying]
        steps = {step for one in gone for step in one.steps} - {step for one in rest for step in one.steps}
        where = {"ns": frame.place.ns} if frame.place.ns else {}
        request = Request(
            {
                "nonce": secrets.token_hex(8),
                "seq": seq,
                "allowed": dict.fromkeys(allowed_in(ThreadEvent.DELETE), True),
                "checkpoints": [one.id for one in gone],
                "fields": [] if staying is None else unused(frame.fields, rest),
                "results": sorted(steps),
                "entries": [{"kind": "pruned", **where, "count": len(gone)}],
            }
        )
        answer = self._scripts.prune_frame(frame.place, request)
        if answer[0] == "busy":
            raise self._threads.busy(thread.id, answer[1], int(answer[2]))
        if answer == ["refused", "unknown"]:
            raise ThreadNotFound(thread.id)
        if answer[0] == "refused":
            raise TransitionNotAllowed(thread.id, answer[1], "be pruned")
        return int(answer[1]) if answer[0] == "pruned" else None
