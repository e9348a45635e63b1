"""What a step wrote, where the chunk that came of it says the same: kept once, in the chunk."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

#: Which update, which of its keys, and which messages of the chunk were given their ids by the merge.
Echo = tuple[int, int, list[int]]

_SHORT: Final = 32


def without_echoes(
    updates: Sequence[Mapping[str, Any]], tails: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[Echo]]:
    """Return updates without the values that new chunks hold as well, and what puts these in again.

    Args:
        updates: what a step wrote.
        tails: the new chunks by their channels.
    """
    kept, echoes = [dict(update) for update in updates], []
    for place, update in enumerate(updates):
        for nth, (key, value) in enumerate(update.items()):
            given = _ids_given(value, tails[key]) if key in tails and _is_long(value) else None
            if given is not None:
                echoes.append((place, nth, given))
                kept[place][key] = None  # its place among the other keys
    return kept, echoes


def with_echoes(updates: Sequence[dict[str, Any]], echoes: Sequence[Echo], tail: Callable[[str], Any]) -> None:
    """Put the values back into updates; ``tail`` returns a channel's chunk."""
    for place, nth, given in echoes:
        key = [*updates[place]][nth]
        value = tail(key)
        updates[place][key] = [_bare(one) if at in given else one for at, one in enumerate(value)] if given else value


def _is_long(value: Any) -> bool:
    return isinstance(value, list | dict | tuple | set) or (isinstance(value, str | bytes) and len(value) > _SHORT)


def _ids_given(value: Any, tail: Any) -> list[int] | None:
    """Return which messages of a chunk got their ids from the merge; None where more than that is different."""
    if value is tail:
        return []
    if type(value) is not list or type(tail) is not list or len(value) != len(tail):
        return None
    given = [place for place, (said, kept) in enumerate(zip(value, tail, strict=True)) if said is not kept]
    return given if all(_is_bare(value[place], tail[place]) for place in given) else None


def _is_bare(said: Any, kept: Any) -> bool:
    """Return whether one message is the other without an id."""
    if type(said) is not dict or type(kept) is not dict or "id" in said or [*kept] != [*said, "id"]:
        return False
    return all(kept[key] is value for key, value in said.items())


def _bare(message: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key != "id"}
