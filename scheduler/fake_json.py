"""Redis' cjson for the Lua of fakeredis: what Redis' scripts read and write, several times as fast as fakeredis' own.

Reading is Python's: its scanner is written in C. Writing is Lua's, because a Lua table is slow to walk from Python.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from fakeredis._helpers import SimpleError

_ENCODER = files("scheduler") / "fake_json.lua"


def encoder(runtime: Any, null: object) -> Any:
    """Return `cjson.encode` for a Lua runtime; ``null``: what is `cjson.null` there."""
    return runtime.compile(_ENCODER.read_bytes())(null)


class Decoder:
    """`cjson.decode` for a Lua runtime.

    Args:
        runtime: the runtime, whose strings are bytes.
        null: what is `cjson.null` there.
    """

    def __init__(self, runtime: Any, null: object) -> None:
        self._null = null
        self._table = runtime.table_from
        # Every number of Lua is a float, and so an integer may have any size.
        self._scan = json.JSONDecoder(object_pairs_hook=self._object, parse_int=float).decode

    def __call__(self, text: object) -> Any:
        """Return what a JSON text says, in tables of Lua."""
        if not isinstance(text, bytes):
            raise SimpleError(f"ERR bad argument #1 to 'decode' (string expected, got {type(text).__name__})")
        try:
            value = self._scan(text.decode())
            if type(value) is not dict:
                value = self._value(value)
        except (ValueError, RecursionError) as error:
            raise SimpleError(f"ERR cjson.decode: {error}") from error
        return self._table(value, recursive=True) if isinstance(value, (dict, list)) else value

    def _object(self, pairs: Sequence[tuple[str, Any]]) -> dict[bytes, Any]:
        return {
            name.encode(): value.encode() if type(value) is str else self._value(value)  # mostly texts: one call less
            for name, value in pairs
        }

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, list):
            return [self._value(item) for item in value]
        return self._null if value is None else value
