"""Copying what a thread holds: first to keys that nobody reads, from where one script makes it another thread's own."""

import secrets
from collections.abc import Sequence

from .bytes_redis import available
from .connection import Connection
from .keys import ThreadKeys

#: What was begun and never finished goes by itself.
_KEPT_MS = 24 * 3600 * 1000


def stage(connection: Connection, source: ThreadKeys, target: ThreadKeys) -> list[str]:
    """Copy the checkpoints and frames of a thread; return keys in pairs: where a copy lies, and where it belongs.

    The two threads may lie on different nodes of a cluster, so no script could copy from one to the other.
    """
    staged, pairs = target.staged(secrets.token_hex(8)), []
    frames = ["", *(ns.decode() for ns in connection.redis.smembers(source.frames))]
    for key, copy, own in zip(*(_held(keys, frames) for keys in (source, staged, target)), strict=True):
        with available("copy a thread"):
            data = connection.client.dump(key)
            if data is not None:
                connection.client.restore(copy, _KEPT_MS, data, replace=True)
                pairs += [copy, own]
    return pairs


def _held(keys: ThreadKeys, frames: Sequence[str]) -> list[str]:
    return [keys.frames, *(key for ns in frames for key in keys.of_frame(ns))]
