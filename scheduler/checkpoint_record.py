"""A checkpoint as it lies in the stream: by position, with ids as bytes, and without what is empty.

Its own id is that of its entry. Beside it lies what the one step wrote that made it, where it was one.
"""

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import Any, Final, get_args

from graphs.channels import MISSING
from graphs.checkpoint import PULL, Checkpoint, Source, Step
from graphs.commands import START
from graphs.lean_values import lean

from .chunks import ChannelRef, ChannelValues
from .packed_ids import packed, unpacked

Record = list[Any]
#: The one step that made a checkpoint, and what it wrote; without an id it is the one that was due before.
Made = tuple[str, bytes]

_SOURCES: Final = get_args(Source)
#: Up to where every record goes; then follows what most of them do not have, by name.
_ALWAYS: Final = 7


@lean(frozen=True, slots=True)
class Origin:
    """Where a checkpoint comes from."""

    #: The run that made it; empty for a person's update.
    run_id: str = ""
    #: The user's metadata.
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: Where the graphs above stood when this one was called: frame -> checkpoint id; nothing at the root.
    parents: Mapping[str, str] = field(default_factory=dict)


@lean(frozen=True)
class StoredCheckpoint:
    """A checkpoint, and what is known of it only because it is stored."""

    checkpoint: Checkpoint
    refs: Mapping[str, ChannelRef] = field(default_factory=dict)
    origin: Origin = field(default_factory=Origin)

    @cached_property
    def steps_by_id(self) -> Mapping[str, Step]:
        """The steps that are due: each of them is looked up here, so that a wide superstep is gone through once."""
        return {step.id: step for step in self.checkpoint.steps}


def record_of(stored: StoredCheckpoint, made_by: Made | None = None) -> Record:
    """Return a checkpoint's record; ``made_by``: the step that made it, and what is known of that."""
    checkpoint, origin = stored.checkpoint, stored.origin
    more = {
        "joins": {name: sorted(arrived) for name, arrived in checkpoint.joins.items()},
        "deferred": list(checkpoint.deferred),
        "children": dict(checkpoint.children),
        "metadata": dict(origin.metadata),
        "parents": dict(origin.parents),
        "made": made_by and [made_by[1], *([packed(made_by[0])] if made_by[0] else [])],
    }
    rest = {name: value for name, value in more.items() if value}
    return [
        checkpoint.number,
        _SOURCES.index(checkpoint.source),
        checkpoint.parent_id and packed(checkpoint.parent_id),
        {name: _ref_record(ref) for name, ref in stored.refs.items()},
        [_step_record(step) for step in checkpoint.steps],
        list(checkpoint.writers),
        packed(origin.run_id),
        *([rest] if rest else []),
    ]


def stored_of(checkpoint_id: str, record: Record, values: ChannelValues) -> StoredCheckpoint:
    """Return a checkpoint from its record and the values that this refers to."""
    number, source, parent, _, steps, writers, run_id = record[:_ALWAYS]
    refs, more = refs_of(record), _more(record)
    checkpoint = Checkpoint(
        checkpoint_id,
        parent and unpacked(parent),
        _SOURCES[source],
        number,
        {name: values.value(name, ref) for name, ref in refs.items()},
        {name: frozenset(arrived) for name, arrived in more.get("joins", {}).items()},
        tuple(_step(*step) for step in steps),
        tuple(more.get("deferred", ())),
        tuple(writers),
        more.get("children", {}),
    )
    return StoredCheckpoint(
        checkpoint, refs, Origin(unpacked(run_id), more.get("metadata", {}), more.get("parents", {}))
    )


def refs_of(record: Record) -> dict[str, ChannelRef]:
    """Return where the values of a checkpoint lie."""
    return {name: ChannelRef(unpacked(generation), *rest) for name, (generation, *rest) in record[3].items()}


def run_of(record: Record) -> str:
    """Return the run that made a checkpoint."""
    return unpacked(record[6])


def made_by(record: Record) -> Made | None:
    """Return the one step that made a checkpoint, and what is known of it; None where that lies elsewhere."""
    made = _more(record).get("made")
    return made and (unpacked(made[1]) if made[1:] else "", made[0])


def children_of(record: Record) -> Mapping[str, str]:
    """Return where the frames below stood: frame -> checkpoint id."""
    children: Mapping[str, str] = _more(record).get("children", {})
    return children


def parents_of(record: Record) -> Mapping[str, str]:
    """Return where the graphs above stood: frame -> checkpoint id."""
    parents: Mapping[str, str] = _more(record).get("parents", {})
    return parents


def _more(record: Record) -> Mapping[str, Any]:
    return record[_ALWAYS] if len(record) > _ALWAYS else {}


def _ref_record(ref: ChannelRef) -> list[Any]:
    return [packed(ref.generation), ref.chunks, ref.sealed, ref.size]


def _step_record(step: Step) -> list[Any]:
    sent = () if step.arg is MISSING else (step.arg,) if step.timeout is None else (step.arg, step.timeout)
    if not sent and step == _step(step.id, step.node):
        return [packed(step.id), step.node]
    return [packed(step.id), step.node, list(step.path), list(step.triggers), *sent]


def _step(
    id_: bytes | str, node: str, path: list[str | int] | None = None, triggers: list[str] | None = None, *sent: Any
) -> Step:
    """Return a step; one without a path was made due by an edge, as most are."""
    if path is None:
        return Step(unpacked(id_), node, (PULL, node), (START,) if node == START else (f"branch:to:{node}",))
    return Step(unpacked(id_), node, tuple(path), tuple(triggers or ()), *sent)
