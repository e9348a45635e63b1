"""Vectors as they are stored, and how near they are to each other: cosine, with numpy where it is installed."""

import math
import sys
from array import array
from collections.abc import Sequence
from functools import cache
from operator import mul
from typing import Any, Final

from graphs.checks import shown

from .errors import InvalidEmbedding
from .sealing import MARK

_FLOAT: Final = 4
_DIGITS: Final = 9
#: What the first byte is where it would be the mark of what is sealed: the lowest bits of a number, so nothing is lost.
_UNMARKED: Final = bytes([MARK[0] ^ 1])


def packed(vector: Any, dims: int) -> bytes:
    """Return a vector of length 1, as 32-bit floats in little-endian order; it begins as nothing does that is sealed.

    Raises:
        InvalidEmbedding: it is no vector of so many dimensions.
    """
    try:
        floats = [float(number) for number in vector]
    except (TypeError, ValueError) as error:
        raise InvalidEmbedding(f"a vector is a list of numbers, got {shown(vector)}") from error
    if len(floats) != dims:
        raise InvalidEmbedding(f"index['dims'] is {dims}, and a vector has {len(floats)} numbers")
    if not all(map(math.isfinite, floats)):
        raise InvalidEmbedding("a vector holds a number that is not finite")
    # By the largest first: neither very large nor very small numbers may be lost while they are squared.
    largest = max(map(abs, floats)) or 1.0
    length = math.hypot(*(number / largest for number in floats)) or 1.0
    found = _little_endian(array("f", [number / largest / length for number in floats])).tobytes()
    return _UNMARKED + found[1:] if found[:1] == MARK else found


def count_of(vectors: bytes, dims: int) -> int:
    """Return how many vectors lie in a row; 0 where they are of other dimensions, and compare with nothing."""
    row = dims * _FLOAT
    return 0 if len(vectors) % row else len(vectors) // row


def similarities(query: bytes, rows: Sequence[bytes], dims: int) -> list[float]:
    """Return for each row of vectors how near the nearest of them is to the query, from -1 to 1."""
    if not rows:
        return []
    numpy = _numpy()
    scores = _plain(query, rows, dims) if numpy is None else _fast(numpy, query, rows, dims)
    # Rounded, so that equal vectors are equally near, in whatever order their numbers were added up.
    return [round(max(-1.0, min(1.0, score)), _DIGITS) for score in scores]


def _fast(numpy: Any, query: bytes, rows: Sequence[bytes], dims: int) -> list[float]:
    every = numpy.frombuffer(b"".join(rows), dtype="<f4").reshape(-1, dims)
    # In double precision, as in Python: else a last digit would hang on how many rows there are.
    scores = every.astype(float) @ numpy.frombuffer(query, dtype="<f4").astype(float)
    starts = numpy.cumsum([0, *(count_of(row, dims) for row in rows[:-1])])
    return [float(score) for score in numpy.maximum.reduceat(scores, starts)]


def _plain(query: bytes, rows: Sequence[bytes], dims: int) -> list[float]:
    wanted = _floats(query)
    return [
        max(sum(map(mul, wanted, vectors[at : at + dims])) for at in range(0, len(vectors), dims))
        for vectors in map(_floats, rows)
    ]


def _floats(data: bytes) -> "array[float]":
    found = array("f")
    found.frombytes(data)
    return _little_endian(found)


def _little_endian(floats: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        floats.byteswap()
    return floats


@cache
def _numpy() -> Any:
    """Return numpy where it is installed (the extra ``search``); those alone import it who search by meaning."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy
