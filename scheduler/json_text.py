"""JSON as the scripts read and write it: by a fast library, and by Python's own for what that one refuses."""

import json
from collections.abc import Mapping
from typing import Any

import orjson


def encoded(value: Any) -> bytes:
    """Return a value as JSON."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a number of more than 64 bits, or half of a surrogate pair in what an error says
        return json.dumps(value, separators=(",", ":")).encode()


def unfinished(value: Mapping[str, Any]) -> bytes:
    """Return an object as JSON without its last brace: a script adds what only Redis knows, and the brace."""
    return encoded(value)[:-1]


def decoded(data: bytes) -> Any:
    """Return the value of a JSON text."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data)
