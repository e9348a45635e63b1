"""Beginning a run: with a new input, from where the thread stands, or from an old checkpoint."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from graphs.commands import Command
from graphs.graph import Graph
from graphs.planner import stops
from graphs.routing import Caller

from .absence import ThreadArchived
from .arguments import whose
from .beginnings import Beginnings, Stand
from .budget import budget_of
from .checkpoints import StoredCheckpoint
from .config import RunConfig
from .connection import Connection
from .errors import CheckpointNotFound
from .excess import StateTooLarge, TooMany
from .failure import drained
from .frame import Frame
from .ids import new_run_id
from .lifecycle import RunStatus, ThreadEvent
from .moves import Orders
from .openings import Beginning
from .run import Run
from .storing import Planned, Started, Storing
from .thread import Thread
from .threads import ThreadStore, check_log
from .webhook import check_https
from .whereabouts import refuse_archived

#: Where a thread goes back to whose first run was taken back.
NOTHING = "-"
#: No frame begins anew.
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Starter(Storing):
    """Plans the beginning of runs and stores it in one script.

    Args:
        connection: the store.
        threads: the store's threads.
        call: how a router after START is called, plain or async.
    """

    def __init__(self, connection: Connection, threads: ThreadStore, call: Caller) -> None:
        super().__init__(connection, threads)
        self._beginnings = Beginnings(connection, call)

    def start(self, graph: Graph, config: RunConfig, value: Any, context: Any = None) -> Started:
        """Begin a run; ``value`` is the input, a Command, or None to go on from where the thread stands.

        Raises:
            EmptyInputError: there is no input and nothing to go on from.
            AlreadyResumed, AmbiguousAnswer, UnknownInterruptError: a Command's answer is for no question, or for more
                than one.
            ThreadBusy: another run is active on the thread.
            CheckpointNotFound: the config names a checkpoint that the thread does not have.
            ThreadArchived: the thread is in a file.
            TransitionNotAllowed: the thread is terminated.
            InvalidInput, NotSerializable, StateTooLarge, TooMany: the input does not fit the graph or the store.
            LogFull: the thread's log is as long as the deployment allows.
        """
        replays = self._replays(config)
        thread, head = self._standing(config.thread_id, replays.get(""))
        if thread is not None and thread.archive is not None:
            raise ThreadArchived(config.thread_id, ThreadEvent.START, thread.archive)
        back = thread.back if thread is not None and config.checkpoint_id is None else None
        if back is not None:  # the last run was taken back
            head = self._at(config.thread_id, back) if back != NOTHING else None
        check_log(thread, self._connection.settings.max_log_entries)
        run = self.run_of(graph, config, context, replays if config.ns else {})
        run = replace(run, metered=thread is not None and bool(thread.budget))
        cursor = thread.cursor if thread is not None else None
        named = config.checkpoint_id is not None or back is not None
        stand = Stand(graph, run, head, cursor, named=named, strict=config.strict_resume)
        beginning = self._beginnings.plan(stand, value)
        end, failure = _ends_at_once(run, beginning), None
        breach = self._breach(thread) if end is None else ""
        if breach:
            end = RunStatus.INTERRUPTED
        if end is None and config.drain_reason is not None:
            end, failure = RunStatus.INTERRUPTED, drained(config.drain_reason)
        orders = Orders(self._connection, graph, run, Frame(first_number=beginning.head.number))
        steps = beginning.steps if end is None else ()
        timeout_s = config.timeout_s or (thread.timeout_s if thread is not None else None)
        first, turn = orders.begun(beginning, steps), self._turn(config, value)
        return self.store(
            Planned(run, beginning, thread, first, end, failure, timeout_s, turn, breach, _ttl_s(config, thread))
        )

    def _breach(self, thread: Thread | None) -> str:
        """Return which limits of its budget a thread has reached already; nothing where none."""
        return budget_of(self._connection, thread.id).breach if thread is not None and thread.budget else ""

    def _turn(self, config: RunConfig, value: Any) -> str | None:
        """Return whose turn comes before that of a run that begins now; answers, and going on, wait for nobody."""
        if value is None or isinstance(value, Command):
            return None
        if config.on_busy in ("interrupt", "rollback"):
            return "urgent"
        if config.on_busy == "enqueue":
            return "person"
        return None if self._connection.dispatcher.inline else "inputs"  # inline, nobody may be there to begin them

    def _replays(self, config: RunConfig) -> Mapping[str, str]:
        """Return the checkpoint that the config names, and those at which the graphs above stood: frame -> id."""
        if config.checkpoint_id is None:
            return {}
        keys, of_frame = self._connection.place(config.thread_id).keys, (config.ns, config.checkpoint_id)
        try:
            named = self._connection.checkpoints.named(keys, *of_frame, config.thread_id)
        except CheckpointNotFound:
            refuse_archived(self._connection, config.thread_id, ThreadEvent.START)
            raise
        return {**named.origin.parents, config.ns: config.checkpoint_id}

    def _standing(self, thread_id: str, replayed: str | None) -> tuple[Thread | None, StoredCheckpoint | None]:
        """Return the thread, and the checkpoint to begin from: where it stands, unless another one is replayed."""
        if replayed is None:
            return self._threads.standing(thread_id)
        return self._threads.find(thread_id), self._at(thread_id, replayed)

    def _at(self, thread_id: str, checkpoint_id: str) -> StoredCheckpoint:
        keys = self._connection.place(thread_id).keys
        return self._connection.checkpoints.load(keys, "", checkpoint_id, thread_id)

    def run_of(self, graph: Graph, config: RunConfig, context: Any, replays: Mapping[str, str] = _NOTHING) -> Run:
        """Return a run as it would be begun now.

        Raises:
            UnknownNode: it shall pause at a node that the graph does not have.
            InvalidConfig: what says whose it is cannot be a name.
        """
        self._check_config(config)
        whose(config.configurable, graph.concurrency.key if graph.concurrency else None)
        before = graph.interrupt_before if config.interrupt_before is None else config.interrupt_before
        after = graph.interrupt_after if config.interrupt_after is None else config.interrupt_after
        for name in (*before, *after):
            if name != "*":
                graph.node(name)
        return Run(
            config.run_id or new_run_id(),
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
            durability=config.durability,
            replays=replays,
            heard=config.heard,
            webhook=None if config.webhook is None else config.webhook.plan(_output_keys(graph)),
            trace=config.trace,
            budget=config.budget,
            priority=config.priority,
            versioning=graph.versioning,
        )

    def _check_config(self, config: RunConfig) -> None:
        settings = self._connection.settings
        if config.webhook is not None and not settings.webhook_allow_http:
            check_https(config.webhook)
        if config.recursion_limit > settings.max_recursion_limit:
            most = settings.max_recursion_limit
            raise TooMany("The recursion_limit", config.recursion_limit, most, "TREADLE_MAX_RECURSION_LIMIT")
        if config.tags or config.metadata or config.configurable:
            given = [list(config.tags), dict(config.metadata), dict(config.configurable)]
            size = len(self._connection.serde.dumps(given, "The config"))
            if size > settings.max_metadata_bytes:
                what = "The config's tags, metadata and configurable"
                raise StateTooLarge(what, size, settings.max_metadata_bytes, "TREADLE_MAX_METADATA_BYTES")


def _output_keys(graph: Graph) -> list[str]:
    return [graph.state.key] if graph.state.is_root else list(graph.output.channels)


def _ttl_s(config: RunConfig, thread: Thread | None) -> float | None:
    """Return for how long the thread is kept from now on; None: as it is."""
    if config.ttl_s is not None or (thread is not None and thread.ttl_s is not None):
        return config.ttl_s
    return config.default_ttl_s


def _ends_at_once(run: Run, beginning: Beginning) -> RunStatus | None:
    """Return how a run ends that has nothing to run: it is finished, or pauses before its first nodes."""
    nodes = [step.node for step in beginning.steps]
    if beginning.event is ThreadEvent.START and stops(run.interrupt_before, nodes):
        return RunStatus.INTERRUPTED
    return None if nodes else RunStatus.SUCCESS
