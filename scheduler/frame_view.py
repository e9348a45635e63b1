"""What a follower is shown of one frame of a run: a graph at its place, from the beginning of its call."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

from graphs.channels import MISSING
from graphs.checkpoint import PULL, PUSH, Checkpoint, Step
from graphs.commands import Interrupt
from graphs.graph import Graph
from graphs.outputs import INTERRUPT

from .chat import Chat
from .checkpoints import StoredCheckpoint, in_place
from .connection import Connection
from .dialogue import Dialogue, waiting
from .errors import NodeFailed
from .failure import revived
from .following import LiveEvent
from .lifecycle import RunStatus
from .log import LogEntry
from .parts import RETRACT, Part
from .runs import RunStore
from .shown import end_shown, in_start_order, update_shown, wrote_any
from .snapshots import Snapshots, snapshot_shown


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at a run."""

    connection: Connection
    snapshots: Snapshots
    thread_id: str
    run_id: str
    modes: Collection[str]
    #: The frame that is looked at, with what lies below it.
    ns: str = ""
    #: Which keys the values of that frame show; None: all.
    output_keys: str | Sequence[str] | None = None
    #: Whether values are shown as instances of their state's class.
    typed: bool = False
    #: Whether checkpoints are shown; without a checkpointer nobody could come back to one.
    saved: bool = True


@dataclass
class FrameView:
    """Turns what happens in one frame into parts."""

    look: Look
    graph: Graph
    ns: str = ""
    #: The ids of the run's messages -> the steps that said them.
    told: dict[Any, str] = field(default_factory=dict)
    #: The checkpoint whose steps run now.
    _stored: StoredCheckpoint | None = None
    _announced: bool = False
    #: When the thing happened that is shown.
    _at_ms: int = 0
    #: Those of them that are still to run when the run takes the superstep up; None: all.
    _open: Collection[str] | None = None
    #: What they asked in this run, by step id.
    _asked: dict[str, tuple[Interrupt, ...]] = field(default_factory=dict)
    #: Step id -> the attempt that runs, and whether it has shown something.
    _attempts: dict[str, int] = field(default_factory=dict)
    _showed: set[str] = field(default_factory=set)
    #: The tasks that its steps have called.
    _tasks: list[Step] = field(default_factory=list)
    #: The error handlers that have taken over from steps.
    _handlers: list[Step] = field(default_factory=list)

    def shown(self, entry: LogEntry) -> Iterator[Part]:
        """Yield what is shown of an entry of the log."""
        self._at_ms = entry.at_ms
        shower = _SHOWERS.get(entry.kind)
        return iter(()) if shower is None else shower(self, entry)

    def live(self, event: LiveEvent) -> Iterator[Part]:
        """Yield what a node shows while it runs; what an attempt says that was given up is not heard."""
        if event.mode == "tasks":
            self._tasks.append(Step(event.step_id, event.node, (PUSH, len(self._tasks)), (PUSH,)))
        if event.attempt < self._attempts.get(event.step_id, 0) or event.mode not in self.look.modes:
            return
        self._showed.add(event.step_id)
        origin = {
            "thread": self.look.thread_id,
            "run": self.look.run_id,
            "step": event.step_id,
            "node": event.node,
            "attempt": event.attempt,
        }
        if event.mode != "messages":
            yield Part(event.mode, event.value, origin=origin)
            return
        for step in (*self._standing().steps, *self._handlers, *self._tasks):
            if step.id == event.step_id:  # else its superstep is closed, and it does not know yet
                said = self._chat.live(event.value, step, self._standing().number + 1, event.attempt)
                yield Part("messages", said, origin=origin)

    @cached_property
    def _chat(self) -> Chat:
        run = RunStore(self.look.connection).get(self.look.thread_id, self.look.run_id)
        return Chat(self.graph, run, self.ns, self.told)

    def _began(self, entry: LogEntry) -> Iterator[Part]:
        first = [self._load(checkpoint_id) for checkpoint_id in entry.data["checkpoints"]]
        self._stored = self._load(entry.data["checkpoint"])
        self._open = entry.data["steps"]
        yield from (part for stored in first[:-1] for part in self._checkpoint(stored))
        if not self.graph.is_entrypoint or entry.kind == "resumed":  # an input alone changes no result
            yield from self._values()
        yield from self._checkpoint(self._stored)

    def _leased(self, entry: LogEntry) -> Iterator[Part]:
        yield from self._retracted(entry)
        yield from self._announce()
        yield from self._taken_over(entry)

    def _taken_over(self, entry: LogEntry) -> Iterator[Part]:
        """Announce an error handler when it begins."""
        steps = in_place(self._standing().steps, self._results()) if entry.data["node"] in self.graph.handlers else []
        for step in steps:
            if step.id == entry.data["step"] and step not in self._handlers:
                self._handlers.append(step)
                yield from self._task("task", partial(self._start, step))

    def _retracted(self, entry: LogEntry) -> Iterator[Part]:
        """Take back what an earlier attempt showed: this one begins anew."""
        step_id, attempt = entry.data["step"], entry.data["attempt"]
        if step_id in self._showed:
            self._showed.discard(step_id)
            self._chat.forget(step_id)
            data = {"step": step_id, "node": entry.data["node"], "attempt": self._attempts.get(step_id, attempt)}
            yield from self._part(RETRACT, lambda: data)
        self._attempts[step_id] = attempt

    def _announce(self) -> Iterator[Part]:
        if self._announced:
            return
        self._announced = True
        for step in in_start_order(self._standing().steps):
            if self._open is None or step.id in self._open:
                yield from self._task("task", partial(self._start, step))

    def _committed(self, entry: LogEntry) -> Iterator[Part]:
        yield from self._announce()
        if {"updates", "tasks", "debug", "messages"}.intersection(self.look.modes):
            step = self._step(entry)
            updates = self._result(step).get("updates", ())
            yield from self._messages(entry, step, updates)
            cached = {"__metadata__": {"cached": True}} if entry.data.get("cached") else {}
            yield from self._part("updates", lambda: {step.node: update_shown(updates, self._keys), **cached})
            if not cached:
                yield from self._task("task_result", lambda: end_shown(step, updates))
        if "checkpoint" in entry.data:
            yield from self._advanced(entry)

    def _messages(self, entry: LogEntry, step: Step, updates: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
        if "messages" in self.look.modes:
            said = self._chat.finished(updates, step, self._standing(), entry.data["attempt"])
            yield from (Part("messages", one) for one in said)

    def _advanced(self, entry: LogEntry) -> Iterator[Part]:
        wrote = any(wrote_any(result.get("updates", ()), self._keys) for result in self._results().values())
        self._stored = self._load(entry.data["checkpoint"])
        self._announced, self._open = False, None
        self._tasks.clear()
        self._handlers.clear()
        if wrote:
            yield from self._values()
        yield from self._checkpoint(self._stored)

    def _failed(self, entry: LogEntry) -> Iterator[Part]:
        yield from self._announce()
        step = self._step(entry)
        error = self._error(entry, step)
        yield from self._task("task_result", lambda: end_shown(step, (), error))

    def _error(self, entry: LogEntry, step: Step) -> Exception:
        failure = self._result(step).get("error")
        if failure is not None:
            return revived(failure, self.look.thread_id, self.look.run_id)
        # A later run has tried the step again; of what happened in this one, the log has kept the words.
        return NodeFailed(self.look.thread_id, self.look.run_id, f"node {step.node!r} raised {entry.data['error']}")

    def _timed_out(self, entry: LogEntry) -> Iterator[Part]:
        # of an attempt that may be followed by another one, the log says no error
        return self._failed(entry) if "error" in entry.data else self._announce()

    def _interrupted(self, entry: LogEntry) -> Iterator[Part]:
        if "step" not in entry.data:  # a breakpoint asks nothing
            yield from self._part("updates", lambda: {INTERRUPT: ()})
            return
        yield from self._announce()
        step = self._step(entry)
        asked = tuple(one for one in Dialogue.of(self._result(step)).asked if one.id in entry.data["questions"])
        self._asked[step.id] = asked  # as it was: who reads later finds some of them answered
        if asked or "why" not in entry.data:  # of a limit that is reached, the run says so
            yield from self._part("updates", lambda: {INTERRUPT: asked})
        yield from self._task("task_result", partial(end_shown, step, (), asked=asked))

    def _returned(self, entry: LogEntry) -> Iterator[Part]:
        if entry.data["outcome"].startswith("breakpoint"):
            yield from self._part("updates", lambda: {INTERRUPT: ()})
        yield from self._questions(entry.data["outcome"])

    def _finished(self, entry: LogEntry) -> Iterator[Part]:
        yield from self._questions(entry.data["status"])

    def _questions(self, ended_as: str) -> Iterator[Part]:
        results = self._results() if ended_as == RunStatus.INTERRUPTED else {}
        now = {step_id: waiting(result) for step_id, result in results.items()}
        asked = tuple(one for questions in (now | self._asked).values() for one in questions)
        if asked and "values" in self.look.modes:
            yield Part("values", None if self.graph.is_entrypoint else self._values_shown(), interrupts=asked)

    def _part(self, mode: str, data: Callable[[], Any]) -> Iterator[Part]:
        if mode in self.look.modes:
            yield Part(mode, data())

    def _values(self) -> Iterator[Part]:
        yield from self._part("values", self._values_shown)

    def _values_shown(self) -> Any:
        values = self._standing().values
        if self._keys is not None:
            return self.graph.output_of(values, self._keys)
        return self.graph.typed(values) if self.look.typed else self.graph.shown(values)

    @property
    def _keys(self) -> str | Sequence[str] | None:
        """The keys that are shown; what runs inside is shown whole."""
        return self.look.output_keys if self.ns == self.look.ns else None

    def _checkpoint(self, stored: StoredCheckpoint) -> Iterator[Part]:
        if not self.look.saved or not {"checkpoints", "debug"}.intersection(self.look.modes):
            return
        shown = self._snapshot(stored.checkpoint)
        yield from self._part("checkpoints", lambda: shown)
        yield from self._debug("checkpoint", stored.checkpoint.number, shown)

    def _task(self, kind: str, data: Callable[[], Any]) -> Iterator[Part]:
        yield from self._part("tasks", data)
        if "debug" in self.look.modes:
            yield from self._debug(kind, self._standing().number + 1, data())

    def _debug(self, kind: str, step: int, payload: Any) -> Iterator[Part]:
        if "debug" in self.look.modes:
            at = datetime.fromtimestamp(self._at_ms / 1000, UTC).isoformat()
            yield Part("debug", {"step": step, "timestamp": at, "type": kind, "payload": payload})

    def _start(self, step: Step) -> dict[str, Any]:
        given = step.arg is not MISSING
        state = step.arg if given else self.graph.node(step.node).input.view(self._standing().values)
        return {"id": step.id, "name": step.node, "input": state, "triggers": step.triggers}

    def _snapshot(self, checkpoint: Checkpoint) -> dict[str, Any]:
        snapshot = self.look.snapshots.at(self.graph, self.look.thread_id, checkpoint.id, self.ns)
        return snapshot_shown(snapshot, self.graph.typed(checkpoint.values) if self.look.typed else snapshot.values)

    def _load(self, checkpoint_id: str) -> StoredCheckpoint:
        keys = self.look.connection.place(self.look.thread_id).keys
        return self.look.connection.checkpoints.load(keys, self.ns, checkpoint_id, self.look.thread_id)

    def _standing(self) -> Checkpoint:
        if self._stored is None:
            raise RuntimeError("A view is shown a run from its beginning.")
        return self._stored.checkpoint

    def _step(self, entry: LogEntry) -> Step:
        id_, node = entry.data["step"], entry.data["node"]
        steps = (*self._standing().steps, *self._handlers)
        return next((step for step in steps if step.id == id_), Step(id_, node, (PULL, node), ()))

    def _result(self, step: Step) -> Mapping[str, Any]:
        return self._results([step]).get(step.id, {})

    def _results(self, steps: Sequence[Step] | None = None) -> dict[str, Mapping[str, Any]]:
        keys, standing = self.look.connection.place(self.look.thread_id).keys, self._standing()
        wanted = standing.steps if steps is None else steps
        return self.look.connection.checkpoints.results(keys, self.ns, wanted, standing.id)


_SHOWERS: Mapping[str, Callable[[FrameView, LogEntry], Iterator[Part]]] = {
    "started": FrameView._began,
    "resumed": FrameView._began,
    "called": FrameView._began,
    "leased": FrameView._leased,
    "committed": FrameView._committed,
    "task": FrameView._committed,
    "advanced": FrameView._advanced,
    "failed": FrameView._failed,
    "timed out": FrameView._timed_out,
    "interrupted": FrameView._interrupted,
    "returned": FrameView._returned,
    "finished": FrameView._finished,
}
