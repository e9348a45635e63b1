"""A graph that a function calls: run where the function runs, in a frame of its own, under the lease of its step."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from typing import Any

from graphs.frames import Root
from graphs.interrupts import GraphInterrupt
from graphs.outputs import GraphOutput
from graphs.signals import ParentCommand
from scheduler.aside import begin_aside
from scheduler.calls import Call, Calls
from scheduler.errors import LeaseLost
from scheduler.failure import revived
from scheduler.following import Follower
from scheduler.frame_view import Look
from scheduler.log import LogEntry
from scheduler.parts import Part
from scheduler.snapshots import Snapshots
from scheduler.views import View

from .attempt import Local, command_of
from .inline import InlineRunner

#: How long after a step has fallen asleep it is known whether anything else runs.
_LAST_WORDS_S = 0.2


class BodyExecution:
    """A graph that a node has called: seen through to its output, or followed."""

    def __init__(self, calls: Calls, runner: InlineRunner, call: Call, local: Local, children: dict[str, str]) -> None:
        self._calls = calls
        self._runner = runner
        self._call = call
        self._local = local
        self._children = children
        self._background: Future[None] | None = None
        self._after = 0

    def begin(self) -> None:
        """Run the graph on a thread of its own, so that it can be followed from this one."""
        self._after = self._calls.connection.log_end(self._call.claim.ref.thread_id)
        self._background = begin_aside(self._run_here)

    def output(self, keys: str | Sequence[str] | None = None) -> GraphOutput[Any]:
        """Return the graph's output.

        Raises:
            GraphInterrupt: the graph asks; the step asks with it.
            Asleep: the graph sleeps, and the step with it.
            ParentCommand: a node's Command is for the graph that calls.
            LeaseLost: the step's lease is gone, and with it the frame.
            Exception: what a node of the graph raised.
        """
        call, ref = self._call, self._call.claim.ref
        if self._background is not None:
            self._background.result()
        else:
            self._run_here()
        back = self._calls.outcome(call.claim, call.ns)
        if back is None:
            raise LeaseLost(ref.thread_id, ref.step_id)
        error = None
        if back.failure is not None:  # the very exception, where it was raised in this process
            error = self._local.raised(back.failure) or revived(back.failure, ref.thread_id, ref.run_id)
        if back.kind == "interrupted":
            raise GraphInterrupt(back.questions, refused=error)
        if error is not None:
            raise error
        left = self._calls.left(call.claim, call.ns, back.cursor, keeps=call.keeps)
        self._children |= left.children
        if back.command is not None:
            raise ParentCommand(command_of(back.command))
        return GraphOutput(call.graph.output_of(left.values, keys))

    def parts(self, modes: Sequence[str], *, subgraphs: bool = False, **shown: Any) -> Iterator[Part]:
        """Yield what happens in the graph, live; ``shown`` is as for Look."""
        connection, call = self._calls.connection, self._call
        ref = call.claim.ref
        snapshots = Snapshots(connection)
        look = Look(connection, snapshots, ref.thread_id, ref.run_id, modes, call.ns, **shown)
        view = View(look, Root(call.graph, call.ns), subgraphs)
        asleep: set[str] = set()
        for happening in Follower(connection).follow_frame(ref.thread_id, ref.run_id, call.ns, self._after):
            yield from view.parts(happening)
            if isinstance(happening, LogEntry) and self._rests(happening, asleep):
                return

    def _rests(self, entry: LogEntry, asleep: set[str]) -> bool:
        """Return whether all that is left of the graph sleeps: then it is not here that it goes on."""
        if entry.kind == "slept":
            asleep.add(entry.data["step"])
        elif entry.kind == "leased":
            asleep.discard(entry.data["step"])
        return bool(asleep and self._background and wait([self._background], _LAST_WORDS_S).done)

    def abandon(self) -> None:
        """Do nothing: the graph ends with the step that called it."""

    def _run_here(self) -> None:
        call = self._call
        progress = self._calls.enter(call)
        limit = call.claim.run.config.get("max_concurrency")
        self._runner.drain(Root(call.graph, call.ns), progress.orders, self._local, limit)
