"""What a process does with threads from the outside: start runs, follow them, read and edit state."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from graphs.checks import shown
from graphs.commands import Command, Interrupt
from graphs.frames import Root
from graphs.graph import Graph
from graphs.outputs import GraphOutput
from graphs.routing import Caller

from .absence import ThreadArchived
from .archives import ArchiveStore
from .budget import question_of
from .config import QUEUED, RunConfig
from .connection import Connection
from .editing import Editor
from .errors import CursorMoved, InvalidConfig, RunNotFound, ThreadBusy, TransitionNotAllowed
from .failure import raised_at_root
from .following import Follower
from .frame_view import Look
from .lifecycle import RunStatus
from .log import Log
from .parts import Part, with_interrupts
from .pruning import Pruning
from .queues import Queues
from .run import Run
from .runs import RunStore
from .snapshots import Snapshots
from .starting import Starter
from .storing import Started
from .threads import ThreadStore
from .views import View
from .waiting import Start

_PART_ID = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)


class Client:
    """Every verb on threads, over one connection.

    Args:
        connection: the store.
        call: how a function of the user's is called, plain or async.
    """

    def __init__(self, connection: Connection, call: Caller) -> None:
        self.connection = connection
        self.threads = ThreadStore(connection)
        self.runs = RunStore(connection)
        self.log = Log(connection)
        self.snapshots = Snapshots(connection)
        self.archives = ArchiveStore(connection, self.threads)
        self.pruning = Pruning(connection, self.threads)
        self.editor = Editor(connection, self.threads, call)
        self._starter = Starter(connection, self.threads, call)
        self._queues = Queues(connection, self._starter.run_of)
        self._follower = Follower(connection)

    def start(self, graph: Graph, config: RunConfig, value: Any, context: Any = None) -> Started:
        """Begin a run, or do on a busy thread what the config says: wait, or let the input wait for its turn.

        Raises:
            ThreadBusy: another run is active, and the config does not say to wait.
            ThreadArchived: it is in a file, and the config does not say to restore it.
            EmptyInputError, InvalidInput, CheckpointNotFound, TransitionNotAllowed: it cannot begin.
        """
        if config.trace is not None:  # it has waited, and goes on with the trace of whoever let it wait
            return self._start(graph, config, value, context)

        def start(trace: str | None) -> Started:
            return self._start(graph, replace(config, trace=trace) if trace else config, value, context)

        return self.connection.witness.begin(graph.name, config.thread_id, start, self._before)

    def _before(self, started: Started) -> Run | None:
        return self.runs.before(started.run)

    def _start(self, graph: Graph, config: RunConfig, value: Any, context: Any) -> Started:
        while True:
            try:
                return self._starter.start(graph, config, value, context)
            except ThreadBusy as busy:
                queued = self._queued(busy, Start(graph, config, value, context))
                if queued is not None:
                    return queued
            except ThreadArchived:
                if config.on_archived != "restore":
                    raise
                self._bring_back(config.thread_id)
            except CursorMoved:  # a run began and ended between reading the thread and writing to it: read again
                continue

    def run_of(self, graph: Graph, config: RunConfig, context: Any = None) -> Run:
        """Return a run as it would be begun now, for one that begins later.

        Raises:
            UnknownNode: it shall pause at a node that the graph does not have.
        """
        return self._starter.run_of(graph, config, context)

    def _queued(self, busy: ThreadBusy, start: Start) -> Started | None:
        """Return a run that waits for its turn on a busy thread; None, once it is worth trying to begin again."""
        if self.runs.look_at(busy.thread_id, busy.run_id):
            return None  # nobody runs it any more, and no scheduler has noticed
        if _is_queued(start.config, start.input):
            return self._queues.put(start, busy.run_id)  # None: it has become free, or another run is active by now
        if start.config.on_busy != "wait":
            raise busy
        with suppress(RunNotFound):  # then its thread was deleted, and nothing is in the way
            self.wait(busy.thread_id, busy.run_id)
        return None

    def _bring_back(self, thread_id: str) -> None:
        with suppress(TransitionNotAllowed):  # somebody else has
            self.archives.restore(thread_id)

    def wait(self, thread_id: str, run_id: str, timeout_s: float | None = None) -> RunStatus:
        """Wait until a run has ended and return its status.

        Raises:
            RunNotFound: the thread has no such run.
            TimeoutError: it is still active after ``timeout_s`` seconds; it goes on.
        """
        run = self.runs.get(thread_id, run_id)
        if not run.status.is_final:
            deadline = None if timeout_s is None else time.monotonic() + timeout_s
            for _ in self._follower.follow(thread_id, run_id, run.log_start, deadline):
                pass
        return self.runs.status(thread_id, run_id)

    def stream(self, following: "Following", after: str | None = None) -> Iterator[Part]:
        """Yield the parts of a run, live, from its beginning or after a part's id, until it has ended.

        Raises:
            RunNotFound: the run was deleted meanwhile.
        """
        start = None if after is None else _place(after)
        run = self.runs.get(following.thread_id, following.run_id)
        look = Look(
            self.connection,
            self.snapshots,
            run.thread_id,
            run.id,
            following.modes,
            output_keys=following.output_keys,
            typed=following.typed,
            saved=following.saved,
        )
        view = View(look, Root(following.graph), following.subgraphs)
        # What a part shows depends on what came before it, so the view is shown the run from its beginning.
        for happening in self._follower.follow(run.thread_id, run.id, run.log_start):
            yield from (part for part in view.parts(happening) if start is None or _place(part.id) > start)

    def result(self, graph: Graph, thread_id: str, run_id: str, keys: str | Sequence[str] | None = None) -> Any:
        """Return the output of a run that ended, with the questions that wait among its keys.

        Raises:
            RunTimeout, RunCancelled, WorkerLost, GraphChanged, NodeFailed: as ``outcome`` does.
        """
        output = self.output(graph, thread_id, run_id, keys)
        return with_interrupts(output.value, output.interrupts, list) if output.interrupts else output.value

    def outcome(self, thread_id: str, run_id: str) -> Run:
        """Return a run that ended without failure.

        Raises:
            RunTimeout, RunCancelled, WorkerLost, GraphChanged, NodeFailed: it failed; an error of Python's own or of
                Treadle's that a node raised comes back as itself.
        """
        run = self.runs.get(thread_id, run_id)
        if run.error is not None:
            raise raised_at_root(run.error, thread_id, run_id)
        return run

    def output(
        self, graph: Graph, thread_id: str, run_id: str, keys: str | Sequence[str] | None = None
    ) -> GraphOutput[Any]:
        """Return the graph's output of a run that ended, from the state it left, and the questions that wait.

        Raises:
            RunTimeout, RunCancelled, WorkerLost, GraphChanged, NodeFailed: as ``outcome`` does.
        """
        run = self.outcome(thread_id, run_id)
        spent = (Interrupt(question_of(run.id, run.breach), f"budget-{run.id}"),) if run.breach else ()
        if run.checkpoint is None:
            return GraphOutput(graph.output_of({}, keys), spent)
        at, checkpoints = self.connection.place(thread_id).keys, self.connection.checkpoints
        checkpoint = checkpoints.load(at, "", run.checkpoint, thread_id).checkpoint
        output = graph.output_of(checkpoint.values, keys)
        if run.status is not RunStatus.INTERRUPTED:
            return GraphOutput(output)
        waiting = checkpoints.questions(at, "", checkpoint).values()
        asked = (*(one for questions in waiting for one in questions), *spent)
        return GraphOutput(None if asked and graph.is_entrypoint else output, asked)


@dataclass(frozen=True, slots=True)
class Following:
    """Which run somebody follows, and what of it they want to see."""

    graph: Graph
    thread_id: str
    run_id: str
    modes: Sequence[str]
    output_keys: str | Sequence[str] | None = None
    #: Whether what happens in the frames below the root is shown.
    subgraphs: bool = False
    #: Whether values are shown as instances of their state's class.
    typed: bool = False
    #: Whether checkpoints are shown.
    saved: bool = True


def _is_queued(config: RunConfig, value: Any) -> bool:
    """Return whether the store holds an input for which a thread is busy; answers, and going on, are for now."""
    return config.on_busy in QUEUED and value is not None and not isinstance(value, Command)


def _place(part_id: str) -> tuple[int, int]:
    if not isinstance(part_id, str) or not _PART_ID.fullmatch(part_id):
        raise InvalidConfig(f"{shown(part_id)} is not the id of a part; a stream's parts carry theirs.")
    seq, _, index = part_id.partition("-")
    return int(seq), int(index)
