"""The demo: a graph reads documents on real workers, one of which may be killed; a person approves what it found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from graphs.graph import Graph
from scheduler.following import Happening, LiveEvent
from scheduler.lifecycle import RunStatus, ThreadStatus

from .desk import Desk, config_for
from .documents import Documents
from .exits import ExitCode
from .fleet import Child, Fleet, Role
from .progress import Progress
from .rendering import duration, say

GRAPH = "research"
READERS = 4
_PAUSED_BEFORE = "write_report"

#: For how long each reader reads: long enough to watch, and to be killed in the middle.
_READING_S, _READING_WITH_CRASH_S = 1.5, 5.0
#: A reader with fewer documents than this has no middle.
_ENOUGH = 2 * READERS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person says to the draft."""

    approved: bool
    comment: str = ""

    def update(self) -> dict[str, Any] | None:
        """Return what is written to the thread before it goes on; None for nothing."""
        if self.approved:
            return {"comment": self.comment} if self.comment else None
        return {"approved": False, "comment": self.comment}


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall happen."""

    thread_id: str
    documents: Documents
    report: Path
    question: str
    #: Whether a worker is killed.
    crash: bool
    #: How many workers.
    workers: int
    #: Asks for the verdict on a draft; None: nobody is there, and the thread stays paused.
    judge: Callable[[str], Verdict | None]
    environment: Mapping[str, str]

    def input(self) -> dict[str, Any]:
        """Return the graph's input."""
        reading_s = _READING_WITH_CRASH_S if self.crash else _READING_S
        of_each = -(-self.documents.count // READERS)
        return {
            "folder": str(self.documents.folder),
            "pattern": self.documents.pattern,
            "question": self.question or None,
            "output": str(self.report),
            "pace_s": round(reading_s / of_each, 3),
        }


class Demo:
    """Plays a plan.

    Args:
        plan: what shall happen.
        desk: the store.
        fleet: in which the workers are started.
        out: where it is shown.
        as_json: whether for a program.
    """

    def __init__(self, plan: Plan, desk: Desk, fleet: Fleet, out: Console, *, as_json: bool = False) -> None:
        self._plan = plan
        self._desk = desk
        self._fleet = fleet
        self._out = out
        self._as_json = as_json
        self._progress = Progress(desk, out, writes=False, as_json=as_json)
        self._names = (f"demo{number}" for number in range(1, 1_000))
        self._killed = not plan.crash

    def play(self) -> ExitCode:
        """Play it to its end, or until it waits for a person who is not there."""
        self._fleet.start(Role("scheduler", ("scheduler", "--leashed"), self._plan.environment, stage=1))
        for _ in range(self._plan.workers):
            self._start_worker()
        run_id: str | None = self._active_run() or self._begin()
        while run_id is not None:
            status = self._progress.follow(self._plan.thread_id, run_id, self._look)
            if status is not RunStatus.INTERRUPTED:
                return self._tell_end(run_id)
            run_id = self._after_pause(run_id)
        return ExitCode.OK

    def _start_worker(self) -> None:
        name = next(self._names)
        arguments = ("worker", "--leashed", "-c", "2", "-n", name)
        self._fleet.start(Role(name, arguments, self._plan.environment))
        self._say(f"Worker {name} starts, with 2 processes.")

    def _active_run(self) -> str | None:
        """Return the run to follow of a thread that was begun in an earlier demo."""
        thread = self._desk.client.threads.find(self._plan.thread_id)
        if thread is None:
            return None
        if thread.status is ThreadStatus.RUNNING:
            return thread.run_id
        if thread.status is ThreadStatus.PAUSED:
            return self._desk.client.runs.recent(thread.id, 1)[0].id
        return self._go_on(None)

    def _begin(self) -> str:
        config = config_for(self._plan.thread_id, {"metadata": {"demo": True}})
        return self._desk.client.start(self._graph(), config, self._plan.input()).run.id

    def _go_on(self, update: dict[str, Any] | None) -> str:
        graph, config = self._graph(), config_for(self._plan.thread_id)
        if update is not None:
            self._desk.client.editor.update(graph, config, update, None)
        return self._desk.client.start(graph, config, None).run.id

    def _after_pause(self, run_id: str) -> str | None:
        """Ask the person, and return the run that follows; None when there is nobody to ask."""
        run = self._desk.client.runs.get(self._plan.thread_id, run_id)
        if run.error is not None:
            self._say(f"The run is parked: {run.error['message']}")
            return None
        state = self._desk.client.snapshots.current(self._graph(), config_for(self._plan.thread_id), None)
        self._say(f"The thread is paused before {', '.join(state.next)}: a person is asked. No process waits for that.")
        verdict = self._plan.judge(state.values["draft"])
        return None if verdict is None else self._go_on(verdict.update())

    def _look(self, happening: Happening | None) -> None:
        self._fleet.tend()
        victim = None if self._killed or happening is None else self._victim(happening)
        if victim is not None:
            self._kill(victim)

    def _victim(self, happening: Happening) -> str | None:
        """Return the worker to kill: that of a reader which is in the middle of its documents."""
        if isinstance(happening, LiveEvent):
            step_id, node = happening.step_id, happening.node
            in_the_middle = node.startswith("read_") and happening.value["done"] < happening.value["of"]
        else:
            step_id, node = str(happening.data.get("step")), str(happening.data.get("node"))
            in_the_middle = happening.kind == "leased" and self._plan.documents.count < _ENOUGH
        return self._worker_of(step_id) if in_the_middle and node.startswith("read_") else None

    def _worker_of(self, step_id: str) -> str | None:
        pending = self._desk.client.threads.pending(self._plan.thread_id)
        return next((step.worker for step in pending if step.id == step_id), None)

    def _kill(self, worker: str) -> None:
        child = self._child_of(worker)
        if child is None:
            return
        self._killed = True
        pending = self._desk.client.threads.pending(self._plan.thread_id)
        lost = ", ".join(step.node for step in pending if step.worker == worker)
        self._fleet.kill(child)
        self._say(
            f"Worker {child.role.name} (process group {child.pid}) was killed with SIGKILL, in the middle of {lost}."
        )
        self._say("Nobody told the scheduler: it sees the leases run out, and sends the steps to other workers.")
        self._start_worker()

    def _child_of(self, worker: str) -> Child | None:
        name = worker.partition("@")[0]
        return next((child for child in self._fleet.children if child.role.name == name), None)

    def _tell_end(self, run_id: str) -> ExitCode:
        run = self._desk.client.runs.get(self._plan.thread_id, run_id)
        if run.error is not None:
            self._say(f"The run ended with {run.status}: {run.error['repr']}")
        if not self._killed:
            self._say("No worker was killed: none was seen in the middle of its documents.")
        self._tell_log()
        if run.error is not None:
            return ExitCode.FAILED
        output = self._desk.client.result(self._graph(), self._plan.thread_id, run_id)
        self._say(f"The report is {output['status']}: {output['report']}")
        return ExitCode.OK

    def _tell_log(self) -> None:
        """Say what it took, by the log, and prove that nobody has touched it."""
        thread_id, entries = self._plan.thread_id, list(self._desk.client.log.read(self._plan.thread_id))
        kinds = [entry.kind for entry in entries]
        begun = {entry.run_id: entry.at_ms for entry in entries if entry.kind in ("started", "resumed")}
        ran_ms = sum(entry.at_ms - begun[entry.run_id] for entry in entries if entry.kind == "finished")
        self._say(
            f"By its log, thread {thread_id} finished {kinds.count('committed')} steps in {kinds.count('leased')} "
            f"attempts, lost its worker {kinds.count('lost worker')} times, and ran for {duration(ran_ms)}."
        )
        broken = self._desk.client.log.verify(thread_id)
        self._say(f"The hash chain over its {len(entries)} log entries holds." if broken is None else broken)

    def _graph(self) -> Graph:
        return self._desk.graphs[GRAPH]

    def _say(self, text: str) -> None:
        say(self._out, text, "bold", as_json=self._as_json)
