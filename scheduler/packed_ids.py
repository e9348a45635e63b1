"""Ids as the bytes that they stand for: a third to a half of their texts."""

_MS_BYTES, _SEQUENCE_BYTES = 6, 8
_CHECKPOINT_BYTES = _MS_BYTES + _SEQUENCE_BYTES


def packed(id_: str) -> bytes | str:
    """Return a checkpoint's id, or one of hexadecimal digits, as bytes; any other text as it is."""
    moment, dash, sequence = id_.partition("-")
    try:
        data = _of_checkpoint(moment, sequence) if dash else bytes.fromhex(id_)
    except (ValueError, OverflowError):
        return id_
    return data if data and unpacked(data) == id_ else id_


def unpacked(data: bytes | str) -> str:
    """Return the id that was packed."""
    if isinstance(data, str):
        return data
    if len(data) != _CHECKPOINT_BYTES:
        return data.hex()
    ms, sequence = int.from_bytes(data[:_MS_BYTES], "big"), int.from_bytes(data[_MS_BYTES:], "big")
    return f"{ms:013d}-{sequence}"


def _of_checkpoint(moment: str, sequence: str) -> bytes:
    return int(moment).to_bytes(_MS_BYTES, "big") + int(sequence).to_bytes(_SEQUENCE_BYTES, "big")
