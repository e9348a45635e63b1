"""What a run begins with: a new input, what a thread has due, answers, or an old checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphs.checkpoint import Checkpoint, Result, Step
from graphs.commands import START, Command
from graphs.errors import EmptyInputError
from graphs.graph import Graph
from graphs.planner import plan_command, plan_fork, plan_input, plan_next
from graphs.routing import Caller, fresh, outside_of_steps, route
from graphs.updates import Update, written

from .answers import assigned
from .checkpoints import Encoded, Origin, StoredCheckpoint, in_place
from .connection import Connection
from .dialogue import Dialogue, waiting
from .ids import new_checkpoint_id
from .lifecycle import ThreadEvent
from .run import Run

#: Step id -> what is known of its outcome: ``updates`` and ``goto``, an ``error``, ``interrupts``, ``answers``.
Known = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a run begins."""

    graph: Graph
    run: Run
    #: The checkpoint to go on from; None on a new thread.
    head: StoredCheckpoint | None
    #: The checkpoint that the thread stands on.
    cursor: str | None
    #: Whether the caller named the checkpoint.
    named: bool = False
    #: The frame, and where the graphs above it stand.
    ns: str = ""
    parents: Mapping[str, str] = field(default_factory=dict)

    @property
    def branching(self) -> bool:
        """Whether the run begins a new branch of history."""
        return self.head is not None and self.head.checkpoint.id != self.cursor


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is stored with a run when it begins."""

    encoded: Sequence[Encoded]
    results: Mapping[str, bytes]
    head: Checkpoint
    steps: Sequence[Step]
    event: ThreadEvent
    #: Whether all steps have their results, and only the superstep waits to be closed.
    done: bool = False
    #: Those of the steps that have answers to be replayed.
    resumed: frozenset[str] = field(default_factory=frozenset)


class Beginnings:
    """Plans how runs begin; stores nothing."""

    def __init__(self, connection: Connection, call: Caller) -> None:
        self._connection = connection
        self._call = call

    def plan(self, stand: Stand, value: Any) -> Beginning:
        """Return what a run begins with; ``value`` is an input, a Command, or None.

        Raises:
            EmptyInputError: there is no input and nothing to go on from.
            AlreadyResumed, AmbiguousAnswer: a Command's answer is for no question, or for more than one.
            InvalidInput, InvalidUpdateError, NotSerializable, StateTooLarge: the value does not fit.
        """
        if value is None:
            return self._going_on(stand)
        if not isinstance(value, Command):
            return self.entered(stand, stand.graph.input.read(value))
        if stand.head is None:
            return self._steered(stand, value, {}, replace(self._arrived(stand), steps=()))
        head = stand.head.checkpoint
        known = self._known(stand, head)
        answers = _answers(stand, known, value.resume)
        if value.update is None and not value.targets:
            return self._opened(head, known, answers)
        return self._steered(stand, value, _answered(known, answers), head)

    def resumed(self, stand: Stand, head: Checkpoint, answers: Mapping[str, Any]) -> Beginning:
        """Return how a frame goes on from where it stands, with answers by the ids of their questions.

        Raises:
            NotSerializable: an answer cannot be stored.
        """
        return self._opened(head, self._known(stand, head), answers)

    def entered(self, stand: Stand, update: Update) -> Beginning:
        """Return how a graph begins with an input that was read already.

        Raises:
            InvalidUpdateError, NotSerializable, StateTooLarge: the state cannot take it.
        """
        first = self._encoded(stand, self._arrived(stand), stand.head, branching=stand.branching)
        return self._applied(stand, first, (update,), ThreadEvent.START)

    def _applied(self, stand: Stand, first: Encoded, updates: Sequence[Update], event: ThreadEvent) -> Beginning:
        """Begin with an input that has arrived: START is the one step that nobody has to run."""
        arrived, graph = first.stored.checkpoint, stand.graph
        offered = outside_of_steps(stand.run.config)
        goto = route(graph, START, fresh(graph, arrived.values, tuple(updates)), offered, self._call)
        result = Result(arrived.steps[0], tuple(updates), goto)
        applied = plan_next(graph, arrived, [result], new_checkpoint_id(arrived.id), stand.ns)
        second = self._encoded(stand, applied, first.stored)
        results = {result.step.id: self._connection.checkpoints.encode_result(result)}
        return Beginning([first, second], results, applied, applied.steps, event)

    def _going_on(self, stand: Stand) -> Beginning:
        if stand.head is None:
            raise EmptyInputError(f"Received no input, and thread {stand.run.thread_id!r} has nothing to go on from.")
        head = stand.head.checkpoint
        if stand.named and (stand.branching or head.source not in ("update", "fork")):
            return self._forked(stand, head)
        return self._opened(head, self._known(stand, head), {})

    def _forked(self, stand: Stand, head: Checkpoint) -> Beginning:
        fork = plan_fork(head, new_checkpoint_id(stand.cursor))
        first = self._encoded(stand, fork, stand.head, branching=stand.branching)
        if [step.node for step in fork.steps] != [START]:
            return Beginning([first], {}, fork, fork.steps, ThreadEvent.RESUME)
        replayed = self._known(stand, head)[head.steps[0].id]["updates"]  # the input itself
        return self._applied(stand, first, replayed, ThreadEvent.RESUME)

    def _opened(self, head: Checkpoint, known: Known, answers: Mapping[str, Any]) -> Beginning:
        """Open what is unfinished; where answers came in, the questions that got none go on waiting."""
        answered = _answered(known, answers)
        answered_here = {id_ for id_ in known if answered[id_] is not known[id_]}
        unanswered = {id_ for id_, result in answered.items() if answers and waiting(result)} - answered_here
        steps = in_place(head.steps, answered)
        due = [step for step in steps if _is_open(answered, step) and step.id not in unanswered]
        if not due:  # nothing is due, or all has finished and was never closed: then any step leads there
            return Beginning([], {}, head, head.steps[:1], ThreadEvent.RESUME, done=True)
        results = {id_: self._connection.checkpoints.encode_known(answered[id_], "The answer") for id_ in answered_here}
        resumed = frozenset(step.id for step in due if _has_answers(answered, step))
        return Beginning([], results, head, due, ThreadEvent.RESUME, resumed=resumed)

    def _steered(self, stand: Stand, command: Command, known: Known, head: Checkpoint) -> Beginning:
        """Write a Command's update and go where it says, beside what is due; what has finished stays finished."""
        said = written(command, stand.graph.channels)
        after = plan_command(stand.graph, head, said, new_checkpoint_id(stand.cursor))
        moved = _moved(known, head.steps, after.steps)
        encoded = self._encoded(stand, after, stand.head, branching=stand.branching)
        results = {id_: self._connection.checkpoints.encode_known(result) for id_, result in moved.items()}
        due = [step for step in in_place(after.steps, moved) if _is_open(moved, step)]
        resumed = frozenset(step.id for step in due if _has_answers(moved, step))
        return Beginning([encoded], results, after, due, ThreadEvent.RESUME, resumed=resumed)

    def _arrived(self, stand: Stand) -> Checkpoint:
        head = stand.head.checkpoint if stand.head is not None else None
        return plan_input(stand.graph, head, new_checkpoint_id(stand.cursor), stand.ns)

    def _known(self, stand: Stand, head: Checkpoint) -> Known:
        keys = self._connection.place(stand.run.thread_id).keys
        return self._connection.checkpoints.results(keys, stand.ns, head.steps)

    def _encoded(
        self, stand: Stand, checkpoint: Checkpoint, parent: StoredCheckpoint | None, *, branching: bool = False
    ) -> Encoded:
        origin = Origin(stand.run.id, stand.run.metadata, stand.parents)
        return self._connection.checkpoints.encode(checkpoint, parent, origin, branching=branching)


def _answers(stand: Stand, known: Known, resume: Any) -> dict[str, Any]:
    """Return the answers by their questions' ids; none where the thread waits at a breakpoint, which any passes."""
    pending = [question for result in known.values() for question in waiting(result)]
    return {} if resume is None else assigned(stand.run.thread_id, pending, resume)


def _answered(known: Known, answers: Mapping[str, Any]) -> Known:
    """Return what is known of steps with the answers that came in: an answered question is none any more."""
    given = {id_: Dialogue.of(result).answered(answers) for id_, result in known.items() if waiting(result)}
    return {**known, **{id_: said.record() for id_, said in given.items() if said.answers.keys() & answers.keys()}}


def _moved(known: Known, before: Sequence[Step], after: Sequence[Step]) -> dict[str, Mapping[str, Any]]:
    """Return what is known of steps, and of their error handlers, under the ids that they have in a new checkpoint."""
    moved = {new.id: known[old.id] for old, new in zip(before, after, strict=False) if old.id in known}
    handlers = zip(in_place(before, known), in_place(after, moved), strict=False)
    return moved | {new.id: known[old.id] for old, new in handlers if old.id in known}


def _is_open(known: Known, step: Step) -> bool:
    return "updates" not in known.get(step.id, {})


def _has_answers(known: Known, step: Step) -> bool:
    return bool(known.get(step.id, {}).get("answers"))
