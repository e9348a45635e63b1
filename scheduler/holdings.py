"""What a thread holds in Redis: all of it read at one moment, in the clear, and written again sealed for its new place.

A thread's keys lie in one slot, so one transaction reads them. What is sealed is opened on its way out, because it is
bound to its place, and sealed for another one with the key that seals then.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from . import staged
from .bytes_redis import available
from .connection import Connection
from .keys import ThreadKeys
from .scripts import EXPIRY, QUESTIONS
from .sealed_fields import is_sealed, place_in

#: The keys of a thread, and those that each of its frames has: name -> how Redis keeps it. What is in flight is not
#: among them: nothing is, on a thread that rests.
_OF_THREAD: Final = {
    "thread": "hash",
    "runs": "list",
    "log": "stream",
    "blocks": "list",
    "events": "stream",
    "frames": "set",
    "deadlines": "hash",
    "spent": "hash",
}
_OF_FRAME: Final = {"frame": "hash", "checkpoints": "stream", "channels": "hash", "results": "hash"}
#: What a part may be: a file that names anything else is none of ours.
KINDS: Final = {**_OF_THREAD, **_OF_FRAME, "run": "hash", "due": "due"}
#: What the due set of the partition knows of a thread that rests.
_DUE: Final = (QUESTIONS, EXPIRY)


@dataclass(frozen=True, slots=True)
class Part:
    """One key of a thread."""

    #: How the scripts call it; ``run`` for a run, ``due`` for when somebody has to look at the thread.
    name: str
    #: Of which run or frame it is; "" for the thread and its root.
    of: str
    #: hash: [[field, value], ...]; list, set: [value, ...]; stream: [[id, [[field, value], ...]], ...]; due:
    #: [[what, ms], ...]
    kind: str
    value: Sequence[Any]

    def fields(self) -> dict[str, bytes]:
        """Return a hash."""
        return {name.decode(): value for name, value in self.value}


def read(connection: Connection, keys: ThreadKeys) -> list[Part]:
    """Return everything that a thread holds, in a fixed order, in the clear; nothing where it is not there.

    Raises:
        KeyMissing, SealBroken: something is sealed that cannot be opened here.
    """
    redis = connection.redis
    runs = [("run", run.decode(), "hash") for run in redis.lrange(keys.runs, 0, -1)]
    frames = ["", *sorted(ns.decode() for ns in redis.smembers(keys.frames))]
    wanted = [(name, "", kind) for name, kind in _OF_THREAD.items()]
    wanted += [(name, ns, kind) for ns in frames for name, kind in _OF_FRAME.items()]
    pipeline = redis.pipeline(transaction=True)
    for name, of, kind in (*wanted, *sorted(runs)):
        _ask(pipeline, key_of(keys, name, of), kind)
    pipeline.zmscore(keys.due, [f"{keys.token} {what}" for what in _DUE])
    *found, dues = pipeline.execute()
    parts = [
        Part(name, of, kind, _listed(connection, key_of(keys, name, of), name, kind, raw))
        for (name, of, kind), raw in zip((*wanted, *sorted(runs)), found, strict=True)
        if raw
    ]
    due = [[what, int(at)] for what, at in zip(_DUE, dues, strict=True) if at is not None]
    return [*parts, *([Part("due", "", "due", due)] if due else [])] if found[0] else []


def stage(connection: Connection, target: ThreadKeys, parts: Iterable[Part]) -> list[str]:
    """Write parts where nobody reads; return keys in pairs: where one lies, and where it belongs."""
    apart, pairs = target.staged(secrets.token_hex(8)), list[str]()
    with available("restore a thread"):
        for part in parts:
            key, own = key_of(apart, part.name, part.of), key_of(target, part.name, part.of)
            _write(connection, key, own, part)
            pairs += [key, own]
    return pairs


def put(connection: Connection, target: ThreadKeys, parts: Iterable[Part]) -> None:
    """Write parts where they belong, in a store that nobody else works on."""
    for part in parts:
        if part.kind == "due":
            connection.client.zadd(target.due, {f"{target.token} {what}": at for what, at in part.value})
        else:
            key = key_of(target, part.name, part.of)
            _write(connection, key, key, part)
            connection.client.persist(key)
    updated = next((part.fields()["updated"] for part in parts if part.name == "thread"), b"0")
    connection.client.zadd(target.index, {target.token: int(updated)})


def key_of(keys: ThreadKeys, name: str, of: str = "") -> str:
    """Return the key of a part."""
    return keys.run(of) if name == "run" else keys.named(name, of)


def _ask(pipeline: Any, key: str, kind: str) -> None:
    if kind == "hash":
        pipeline.hgetall(key)
    elif kind == "list":
        pipeline.lrange(key, 0, -1)
    elif kind == "set":
        pipeline.smembers(key)
    else:
        pipeline.xrange(key, "-", "+")


def _listed(connection: Connection, key: str, name: str, kind: str, raw: Any) -> Sequence[Any]:
    """Return what Redis answered in a fixed order, opened."""
    if kind == "hash":
        return sorted([field, _opened(connection, key, name, field.decode(), value)] for field, value in raw.items())
    if kind == "stream":
        return [
            [
                id_,
                sorted([field, _opened(connection, key, name, id_.decode(), value)] for field, value in entry.items()),
            ]
            for id_, entry in raw
        ]
    return sorted(raw) if kind == "set" else list(raw)


def _opened(connection: Connection, key: str, name: str, field: str, value: bytes) -> bytes:
    if name == "thread":
        return connection.sealing.open_text(value.decode(), key, field).encode() if field == "metadata" else value
    return connection.sealing.open(value, key, place_in(name, field)) if is_sealed(name, field) else value


def _sealed(connection: Connection, key: str, name: str, field: str, value: bytes) -> bytes:
    if name == "thread":
        return connection.sealing.seal_text(value.decode(), key, field).encode() if field == "metadata" else value
    return connection.sealing.seal(value, key, place_in(name, field)) if is_sealed(name, field) else value


def _write(connection: Connection, key: str, own: str, part: Part) -> None:
    """Write a part into a key, sealed for the one where it belongs."""
    write = staged.write if part.kind in ("hash", "set") else staged.write_at_once
    write(connection.client, key, _commands(connection, key, own, part))


def _commands(connection: Connection, key: str, own: str, part: Part) -> Iterator[tuple[Any, ...]]:
    for item in part.value:
        if part.kind == "hash":
            field, value = item
            yield "HSET", key, field, _sealed(connection, own, part.name, field.decode(), value)
        elif part.kind == "stream":
            id_, entry = item
            sealed = [(name, _sealed(connection, own, part.name, id_.decode(), value)) for name, value in entry]
            yield "XADD", key, id_, *(word for pair in sealed for word in pair)
        else:
            yield ("RPUSH" if part.kind == "list" else "SADD"), key, item


def counted(parts: Iterable[Part]) -> Mapping[str, int]:
    """Return how many runs, frames, checkpoints and events parts hold."""
    known = list(parts)
    return {
        "runs": sum(part.name == "run" for part in known),
        "frames": sum(part.name == "frame" for part in known),
        "checkpoints": sum(len(part.value) for part in known if part.name == "checkpoints"),
        "events": sum(len(part.value) for part in known if part.name == "events"),
    }
