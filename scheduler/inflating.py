"""Compressed data taken out, up to a size that is known before: a few bytes of a store must not fill the memory."""

import zlib


def inflated(data: bytes, limit: int) -> bytes:
    """Return what was compressed.

    Raises:
        ValueError: it is not what was compressed, or larger than the limit.
    """
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise ValueError(f"It cannot be decompressed: {error}.") from error
    if len(plain) > limit:
        raise ValueError(f"Decompressed, it would be larger than {limit} bytes.")
    if not stream.eof:
        raise ValueError("It cannot be decompressed: its end is missing.")
    return plain
