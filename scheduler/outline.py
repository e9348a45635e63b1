"""Checkpoints without their values: enough to decide which of them others need."""

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from .checkpoint_record import Record, children_of, parents_of, refs_of
from .packed_ids import unpacked

_PIECE: Final = re.compile(r"[.:]")


@dataclass(frozen=True, slots=True)
class Outline:
    """One checkpoint."""

    id: str
    parent_id: str | None
    steps: frozenset[str]
    #: The values that it refers to, as the fields of their chunks begin: ``channel@generation``.
    values: frozenset[str]
    #: Where the graph at the root stood, of one in a frame below; and where the frames below stood.
    root: str | None = None
    children: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, checkpoint_id: str, record: Record) -> "Outline":
        """Return the outline of a record."""
        return cls(
            checkpoint_id,
            record[2] and unpacked(record[2]),
            frozenset(unpacked(step[0]) for step in record[4]),
            frozenset(ref.value_of(name) for name, ref in refs_of(record).items()),
            parents_of(record).get(""),
            children_of(record),
        )


def kept(
    frames: Mapping[str, Sequence[Outline]],
    cursors: Mapping[str, AbstractSet[str]],
    asked: Mapping[str, AbstractSet[str]],
    newest: int,
) -> dict[str, set[str]]:
    """Return the ids of the checkpoints that stay, by frame.

    Those are, of the root, the newest ones; where each frame stands; each at which a person was asked, with the one
    that came of it; in the frames below, those whose checkpoint at the root stays; the parents of branches; and where
    the frames below stood at one that stays.

    Args:
        frames: the checkpoints of each frame, the oldest first.
        cursors: where each frame stands, or will stand when it begins again.
        asked: the ids of the steps that have asked, by frame.
        newest: how many of the root stay in any case.
    """
    staying = {ns: {one.id for one in found if one.id in cursors.get(ns, ())} for ns, found in frames.items()}
    staying[""] |= {one.id for one in frames[""][-newest:]}
    for ns, found in frames.items():
        for one, after in pairwise([*found, None]):
            if one is not None and one.steps & asked.get(ns, set()):
                staying[ns] |= {one.id, *(() if after is None else (after.id,))}
    for ns, found in frames.items():
        staying[ns] |= {one.id for one in found if ns and one.root in staying[""]}
    while _widened(frames, staying):
        pass
    return staying


def _widened(frames: Mapping[str, Sequence[Outline]], staying: dict[str, set[str]]) -> bool:
    """Add what those that stay need; return whether there was anything."""
    before = sum(map(len, staying.values()))
    for ns, found in frames.items():
        known = {one.id for one in found}
        for previous, one in pairwise([None, *found]):
            if one is None or one.id not in staying[ns]:
                continue
            if one.parent_id in known and (previous is None or previous.id != one.parent_id):
                staying[ns].add(one.parent_id)
            for below, id_ in one.children.items():
                if id_ in {child.id for child in frames.get(below, ())}:
                    staying[below].add(id_)
    return sum(map(len, staying.values())) > before


def value_of(chunk: str) -> str:
    """Return of which value the field of a chunk, a block or a counter is: ``channel@generation``."""
    channel, _, rest = chunk.rpartition("@")
    return f"{channel}@{_PIECE.split(rest)[0]}"


def unused(fields: Iterable[str], staying: Iterable[Outline]) -> list[str]:
    """Return the fields of chunks that no checkpoint that stays refers to."""
    values = {value for one in staying for value in one.values}
    return [name for name in fields if value_of(name) not in values]
