"""Which values in a thread's keys are users': they are sealed where they lie, and sealed anew where they go."""

from typing import Final

_OF_RUN: Final = frozenset({"plan", "error", "drain", "start"})


def is_sealed(name: str, field: str) -> bool:
    """Return whether a field of a key, or the entry of a stream, is a user's value; its metadata is, as a text.

    Args:
        name: how the scripts call the key.
        field: the field, or the id of the entry.
    """
    if name == "channels":
        return not field.endswith(":")  # those count blocks
    if name == "run":
        return field in _OF_RUN
    if name == "frame":
        return field == "outcome"
    if name == "deadlines":
        return field.endswith(" default")
    return name in ("results", "checkpoints", "events")


def place_in(name: str, field: str) -> str:
    """Return the field for which such a value is sealed: the entries of live events have their ids from Redis."""
    return "" if name == "events" else field
