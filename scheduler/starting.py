"""Beginning a run: with a new input, from where the thread stands, or from an old checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphs.checkpoint import Checkpoint, Result, Step
from graphs.commands import START
from graphs.errors import EmptyInputError
from graphs.graph import Graph
from graphs.planner import Verdict, plan_fork, plan_input, plan_next, stops
from graphs.routing import Caller, fresh, route
from graphs.updates import Update

from .checkpoints import Encoded, StoredCheckpoint
from .config import RunConfig
from .connection import Connection
from .dispatch import StepOrder
from .errors import CursorMoved, TransitionNotAllowed
from .ids import new_checkpoint_id, new_run_id
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


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What a run begins with, before it is stored."""

    encoded: Sequence[Encoded]
    results: Mapping[str, bytes]
    head: Checkpoint
    steps: Sequence[Step]
    event: ThreadEvent
    #: Whether all steps have their results, and only the superstep waits to be closed.
    done: bool = False


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
        self._call = call

    def start(self, graph: Graph, config: RunConfig, value: Any, context: Any = None) -> Started:
        """Begin a run; ``value`` is the input, or None to go on from where the thread (or the checkpoint) stands.

        Raises:
            EmptyInputError: there is no input and nothing to go on from.
            ThreadBusy: another run is active on the thread.
            CheckpointNotFound: the config names a checkpoint that the thread does not have.
            TransitionNotAllowed: the thread is terminated or archived.
            InvalidInput, NotSerializable, StateTooLarge: the input does not fit the graph or the store.
        """
        thread = self._threads.find(config.thread_id)
        head = self._head(config, thread)
        run = self._run(graph, config, context)
        beginning = self._with_input(graph, run, head, thread, value) if value is not None else self._resumed(
            graph, run, head, thread, config
        )  # fmt: skip
        run = replace(run, first_number=beginning.head.number)
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
            metadata=config.checkpoint_metadata(),
        )

    def _with_input(
        self, graph: Graph, run: Run, head: StoredCheckpoint | None, thread: Thread | None, value: Any
    ) -> _Beginning:
        update = graph.input.read(value)
        cursor = thread.cursor if thread is not None else None
        old = head.checkpoint if head is not None else None
        arrived, branching = plan_input(graph, old, new_checkpoint_id(cursor)), old is not None and old.id != cursor
        first = self._connection.checkpoints.encode(arrived, head, run.id, run.metadata, branching=branching)
        return self._applied(graph, run, first, (update,), ThreadEvent.START)

    def _applied(
        self, graph: Graph, run: Run, first: Encoded, updates: tuple[Update, ...], event: ThreadEvent
    ) -> _Beginning:
        """Begin with an input that has arrived: START is the one step that nobody has to run."""
        arrived, store = first.stored.checkpoint, self._connection.checkpoints
        goto = route(graph, START, fresh(graph, arrived.values, updates), self._offered(run), self._call)
        result = Result(arrived.steps[0], updates, goto)
        applied = plan_next(graph, arrived, [result], new_checkpoint_id(arrived.id))
        second = store.encode(applied, first.stored, run.id, run.metadata)
        results = {result.step.id: store.encode_result(result)}
        return _Beginning([first, second], results, applied, applied.steps, event)

    def _resumed(
        self, graph: Graph, run: Run, head: StoredCheckpoint | None, thread: Thread | None, config: RunConfig
    ) -> _Beginning:
        if head is None:
            raise EmptyInputError(f"Received no input, and thread {run.thread_id!r} has nothing to go on from.")
        if config.checkpoint_id is not None and _is_replay(head.checkpoint, thread):
            return self._forked(graph, run, head, thread)
        results = self._results(run, head.checkpoint)
        finished = {step_id for step_id, result in results.items() if "error" not in result}
        open_steps = [step for step in head.checkpoint.steps if step.id not in finished]
        if not open_steps:  # nothing is due, or all has finished and was never closed: then any step leads there
            return _Beginning([], {}, head.checkpoint, head.checkpoint.steps[:1], ThreadEvent.RESUME, done=True)
        return _Beginning([], {}, head.checkpoint, open_steps, ThreadEvent.RESUME)

    def _forked(self, graph: Graph, run: Run, head: StoredCheckpoint, thread: Thread | None) -> _Beginning:
        cursor = thread.cursor if thread is not None else None
        fork, branching = plan_fork(head.checkpoint, new_checkpoint_id(cursor)), head.checkpoint.id != cursor
        first = self._connection.checkpoints.encode(fork, head, run.id, run.metadata, branching=branching)
        if [step.node for step in fork.steps] == [START]:  # the input itself is replayed
            written = self._results(run, head.checkpoint)[head.checkpoint.steps[0].id]["updates"]
            return self._applied(graph, run, first, tuple(written), ThreadEvent.RESUME)
        return _Beginning([first], {}, fork, fork.steps, ThreadEvent.RESUME)

    def _results(self, run: Run, checkpoint: Checkpoint) -> Mapping[str, Mapping[str, Any]]:
        keys = self._connection.place(run.thread_id).keys
        return self._connection.checkpoints.results(keys, "", checkpoint.steps)

    def _store(
        self, graph: Graph, run: Run, beginning: _Beginning, thread: Thread | None, config: RunConfig
    ) -> Started:
        paused = beginning.event is ThreadEvent.START and stops(
            run.interrupt_before, (step.node for step in beginning.steps)
        )
        end = RunStatus.INTERRUPTED if paused else None if beginning.steps else RunStatus.SUCCESS
        settings = self._connection.settings
        steps = () if end is not None else beginning.steps
        place = self._connection.place(run.thread_id, run.id)
        orders = Orders(graph, run, "", settings.grace_ms).of(steps, beginning.head.id)
        move = Move(
            place,
            (thread.cursor if thread is not None else None) or "",
            beginning.encoded,
            beginning.results,
            orders=[replace(order, done=beginning.done) for order in orders],
            entries=self._entries(run, beginning, thread, end),
        )
        limits = [limit for limit in (config.timeout_s, thread.timeout_s if thread else None) if limit is not None]
        request = move.request(
            self._connection,
            allowed=dict.fromkeys(allowed_in(beginning.event), True),
            thread_fields={"graph": run.graph, "fingerprint": run.fingerprint},
            alive_ms=settings.lease_ms * ALIVE_FACTOR,
            **({"deadline_ms": round(limits[0] * 1000)} if limits else {}),
            **({"ended": ended(end)} if end is not None else {}),
        )
        request.blobs.insert(0, self._connection.serde.dumps(run.plan(), "The run's config or context"))
        answer = self._connection.scripts.start_run(place, request)
        self._check(run, beginning.event, answer)
        move.done(self._connection)
        return Started(run, tuple(move.orders), end, answer[1])

    def _entries(
        self, run: Run, beginning: _Beginning, thread: Thread | None, end: RunStatus | None
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
        why = {"why": Verdict.PAUSE_BEFORE.value} if end is RunStatus.INTERRUPTED else {}
        return [*created, began, *(finish_entries(run.id, end, **why) if end is not None else [])]

    def _check(self, run: Run, event: ThreadEvent, answer: Sequence[Any]) -> None:
        if answer[0] == "busy":
            raise self._threads.busy(run.thread_id, answer[1], int(answer[2]))
        if answer[0] == "refused":
            raise TransitionNotAllowed(run.thread_id, answer[1], event)
        if answer[0] == "moved":
            raise CursorMoved(run.thread_id)

    @staticmethod
    def _offered(run: Run) -> Mapping[str, Any]:
        return {"config": run.config, "runtime": None, "store": None, "writer": None, "previous": None}


def _is_replay(checkpoint: Checkpoint, thread: Thread | None) -> bool:
    """Return whether going on from a checkpoint forks history; a head that is itself a fork or an edit goes on."""
    at_head = thread is not None and checkpoint.id == thread.cursor
    return not (at_head and checkpoint.source in ("update", "fork"))
