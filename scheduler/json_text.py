"""JSON as the scripts read and write it: by fast libraries, and by Python's own for what these refuse.

orjson writes. It does not read: it makes a float of a whole number of more than 64 bits, and says nothing. pydantic's
reader keeps every digit, at 1.2 times orjson's time for a record of 500 bytes.
"""

import json
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic_core import from_json


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
        return from_json(data)
    except ValueError:  # half of a surrogate pair, or deeper than that reader goes
        return json.loads(data)
