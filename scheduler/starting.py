"""Beginning a run: with a new input, from where the thread stands, or from an old checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphs.graph import Graph
from graphs.planner import Verdict, stops
from graphs.routing import Caller

from .beginnings import Beginning, Beginnings, Stand
from .checkpoints import StoredCheckpoint
from .config import RunConfig
from .connection import Connection
from .dispatch import StepOrder
from .errors import CursorMoved, TransitionNotAllowed
from .failure import Failure, drained
from .frame import Frame
from .ids import new_run_id
from .lifecycle import RunStatus, ThreadEvent, allowed_in
from .moves import Move, Orders, ended, finish_entries
from .run import Run
from .thread import Thread
from .threads import ThreadStore

#: An inline run's process may miss this many leases before the run counts as lost.
ALIVE_FACTOR = 3


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was stored; ``orders`` are its first steps."""

    run: Run
    orders: tuple[StepOrder, ...]
    ended: RunStatus | None
    #: The log's last entry before the run.
    log_start: int


class Starter:
    """Plans the beginning of runs and stores it in one script.

    Args:
        connection: the store.
        threads: the store's threads.
        call: how a router after START is called, plain or async.
    """

    def __init__(self, connection: Connection, threads: ThreadStore, call: Caller) -> None:
        self._connection = connection
        self._threads = threads
        self._beginnings = Beginnings(connection, call)

    def start(self, graph: Graph, config: RunConfig, value: Any, context: Any = None) -> Started:
        """Begin a run; ``value`` is the input, a Command, or None to go on from where the thread stands.

        Raises:
            EmptyInputError: there is no input and nothing to go on from.
            AlreadyResumed, AmbiguousAnswer: a Command's answer is for no question, or for more than one.
            ThreadBusy: another run is active on the thread.
            CheckpointNotFound: the config names a checkpoint that the thread does not have.
            TransitionNotAllowed: the thread is terminated or archived.
            InvalidInput, NotSerializable, StateTooLarge: the input does not fit the graph or the store.
        """
        thread = self._threads.find(config.thread_id)
        head = self._head(config, thread)
        run = self._run(graph, config, context)
        cursor = thread.cursor if thread is not None else None
        stand = Stand(graph, run, head, cursor, named=config.checkpoint_id is not None)
        beginning = self._beginnings.plan(stand, value)
        return self._store(graph, run, beginning, thread, config)

    def _head(self, config: RunConfig, thread: Thread | None) -> StoredCheckpoint | None:
        checkpoints, keys = self._connection.checkpoints, self._connection.place(config.thread_id).keys
        if config.checkpoint_id is not None:
            return checkpoints.named(keys, config.ns, config.checkpoint_id, config.thread_id)
        if thread is None or thread.cursor is None:
            return None
        return checkpoints.load(keys, config.ns, thread.cursor, config.thread_id)

    def _run(self, graph: Graph, config: RunConfig, context: Any) -> Run:
        before = graph.interrupt_before if config.interrupt_before is None else config.interrupt_before
        after = graph.interrupt_after if config.interrupt_after is None else config.interrupt_after
        for name in (*before, *after):
            if name != "*":
                graph.node(name)
        return Run(
            new_run_id(),
            config.thread_id,
            graph.name,
            graph.fingerprint,
            inline=self._connection.dispatcher.inline,
            config=config.for_nodes(),
            context=context,
            recursion_limit=config.recursion_limit,
            interrupt_before=before,
            interrupt_after=after,
            step_timeout_s=config.step_timeout_s,
            metadata=config.checkpoint_metadata(),
        )

    def _store(self, graph: Graph, run: Run, beginning: Beginning, thread: Thread | None, config: RunConfig) -> Started:
        paused = beginning.event is ThreadEvent.START and stops(
            run.interrupt_before, (step.node for step in beginning.steps)
        )
        failure = drained(config.drain_reason) if config.drain_reason and beginning.steps and not paused else None
        stopped = paused or failure is not None
        end = RunStatus.INTERRUPTED if stopped else None if beginning.steps else RunStatus.SUCCESS
        settings = self._connection.settings
        steps = () if end is not None else beginning.steps
        place = self._connection.place(run.thread_id, run.id)
        orders = Orders(graph, run, Frame(first_number=beginning.head.number), settings.grace_ms)
        move = Move(
            place,
            (thread.cursor if thread is not None else None) or "",
            beginning.encoded,
            beginning.results,
            orders=orders.begun(beginning, steps),
            entries=self._entries(run, beginning, thread, end, failure),
        )
        limits = [limit for limit in (config.timeout_s, thread.timeout_s if thread else None) if limit is not None]
        request = move.request(
            self._connection,
            allowed=dict.fromkeys(allowed_in(beginning.event), True),
            thread_fields={"graph": run.graph, "fingerprint": run.fingerprint},
            alive_ms=settings.lease_ms * ALIVE_FACTOR,
            **({"deadline_ms": round(limits[0] * 1000)} if limits else {}),
            **run.superstep_ms,
            **({"ended": ended(end, error=failure is not None)} if end is not None else {}),
        )
        request.blobs += [] if failure is None else [self._connection.serde.dumps(failure)]
        request.blobs.insert(0, self._connection.serde.dumps(run.plan(), "The run's config or context"))
        answer = self._connection.scripts.start_run(place, request)
        self._check(run, beginning.event, answer)
        move.done(self._connection)
        return Started(run, tuple(move.orders), end, answer[1])

    def _entries(
        self, run: Run, beginning: Beginning, thread: Thread | None, end: RunStatus | None, failure: Failure | None
    ) -> list[dict[str, Any]]:
        created = [{"kind": "created", "run": run.id}] if thread is None else []
        kind = "started" if beginning.event is ThreadEvent.START else "resumed"
        ids = [encoded.stored.checkpoint.id for encoded in beginning.encoded]
        began = {
            "kind": kind,
            "run": run.id,
            "graph": run.graph,
            "checkpoint": beginning.head.id,
            "checkpoints": ids,
            "steps": [] if beginning.done else [step.id for step in beginning.steps],
        }
        paused = {"why": Verdict.PAUSE_BEFORE.value} if end is RunStatus.INTERRUPTED else {}
        why = paused if failure is None else {"error": failure["repr"]}
        return [*created, began, *(finish_entries(run.id, end, **why) if end is not None else [])]

    def _check(self, run: Run, event: ThreadEvent, answer: Sequence[Any]) -> None:
        if answer[0] == "busy":
            raise self._threads.busy(run.thread_id, answer[1], int(answer[2]))
        if answer[0] == "refused":
            raise TransitionNotAllowed(run.thread_id, answer[1], event)
        if answer[0] == "moved":
            raise CursorMoved(run.thread_id)
