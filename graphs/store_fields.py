"""Fields of an item: which texts in a value stand for what it means."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from .checks import shown

#: The whole value, as one text.
WHOLE: Final = "$"

_PART = re.compile(r"(?P<name>[^.\[\]{}]+)|\[(?P<at>\*|-?\d{1,9})\]|\{(?P<names>[^.\[\]{}]+)\}")
#: One step into a value: into a key, into one of several keys, to a place in a list, or, with "*", to everything.
_Step: TypeAlias = str | tuple[str, ...] | int


@lru_cache(1024)
def steps_of(field: str) -> tuple[_Step, ...]:
    """Return the steps of a field: `a.b` for keys, `a[0]` and `a[*]` for lists, `{a,b}` for several keys.

    Raises:
        ValueError: it is none.
    """
    if field == WHOLE:
        return ()
    steps, at = [], 0
    while at < len(field):
        dotted = field[at] == "."
        found = _PART.match(field, at + (1 if dotted else 0))
        if not found or dotted == (at == 0 or found["at"] is not None):
            raise ValueError(_flaw(field))
        steps.append(_step(found))
        at = found.end()
    if not steps:
        raise ValueError(_flaw(field))
    return tuple(steps)


def texts_at(value: Mapping[str, Any], field: str) -> list[str]:
    """Return the texts at a field of a value; none where it has nothing there.

    A number is its text, and a dict or list is its JSON with sorted keys.
    """
    return [text for part in _parts(value, steps_of(field)) if (text := _text(part))]


def _flaw(field: str) -> str:
    return f"{shown(field)} is no field of an item: write '$', 'text', 'a.b', 'a[0]', 'a[*].b' or '{{a,b}}'."


def _step(found: re.Match[str]) -> _Step:
    if found["names"]:
        return tuple(name.strip() for name in found["names"].split(","))
    if found["at"] and found["at"] != "*":
        return int(found["at"])
    return found["name"] or "*"


def _parts(value: Any, steps: tuple[_Step, ...]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    for part in _inside(value, steps[0]):
        yield from _parts(part, steps[1:])


def _inside(value: Any, step: _Step) -> list[Any]:
    if isinstance(value, Mapping):
        names = step if isinstance(step, tuple) else [*value] if step == "*" else [step]
        return [value[name] for name in names if isinstance(name, str) and name in value]
    if not isinstance(value, list | tuple):
        return []
    if step == "*":
        return [*value]
    return [value[step]] if isinstance(step, int) and -len(value) <= step < len(value) else []


def _text(part: Any) -> str:
    if part is None or isinstance(part, str):
        return part or ""
    if isinstance(part, bool | int | float):
        return str(part)
    try:
        return json.dumps(part, sort_keys=True, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{shown(part)} has no text that could be embedded: {error}.") from error
