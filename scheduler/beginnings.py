"""What a run begins with: a new input, what a thread has due, answers, or an old checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphs.checkpoint import Checkpoint, Result
from graphs.checks import shown
from graphs.commands import START, Command
from graphs.errors import EmptyInputError, InvalidUpdateError
from graphs.graph import Graph
from graphs.planner import plan_command, plan_entry, plan_fork, plan_input, plan_next
from graphs.routing import Caller, fresh, outside_of_steps, route
from graphs.updates import Update, written

from .answers import assigned
from .checkpoints import Encoded, Origin, StoredCheckpoint, in_place
from .connection import Connection
from .deadlines import overdue
from .dialogue import Dialogue
from .errors import AlreadyResumed
from .ids import new_checkpoint_id
from .lifecycle import ThreadEvent
from .openings import Beginning, Known, answered, asked_again, carried, is_open, pending, reopened, replaying
from .run import Run


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
    #: Where the graphs inside that keep their state stand, for a frame that begins without a head.
    children: Mapping[str, str] = field(default_factory=dict)
    #: Whether an answer to a question that does not wait is an error.
    strict: bool = False

    @property
    def newest(self) -> str | None:
        """The newest checkpoint that the frame and those above it stand on: what comes now is later."""
        return max((id_ for id_ in (self.cursor, *self.parents.values()) if id_), default=None)

    @property
    def branching(self) -> bool:
        """Whether the run begins a new branch of history."""
        return self.head is not None and self.head.checkpoint.id != self.cursor


class Beginnings:
    """Plans how runs begin; stores nothing."""

    def __init__(self, connection: Connection, call: Caller) -> None:
        self._connection = connection
        self._call = call

    def plan(self, stand: Stand, value: Any) -> Beginning:
        """Return what a run begins with; ``value`` is an input, a Command, or None.

        Raises:
            EmptyInputError: there is no input and nothing to go on from.
            AlreadyResumed, AmbiguousAnswer, UnknownInterruptError: a Command's answer is for no question, or for more
                than one.
            InvalidInput, InvalidUpdateError, NotSerializable, StateTooLarge: the value does not fit.
        """
        if value is None:
            return self._going_on(stand)
        if not isinstance(value, Command):
            return self.entered(stand, stand.graph.input.read(value))
        _check_own(value)
        if stand.head is None:
            return self._steered(stand, value, {}, replace(self._arrived(stand), steps=()))
        head = stand.head.checkpoint
        known = self._known(stand, head)
        if stand.branching:
            known = asked_again(known)
        answers = self._answers(stand, known, value.resume)
        if value.update is None and not value.targets:
            if stand.branching:
                return self._answered_again(stand, stand.head, answered(known, answers), answers)
            if value.resume not in (None, {}) and not head.steps:  # somebody else was faster, and the run has ended
                raise AlreadyResumed(stand.run.thread_id, ())
            return reopened(self._connection, head, known, answers)
        return replace(self._steered(stand, value, answered(known, answers), head), answered=tuple(answers))

    def resumed(self, stand: Stand, head: Checkpoint, answers: Mapping[str, Any]) -> Beginning:
        """Return how a frame goes on from where it stands, with answers by the ids of their questions.

        Raises:
            NotSerializable: an answer cannot be stored.
        """
        return reopened(self._connection, head, self._known(stand, head), answers)

    def entered(self, stand: Stand, update: Update) -> Beginning:
        """Return how a graph begins with an input that was read already.

        Raises:
            InvalidUpdateError, NotSerializable, StateTooLarge: the state cannot take it.
        """
        if stand.graph.is_entrypoint:
            head = None if stand.head is None else stand.head.checkpoint
            entry = plan_entry(stand.graph, head, update, new_checkpoint_id(stand.newest), stand.ns)
            only = self._encoded(stand, entry, stand.head, branching=stand.branching)
            return Beginning([only], {}, entry, entry.steps, ThreadEvent.START)
        first = self._encoded(stand, self._arrived(stand), stand.head, branching=stand.branching)
        applied = self._applied(stand, first.stored, (update,))
        return replace(applied, encoded=[first, *applied.encoded], event=ThreadEvent.START)

    def replayed(self, stand: Stand, old: StoredCheckpoint, ns: str) -> Beginning:
        """Return how a graph begins again at an old checkpoint: of its own frame, or of the one of an earlier call.

        Raises:
            NotSerializable, StateTooLarge: the state can no longer be stored.
        """
        parent = old if ns == stand.ns else None  # what lies in another frame cannot be referred to
        fork = plan_fork(old.checkpoint, new_checkpoint_id(stand.newest), stand.ns)
        fork = replace(fork, parent_id=None if parent is None else parent.checkpoint.id)
        first = self._encoded(stand, fork, parent, branching=old.checkpoint.id != stand.cursor)
        if [step.node for step in fork.steps] != [START]:
            return Beginning([first], {}, fork, fork.steps, ThreadEvent.RESUME)
        (start,) = self._known(replace(stand, ns=ns), old.checkpoint).values()
        applied = self._applied(stand, first.stored, start["updates"])  # the input itself
        return replace(applied, encoded=[first, *applied.encoded])

    def _applied(self, stand: Stand, first: StoredCheckpoint, updates: Sequence[Update]) -> Beginning:
        """Begin with an input that has arrived: START is the one step that nobody has to run."""
        arrived, graph = first.checkpoint, stand.graph
        offered = outside_of_steps(stand.run.config)
        goto = route(graph, START, fresh(graph, arrived.values, tuple(updates)), offered, self._call)
        result = Result(arrived.steps[0], tuple(updates), goto)
        applied = plan_next(graph, arrived, [result], new_checkpoint_id(arrived.id), stand.ns)
        second = self._encoded(stand, applied, first, made_by=(result, Dialogue()))
        return Beginning([second], {}, applied, applied.steps, ThreadEvent.RESUME)

    def _going_on(self, stand: Stand) -> Beginning:
        if stand.head is None:
            raise EmptyInputError(f"Received no input, and thread {stand.run.thread_id!r} has nothing to go on from.")
        head = stand.head.checkpoint
        if stand.named and (stand.run.replays or stand.branching or head.source not in ("update", "fork")):
            return self.replayed(stand, stand.head, stand.ns)
        known = self._known(stand, head)
        if [step.node for step in head.steps] == [START]:  # a person let an input arrive, and nobody has taken it in
            (start,) = known.values()
            return self._applied(stand, stand.head, start["updates"])
        waits = {question.id for question in pending(known)}
        late = overdue(self._connection, stand.run.thread_id) if waits else {}
        answers = {id_: one.default for id_, one in late.items() if id_ in waits}
        return replace(reopened(self._connection, head, known, answers), late=bool(answers))

    def _answered_again(
        self, stand: Stand, old: StoredCheckpoint, known: Known, answers: Mapping[str, Any]
    ) -> Beginning:
        """Begin again at an old checkpoint, with answers to what its steps will ask."""
        again = self.replayed(stand, old, stand.ns)
        known = carried(stand.ns, old.checkpoint.steps, again.head.steps, known)
        results = {id_: self._connection.checkpoints.encode_known(one, "The answers") for id_, one in known.items()}
        resumed = replaying(known, again.steps)
        return replace(again, results={**again.results, **results}, resumed=resumed, answered=tuple(answers))

    def _steered(self, stand: Stand, command: Command, known: Known, head: Checkpoint) -> Beginning:
        """Write a Command's update and go where it says, beside what is due; what has finished stays finished."""
        said = written(command, stand.graph.channels)
        after = plan_command(stand.graph, head, said, new_checkpoint_id(stand.newest))
        if stand.branching:  # on another branch they are other steps
            fork = plan_fork(head, after.id, stand.ns)
            after = replace(after, steps=(*fork.steps, *after.steps[len(fork.steps) :]))
            known = carried(stand.ns, head.steps, fork.steps, known)
        encoded = self._encoded(stand, after, stand.head, branching=stand.branching)
        results = {id_: self._connection.checkpoints.encode_known(result) for id_, result in known.items()}
        due = [step for step in in_place(after.steps, known) if is_open(known, step)]
        return Beginning([encoded], results, after, due, ThreadEvent.RESUME, resumed=replaying(known, due))

    def _answers(self, stand: Stand, known: Known, resume: Any) -> dict[str, Any]:
        """Return the answers by their questions' ids; none where the thread waits at a breakpoint, which any passes."""
        if resume is None:
            return {}
        answers = assigned(stand.run.thread_id, pending(known), resume, strict=stand.strict)
        for id_, answer in answers.items():
            self._connection.serde.dumps(answer, f"The answer to question {id_}")
        return answers

    def _arrived(self, stand: Stand) -> Checkpoint:
        head = stand.head.checkpoint if stand.head is not None else None
        arrived = plan_input(stand.graph, head, new_checkpoint_id(stand.newest), stand.ns)
        return arrived if head is not None else replace(arrived, children=stand.children)

    def _known(self, stand: Stand, head: Checkpoint) -> Known:
        keys = self._connection.place(stand.run.thread_id).keys
        return self._connection.checkpoints.results(keys, stand.ns, head.steps, head.id)

    def _encoded(self, stand: Stand, checkpoint: Checkpoint, parent: StoredCheckpoint | None, **how: Any) -> Encoded:
        origin = Origin(stand.run.id, stand.run.metadata, stand.parents)
        return self._connection.checkpoints.encode(checkpoint, parent, origin, **how)


def _check_own(command: Command[Any]) -> None:
    if command.graph is not None:
        raise InvalidUpdateError(
            f"A Command for another graph ({shown(command.graph)}) is what a node returns: a caller's has no graph."
        )
