"""Storing a run that begins: one script writes it with its checkpoints, its first steps and its log entries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from graphs.planner import Verdict
from graphs.priority import DEFAULT_PRIORITY

from .budget import words_of
from .chunk_blocks import ChunkBlocks
from .connection import Connection
from .dispatch import StepOrder
from .errors import CursorMoved, TransitionNotAllowed
from .failure import Failure
from .lifecycle import RunStatus, ThreadEvent, allowed_in
from .log_blocks import LogBlocks
from .moves import Move, ended, finish_entries
from .openings import Beginning
from .plan import stored_plan
from .run import Run
from .thread import Thread
from .threads import ThreadStore

#: An inline run's process may miss this many leases before the run counts as lost.
ALIVE_FACTOR = 3


@dataclass(frozen=True, slots=True)
class Planned:
    """A run as it is to be stored."""

    run: Run
    beginning: Beginning
    #: The thread as it was when the run was planned; None for a new one. If anything has changed, nothing is stored.
    thread: Thread | None
    #: Its first steps.
    orders: Sequence[StepOrder]
    #: How it ends at once, where it does.
    end: RunStatus | None = None
    #: Why, unless it has nothing to run, or pauses before its first nodes.
    failure: Failure | None = None
    #: The time limit of the run as a whole, in seconds.
    timeout_s: float | None = None
    #: Whose turn comes before: of "inputs" that wait, of "urgent" ones alone, or also of a "person" who is asked; None:
    #: nobody's.
    turn: str | None = None
    #: Which limits of its thread's budget are reached already, so that it pauses at once; nothing where none.
    breach: str = ""
    #: For how long the thread is kept from now on when nothing happens to it, in seconds; None: as it is.
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was stored; ``orders`` are its first steps."""

    run: Run
    orders: tuple[StepOrder, ...]
    ended: RunStatus | None
    #: The log's last entry before the run.
    log_start: int
    #: Whether it has not begun, and waits for its turn.
    queued: bool = False


class Storing:
    """Stores runs.

    Args:
        connection: the store.
        threads: the store's threads.
    """

    def __init__(self, connection: Connection, threads: ThreadStore) -> None:
        self._connection = connection
        self._threads = threads
        self._log_blocks = LogBlocks(connection)
        self._chunk_blocks = ChunkBlocks(connection.redis, connection.scripts, connection.sealing)

    def store(self, planned: Planned) -> Started:
        """Store a run that begins, and hand its first steps to the queue.

        Raises:
            ThreadBusy: another run is active on the thread.
            CursorMoved: the thread has changed since the run was planned.
            TransitionNotAllowed: the thread is terminated or archived.
        """
        run, beginning, thread = planned.run, planned.beginning, planned.thread
        settings = self._connection.settings
        place = self._connection.place(run.thread_id, run.id)
        move = Move(
            place,
            (thread.cursor if thread is not None else None) or "",
            beginning.encoded,
            beginning.results,
            orders=planned.orders,
            entries=_entries(planned, partial(self._connection.words, place.keys)),
        )
        request = move.request(
            self._connection,
            seq=thread.seq if thread is not None else 0,
            allowed=dict.fromkeys(allowed_in(beginning.event), True),
            thread_fields={"graph": run.graph, "fingerprint": run.fingerprint, **_kept(planned.ttl_s)},
            alive_ms=settings.lease_ms * ALIVE_FACTOR,
            **({"deadline_ms": round(planned.timeout_s * 1000)} if planned.timeout_s else {}),
            **run.superstep_ms,
            **({"hooked": True} if run.webhook is not None else {}),
            **({"turn": planned.turn} if planned.turn is not None else {}),
            **({"breach": planned.breach} if planned.breach else {}),
            **({"ended": ended(planned.end, error=planned.failure is not None)} if planned.end is not None else {}),
        )
        stored, key = self._connection.stored, place.named("run")
        request.blobs += [] if planned.failure is None else [stored(planned.failure, "The failure", key, "error")]
        request.blobs.insert(0, stored(stored_plan(run), "The run's config or context", key, "plan"))
        answer = self._connection.scripts.start_run(place, request)
        self._check(run, beginning.event, answer)
        move.done(self._connection)
        self._log_blocks.pack(run.thread_id, answer[1])
        self._chunk_blocks.pack(place, beginning.encoded[-1].stored.refs if beginning.encoded else {})
        if planned.end is not None:
            self._connection.witness.ended(lambda: run, planned.end)
        return Started(run, tuple(move.orders), planned.end, answer[1])

    def _check(self, run: Run, event: ThreadEvent, answer: Sequence[Any]) -> None:
        if answer[0] == "busy":
            raise self._threads.busy(run.thread_id, answer[1], int(answer[2]))
        if answer[0] == "refused":
            raise TransitionNotAllowed(run.thread_id, answer[1], event)
        if answer[0] == "moved":
            raise CursorMoved(run.thread_id)


def _kept(ttl_s: float | None) -> dict[str, str]:
    return {} if ttl_s is None else {"ttl_ms": str(round(ttl_s * 1000))}


def _entries(planned: Planned, words: Callable[[str], Any]) -> list[dict[str, Any]]:
    run, beginning, end = planned.run, planned.beginning, planned.end
    created = [{"kind": "created", "run": run.id}] if planned.thread is None else []
    began = {
        "kind": "started" if beginning.event is ThreadEvent.START else "resumed",
        "run": run.id,
        "graph": run.graph,
        "checkpoint": beginning.head.id,
        "checkpoints": [encoded.stored.checkpoint.id for encoded in beginning.encoded],
        "steps": [] if beginning.done else [step.id for step in beginning.steps],
        **({} if run.priority == DEFAULT_PRIORITY else {"priority": run.priority}),
        **_answered(planned),
    }
    paused = {"why": words_of(planned.breach) or Verdict.PAUSE_BEFORE.value} if end is RunStatus.INTERRUPTED else {}
    why = paused if planned.failure is None else {"error": words(planned.failure["repr"])}
    return [*created, began, *(finish_entries(run.id, end, **why) if end is not None else [])]


def _answered(planned: Planned) -> dict[str, Any]:
    """Return which questions a run answers, and who does: a person whom its config names, or their deadlines."""
    by = "deadline" if planned.beginning.late else planned.run.user
    answered = {"answered": list(planned.beginning.answered)} if planned.beginning.answered else {}
    return answered | ({"by": by} if by is not None else {})
