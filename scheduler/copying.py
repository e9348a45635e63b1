"""Copying what a thread holds: first to keys that nobody reads, from where one script makes it another thread's own."""

import secrets
from collections.abc import Sequence
from typing import Any, Final

from . import staged
from .bytes_redis import available
from .connection import Connection
from .keys import ThreadKeys
from .sealing import key_id_of

#: What a copy has of its original's fields, beside its status: what it is, its limits, and where its next run begins
#: and who is asked first. Its runs, its log and when it was made are its own.
COPIED_FIELDS: Final = frozenset({"graph", "fingerprint", "metadata", "timeout", "budget", "ttl_ms", "back", "waits"})
#: And of the keys of its frames; `frames` says which those are. Deadlines and what was spent belong to runs.
COPIED_OF_FRAMES: Final = ("frame", "checkpoints", "channels", "results")


def stage(connection: Connection, source: ThreadKeys, target: ThreadKeys) -> list[str]:
    """Copy the checkpoints and frames of a thread; return keys in pairs: where a copy lies, and where it belongs.

    The two threads may lie on different nodes of a cluster, so no script could copy from one to the other.
    """
    apart, pairs = target.staged(secrets.token_hex(8)), list[str]()
    frames = ["", *(ns.decode() for ns in connection.redis.smembers(source.frames))]
    for key, copy, own in zip(*(_held(keys, frames) for keys in (source, apart, target)), strict=True):
        with available("copy a thread"):
            data = connection.client.dump(key)
            if data is not None:
                connection.client.restore(copy, staged.KEPT_MS, data, replace=True)
                _resealed(connection, key, copy, own)
                pairs += [copy, own]
    return pairs


def _resealed(connection: Connection, source: str, copy: str, own: str) -> None:
    """Seal the values of a copy for where they will lie: they were sealed for their original's place."""
    client: Any = connection.client
    kind = client.type(copy)
    if kind == b"hash":
        values = client.hgetall(copy) if connection.sealing.key_id else {}
        moved = {name: _moved(connection, data, source, own, name.decode()) for name, data in values.items()}
        for name, data in moved.items():
            if data is not values[name]:
                client.hset(copy, name, data)
    elif kind == b"stream":
        _resealed_stream(connection, source, copy, own)


def _resealed_stream(connection: Connection, source: str, copy: str, own: str) -> None:
    client: Any = connection.client
    sealing = connection.sealing
    if not sealing.key_id:  # then what is sealed cannot be copied
        for id_, fields in (*client.xrange(copy, count=1), *client.xrevrange(copy, count=1)):
            sealing.open(fields[b"record"], source, id_.decode())
        return
    moved = [
        ("XADD", copy, id_, b"record", _moved(connection, fields[b"record"], source, own, id_.decode()))
        for id_, fields in client.xrange(copy)
    ]
    staged.write_at_once(client, copy, moved)


def _moved(connection: Connection, data: bytes, source: str, own: str, name: str) -> bytes:
    """Return a value sealed for its new place; one that nobody has sealed as it is."""
    sealing = connection.sealing
    return sealing.seal(sealing.open(data, source, name), own, name) if key_id_of(data) else data


def _held(keys: ThreadKeys, frames: Sequence[str]) -> list[str]:
    return [keys.frames, *(keys.named(name, ns) for ns in frames for name in COPIED_OF_FRAMES)]
