"""Stream modes: what a follower is shown of the things that happen to a run.

The log says what happened and where the data lies; checkpoints and results never change. So every mode is a view
that is computed where it is read, and costs the workers nothing.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal, get_args

from graphs.channels import MISSING
from graphs.checkpoint import Checkpoint, Step
from graphs.commands import Interrupt
from graphs.graph import Graph
from graphs.schema import ROOT

from .checkpoints import StoredCheckpoint, in_place
from .connection import Connection
from .dialogue import Dialogue, waiting
from .errors import InvalidConfig, NodeFailed
from .failure import revived
from .following import Happening, LiveEvent
from .lifecycle import RunStatus
from .log import LogEntry
from .snapshots import Snapshots, result_shown

StreamMode = Literal["values", "updates", "custom", "tasks", "checkpoints", "debug", "messages", "tools"]

MODES: Final = get_args(StreamMode)
INTERRUPT: Final = "__interrupt__"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing shown to a follower."""

    mode: str
    data: Any
    #: Its place in the run, ``sequence-index``: a later reader goes on after it.
    id: str = ""
    ns: tuple[str, ...] = ()


def check_modes(stream_mode: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the stream modes that a caller asked for.

    Raises:
        InvalidConfig: a mode is not known.
    """
    modes = (stream_mode,) if isinstance(stream_mode, str) else tuple(stream_mode or ("updates",))
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown:
        raise InvalidConfig(f"Unknown stream mode {', '.join(map(repr, unknown))}; there are: {', '.join(MODES)}.")
    return modes


@dataclass
class View:
    """Turns what happens to one run into the parts of the modes asked for."""

    connection: Connection
    snapshots: Snapshots
    graph: Graph
    thread_id: str
    run_id: str
    modes: Collection[str]
    output_keys: str | Sequence[str] | None = None
    #: The checkpoint whose steps run now.
    _stored: StoredCheckpoint | None = None
    _announced: bool = False
    #: When the thing happened that is shown.
    _at_ms: int = 0
    #: Those of them that are still to run when the run takes the superstep up; None: all.
    _open: Collection[str] | None = None
    #: What they asked in this run, by step id.
    _asked: dict[str, tuple[Interrupt, ...]] = field(default_factory=dict)

    def parts(self, happening: Happening) -> Iterator[Part]:
        """Yield what is shown of one thing that happened."""
        for index, part in enumerate(self._shown(happening)):
            yield replace(part, id=f"{happening.seq}-{index}")

    def _shown(self, happening: Happening) -> Iterator[Part]:
        if isinstance(happening, LiveEvent):
            return self._part("custom", lambda: happening.value)
        self._at_ms = happening.at_ms
        shower = _SHOWERS.get(happening.kind)
        return iter(()) if shower is None else shower(self, happening)

    def _began(self, entry: LogEntry) -> Iterator[Part]:
        first = [self._load(checkpoint_id) for checkpoint_id in entry.data["checkpoints"]]
        self._stored = self._load(entry.data["checkpoint"])
        self._open = entry.data["steps"]
        yield from (part for stored in first[:-1] for part in self._checkpoint(stored))
        yield from self._values()
        yield from (part for stored in first[-1:] for part in self._checkpoint(stored))

    def _leased(self, entry: LogEntry) -> Iterator[Part]:
        yield from self._announce()
        if entry.kind == "leased" and entry.data["attempt"] == 1 and (step := self._step(entry)).handles:
            yield from self._task("task", partial(self._start, step))

    def _announce(self) -> Iterator[Part]:
        if self._announced:
            return
        self._announced = True
        for step in self._standing().steps:
            if self._open is None or step.id in self._open:
                yield from self._task("task", partial(self._start, step))

    def _committed(self, entry: LogEntry) -> Iterator[Part]:
        yield from self._leased(entry)
        if {"updates", "tasks", "debug"}.intersection(self.modes):
            step = self._step(entry)
            updates = self._results()[step.id].get("updates", ())
            yield from self._part("updates", lambda: {step.node: _update_shown(updates, self.graph)})
            yield from self._task("task_result", lambda: self._end(step, updates))
        if "checkpoint" in entry.data:
            yield from self._advanced(entry)

    def _advanced(self, entry: LogEntry) -> Iterator[Part]:
        wrote = any(result.get("updates") for result in self._results().values())
        self._stored = self._load(entry.data["checkpoint"])
        self._announced, self._open = False, None
        if wrote:
            yield from self._values()
        yield from self._checkpoint(self._stored)

    def _failed(self, entry: LogEntry) -> Iterator[Part]:
        yield from self._leased(entry)
        step = self._step(entry)
        error = self._error(entry, step)
        yield from self._task("task_result", lambda: self._end(step, (), error))

    def _error(self, entry: LogEntry, step: Step) -> Exception:
        failure = self._results().get(step.id, {}).get("error")
        if failure is not None:
            return revived(failure, self.thread_id, self.run_id)
        # A later run has tried the step again; of what happened in this one, the log has kept the words.
        return NodeFailed(self.thread_id, self.run_id, f"node {step.node!r} raised {entry.data['error']}")

    def _timed_out(self, entry: LogEntry) -> Iterator[Part]:
        # of an attempt that may be followed by another one, the log says no error
        return self._failed(entry) if "error" in entry.data else self._leased(entry)

    def _interrupted(self, entry: LogEntry) -> Iterator[Part]:
        if "step" not in entry.data:  # a breakpoint asks nothing
            yield from self._part("updates", lambda: {INTERRUPT: ()})
            return
        yield from self._leased(entry)
        step = self._step(entry)
        known = Dialogue.of(self._results().get(step.id, {})).asked
        asked = tuple(question for question in known if question.id in entry.data["questions"])
        self._asked[step.id] = asked  # as it was: who reads later finds some of them answered
        yield from self._part("updates", lambda: {INTERRUPT: asked})
        yield from self._task("task_result", partial(self._end, step, (), asked=asked))

    def _finished(self, entry: LogEntry) -> Iterator[Part]:
        results = self._results() if entry.data["status"] == RunStatus.INTERRUPTED else {}
        now = {step_id: waiting(result) for step_id, result in results.items()}
        asked = tuple(one for questions in (now | self._asked).values() for one in questions)
        if asked:
            yield from self._part("values", lambda: with_interrupts(self._values_shown(), asked))

    def _part(self, mode: str, data: Callable[[], Any]) -> Iterator[Part]:
        if mode in self.modes:
            yield Part(mode, data())

    def _values(self) -> Iterator[Part]:
        yield from self._part("values", self._values_shown)

    def _values_shown(self) -> Any:
        values, keys = self._standing().values, self.output_keys
        return self.graph.shown(values) if keys is None else self.graph.output_of(values, keys)

    def _checkpoint(self, stored: StoredCheckpoint) -> Iterator[Part]:
        if not {"checkpoints", "debug"}.intersection(self.modes):
            return
        shown = self._snapshot(stored.checkpoint.id)
        yield from self._part("checkpoints", lambda: shown)
        yield from self._debug("checkpoint", stored.checkpoint.number, shown)

    def _task(self, kind: str, data: Callable[[], Any]) -> Iterator[Part]:
        yield from self._part("tasks", data)
        if "debug" in self.modes:
            yield from self._debug(kind, self._standing().number + 1, data())

    def _debug(self, kind: str, step: int, payload: Any) -> Iterator[Part]:
        if "debug" in self.modes:
            at = datetime.fromtimestamp(self._at_ms / 1000, UTC).isoformat()
            yield Part("debug", {"step": step, "timestamp": at, "type": kind, "payload": payload})

    def _start(self, step: Step) -> dict[str, Any]:
        given = step.arg is not MISSING
        state = step.arg if given else self.graph.node(step.node).input.view(self._standing().values)
        return {"id": step.id, "name": step.node, "input": state, "triggers": step.triggers}

    def _end(
        self,
        step: Step,
        updates: Sequence[Mapping[str, Any]],
        error: Exception | None = None,
        asked: Sequence[Interrupt] = (),
    ) -> dict[str, Any]:
        result = {} if error is not None or asked else result_shown(updates, self.graph)
        shown = [asdict(question) for question in asked]
        return {"id": step.id, "name": step.node, "error": error, "result": result, "interrupts": shown}

    def _snapshot(self, checkpoint_id: str) -> dict[str, Any]:
        snapshot = self.snapshots.at(self.graph, self.thread_id, checkpoint_id)
        return {
            "config": snapshot.config,
            "parent_config": snapshot.parent_config,
            "values": snapshot.values,
            "metadata": snapshot.metadata,
            "next": sorted(snapshot.next),
            "tasks": [_task_shown(task._asdict()) for task in snapshot.tasks],
        }

    def _load(self, checkpoint_id: str) -> StoredCheckpoint:
        keys = self.connection.place(self.thread_id).keys
        return self.connection.checkpoints.load(keys, "", checkpoint_id, self.thread_id)

    def _standing(self) -> Checkpoint:
        if self._stored is None:
            raise RuntimeError("A view is shown a run from its beginning.")
        return self._stored.checkpoint

    def _step(self, entry: LogEntry) -> Step:
        due = self._standing().steps
        found = next((step for step in due if step.id == entry.data["step"]), None)
        handlers = in_place(due, self._results()) if found is None else ()
        return found or next(step for step in handlers if step.id == entry.data["step"])

    def _results(self) -> dict[str, Mapping[str, Any]]:
        keys = self.connection.place(self.thread_id).keys
        return self.connection.checkpoints.results(keys, "", self._standing().steps)


_SHOWERS: Mapping[str, Callable[[View, LogEntry], Iterator[Part]]] = {
    "started": View._began,
    "resumed": View._began,
    "leased": View._leased,
    "committed": View._committed,
    "advanced": View._advanced,
    "failed": View._failed,
    "timed out": View._timed_out,
    "interrupted": View._interrupted,
    "finished": View._finished,
}


def with_interrupts(values: Any, asked: Sequence[Interrupt], kind: type = tuple) -> Any:
    """Return a state as it is shown with the questions that wait: under a key of its own, alone for a bare value."""
    return {**(values if isinstance(values, dict) else {}), INTERRUPT: kind(asked)}


def _update_shown(updates: Sequence[Mapping[str, Any]], graph: Graph) -> Any:
    """Return a step's writes: None for none, the update itself, or one entry for each batch."""
    shown = [update.get(ROOT) if graph.state.is_root else dict(update) for update in updates]
    return None if not shown else shown[0] if len(shown) == 1 else shown


def _task_shown(task: dict[str, Any]) -> dict[str, Any]:
    shown = {key: task[key] for key in ("id", "name", "state")}
    shown["interrupts"] = tuple(asdict(question) for question in task["interrupts"])
    return shown | {key: task[key] for key in ("error", "result") if task[key] is not None}
