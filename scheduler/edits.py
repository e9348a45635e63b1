"""What a person's updates make of a checkpoint: as if nodes had written, as an input, as a copy, or as an end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from graphs.checkpoint import Checkpoint, Result, Step
from graphs.checks import shown, text
from graphs.commands import END, START, StateUpdate
from graphs.errors import InvalidUpdateError
from graphs.graph import Graph
from graphs.planner import node_to_write_as, plan_fork, plan_input, plan_update, virtual_step
from graphs.routing import Caller, fresh, outside_of_steps, route
from graphs.updates import Update, updates_of

from .checkpoints import CheckpointStore, Encoded, Origin, StoredCheckpoint
from .config import RunConfig
from .ids import new_checkpoint_id
from .snapshots import with_finished

#: As which "nodes" an update is more than the writes of one.
COPY: Final = "__copy__"
INPUT: Final = "__input__"


@dataclass(frozen=True, slots=True)
class Draft:
    """A frame as a person sees it who is about to write to it."""

    graph: Graph
    config: RunConfig
    #: The checkpoint that is written to; None in a frame that has none.
    stored: StoredCheckpoint | None
    #: The checkpoint on which the frame stands.
    cursor: str | None
    #: What is known of the checkpoint's steps, by step id.
    known: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Whether the person sees what has finished since then: not where the config names the checkpoint.
    live: bool = True

    @property
    def head(self) -> Checkpoint | None:
        """The checkpoint itself."""
        return None if self.stored is None else self.stored.checkpoint

    def after(self, written: Encoded) -> "Draft":
        """Return the frame as it is with the next checkpoint."""
        return Draft(self.graph, self.config, written.stored, written.stored.checkpoint.id)


@dataclass(frozen=True, slots=True)
class Edit:
    """What one superstep of updates stores."""

    #: As which nodes it writes.
    nodes: Sequence[str]
    encoded: Sequence[Encoded]
    #: Step id -> what is shown as its result from now on.
    results: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def entry(self) -> dict[str, str]:
        """What the log says of it."""
        return {"node": ", ".join(self.nodes), "checkpoint": self.encoded[-1].stored.checkpoint.id}


class Edits:
    """Plans what updates store; stores nothing."""

    def __init__(self, checkpoints: CheckpointStore, call: Caller) -> None:
        self._checkpoints = checkpoints
        self._call = call

    def superstep(self, draft: Draft, updates: Sequence[StateUpdate]) -> Edit:
        """Return what updates make that are applied together.

        Raises:
            InvalidUpdateError: they do not fit the state or each other, or it is not clear as which node they write.
            NotSerializable, StateTooLarge: they cannot be stored.
        """
        (values, as_node, _), head = updates[0], draft.head
        if len(updates) > 1:
            _check(updates)
        if as_node == INPUT:
            return self._input(draft, values)
        if head is None:
            return self._written(draft, updates)
        if as_node == COPY:
            return self._copied(draft, head, values)
        if as_node == END:
            return self._ended(draft, head, values)
        return self._again(draft, head) if as_node is None and values is None else self._written(draft, updates)

    def _written(self, draft: Draft, updates: Sequence[StateUpdate]) -> Edit:
        """Write as nodes: what follows them is due next. Each update is shown as the result of its step."""
        nodes = [node_to_write_as(draft.graph, draft.head, update.as_node) for update in updates]
        seen, done = self._seen(draft, nodes)
        open_steps = [step for step in seen.steps if "updates" not in draft.known.get(step.id, {})]
        results = []
        for node, update in zip(nodes, updates, strict=True):
            step = _taken(open_steps, node, update.task_id) or virtual_step(seen, node, draft.config.ns)
            results.append(self._result(draft, seen, step, updates_of(update.values, draft.graph.channels)))
        after = plan_update(draft.graph, seen, results, new_checkpoint_id(draft.cursor), done=done, ns=draft.config.ns)
        parent_id, number = (None, 0) if draft.head is None else (draft.head.id, draft.head.number + 1)
        due = {step.id for step in (draft.head.steps if draft.head is not None else ())}
        shown = {one.step.id: self._checkpoints.encode_result(one) for one in results if one.step.id in due}
        return Edit(nodes, [self._encoded(draft, replace(after, parent_id=parent_id, number=number))], shown)

    def _seen(self, draft: Draft, nodes: Sequence[str]) -> tuple[Checkpoint, Sequence[Result]]:
        """Return the checkpoint that is written to, with what its finished steps wrote, and what that was."""
        graph, head = draft.graph, draft.head
        if head is None or (nodes == [START] and not _awaits_input(head)):
            return plan_input(graph, head, new_checkpoint_id(draft.cursor), draft.config.ns), ()
        counts = draft.live and nodes != [START]  # an input that waits is replaced, not added to
        values, done = with_finished(graph, head, draft.known if counts else {})
        return replace(head, values=values), done

    def _result(self, draft: Draft, seen: Checkpoint, step: Step, updates: tuple[Update, ...]) -> Result:
        values = fresh(draft.graph, seen.values, updates)
        offered = outside_of_steps(draft.config.for_nodes())
        return Result(step, updates, route(draft.graph, step.node, values, offered, self._call))

    def _input(self, draft: Draft, values: Any) -> Edit:
        """Let an input arrive; a run, or an update as START, takes it in."""
        if values is None:
            raise InvalidUpdateError(f"An update as {INPUT} is an input, got None.")
        arrived = plan_input(draft.graph, draft.head, new_checkpoint_id(draft.cursor), draft.config.ns)
        read = Result(arrived.steps[0], (draft.graph.input.read(values),))
        return Edit([INPUT], [self._encoded(draft, arrived)], {read.step.id: self._checkpoints.encode_result(read)})

    def _again(self, draft: Draft, head: Checkpoint) -> Edit:
        """Keep the state, and let what is due run anew."""
        again = plan_fork(head, new_checkpoint_id(draft.cursor), draft.config.ns)
        return Edit([], [self._encoded(draft, replace(again, source="update"))])

    def _ended(self, draft: Draft, head: Checkpoint, values: Any) -> Edit:
        """Keep the state, and let nothing be due."""
        if values is not None:
            raise InvalidUpdateError("An update as END writes nothing: its values are None.")
        seen, _ = self._seen(draft, (END,))
        ended = plan_fork(replace(seen, steps=(), deferred=()), new_checkpoint_id(draft.cursor), draft.config.ns)
        return Edit([END], [self._encoded(draft, replace(ended, source="update"))])

    def _copied(self, draft: Draft, head: Checkpoint, values: Any) -> Edit:
        """Put a copy beside a checkpoint; StateUpdates are then written to the copy."""
        copy = plan_fork(head, new_checkpoint_id(draft.cursor), draft.config.ns)
        clone = self._encoded(draft, replace(copy, parent_id=head.parent_id))
        if not values:
            return Edit([COPY], [clone])
        if not isinstance(values, list | tuple):
            raise InvalidUpdateError(f"What a copy is written to is a list of StateUpdates, got {shown(values)}.")
        edit = self._written(draft.after(clone), [update_of(update) for update in values])
        return Edit([COPY, *edit.nodes], [clone, *edit.encoded], edit.results)

    def _encoded(self, draft: Draft, checkpoint: Checkpoint) -> Encoded:
        parents = draft.stored.origin.parents if draft.stored is not None else {}
        origin = Origin(metadata=draft.config.checkpoint_metadata(), parents=parents)
        branching = draft.head is not None and draft.head.id != draft.cursor
        return self._checkpoints.encode(checkpoint, draft.stored, origin, branching=branching)


def update_of(given: Any) -> StateUpdate:
    """Return an update given as a tuple.

    Raises:
        TypeError: it is none, or names a step by something else than its id.
    """
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= len(StateUpdate._fields):
        raise TypeError(f"An update is a StateUpdate(values, as_node, task_id), got {shown(given)}.")
    update = StateUpdate(*given)
    if update.task_id is not None:
        text(update.task_id, "The task_id of an update", TypeError)
    return update


def _check(updates: Sequence[StateUpdate]) -> None:
    for update in updates:
        if update.as_node in (None, END, COPY, INPUT):
            raise InvalidUpdateError(f"Of several updates in one superstep each is as a node, got {update.as_node!r}.")


def _awaits_input(head: Checkpoint) -> bool:
    return [step.node for step in head.steps] == [START]


def _taken(steps: list[Step], node: str, step_id: str | None) -> Step | None:
    """Take the step for which an update stands: the one it names, else the first one of its node."""
    for step in sorted(steps, key=lambda step: step.path):
        if step.node == node and step_id in (None, step.id):
            steps.remove(step)
            return step
    return None
