"""The Lua files: their texts as they are sent to Redis, and what their headers declare.

A script's header is the truth about its arguments: the names after ``KEYS`` become the table ``K``, those after
``ARGV`` the table ``A``.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

_FOLDER = files("scheduler") / "lua"


@dataclass(frozen=True)
class Source:
    """One Lua file: its text as it is sent to Redis, and the names its header declares."""

    text: str
    keys: tuple[str, ...]
    args: tuple[str, ...]

    @cached_property
    def sha(self) -> str:
        """The hash by which Redis knows it."""
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def names() -> list[str]:
    """Return the name of every script."""
    return sorted(path.name.removesuffix(".lua") for path in _FOLDER.iterdir() if path.name.endswith(".lua"))


@cache
def load(name: str) -> Source:
    """Return a script, with the tables that its header declares and what it calls of the shared functions in front."""
    text = _text(name)
    keys, args = _declared(text, "KEYS"), _declared(text, "ARGV")
    tables = [_table("K", "KEYS", keys), _table("A", "ARGV", args)]
    return Source("\n".join([*tables, _with_what_it_calls(text)]), keys, args)


@cache
def shared() -> list[str]:
    """Return the files with what the scripts share, in the order of their names: `move` calls `arguments`."""
    paths = sorted((_FOLDER / "shared").iterdir(), key=lambda path: path.name)
    return [path.read_text(encoding="utf-8") for path in paths]


@cache
def commands(name: str) -> frozenset[str]:
    """Return the commands of Redis that a script sends, itself or by the shared functions that it calls."""
    code = re.sub(r"--.*", "", _with_what_it_calls(_text(name)))
    return frozenset(command.lower() for command in re.findall(r'redis\.p?call\("(\w+)"', code))


def _text(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


def _with_what_it_calls(text: str) -> str:
    """Return a script, with the shared functions in front that it calls, and those that these call.

    The others stay away: each call of a script makes every function anew that stands in it.
    """
    for called, function in reversed(_shared_functions().items()):  # each calls those before it alone
        if re.search(rf"\b{called}\(", text):
            text = f"{function}\n{text}"
    return text


@cache
def _shared_functions() -> dict[str, str]:
    """Return the shared functions by name, each with what its file says before it."""
    found = re.findall(r"(.*?^local function (\w+).*?^end$)", "\n".join(shared()), re.MULTILINE | re.DOTALL)
    return {called: text for text, called in found}


def _declared(text: str, what: str) -> tuple[str, ...]:
    line = re.search(rf"^-- {what} ([a-z_ ]+)", text, re.MULTILINE)
    return tuple(line[1].split()) if line else ()


def _table(table: str, source: str, declared: Sequence[str]) -> str:
    fields = ", ".join(f"{name} = {source}[{index}]" for index, name in enumerate(declared, start=1))
    return f"local {table} = {{{fields}}}"
