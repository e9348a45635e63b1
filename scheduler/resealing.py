"""Sealing anew what is stored: under the first key what is under another one, or under none.

Everything is replaced in its place, while threads run: a value only where it is still the one that was read, a stream
with all that was added meanwhile. What is under the first key already is passed over, so a run that was cut short is
begun again.
"""

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

from . import staged
from .bytes_redis import available
from .connection import Connection
from .keys import ThreadKeys
from .mistrust import SealBroken
from .namespaces import from_entry
from .scripts import START
from .sealed_fields import is_sealed, place_in
from .sealing import key_id_of, text_key_id

_PAGE: Final = 200
_OF_ITEM: Final = frozenset({"value", "vectors"})


@dataclass(slots=True)
class Tally:
    """What was found, and what became of it."""

    #: How many values are sealed with each key; "" counts those that nobody has sealed.
    found: Counter[str] = field(default_factory=Counter)
    #: How many were sealed anew.
    resealed: int = 0
    #: The values that cannot be opened, with the reason.
    broken: list[str] = field(default_factory=list)


class Resealing:
    """Seals anew.

    Args:
        connection: the store, with the keys.
        dry: whether it is only counted what is sealed with which key.
    """

    def __init__(self, connection: Connection, *, dry: bool = False) -> None:
        connection.sealing.require_key()
        self._connection, self._dry = connection, dry
        self.tally = Tally()

    def all(self) -> Tally:
        """Seal anew what all threads, schedules, the long-term memory and the cache hold.

        Raises:
            KeyMissing: a value is sealed with a key that is not here.
        """
        with available("seal anew"):
            keys = self._connection.keys
            for index, due in zip(keys.thread_indexes(), keys.due_sets(), strict=True):
                for token, _ in self._connection.client.zscan_iter(index):
                    self.thread(unquote(token.decode()))
                self._unborn(index, due)
            self._schedules()
            self._memory()
            self._cache()
        return self.tally

    def thread(self, thread_id: str) -> None:
        """Seal anew what a thread holds."""
        redis, keys = self._connection.redis, self._connection.place(thread_id).keys
        waiting = [run_id for line in (keys.inputs, keys.starts) for run_id in redis.zrange(line, 0, -1)]
        for run_id in [*redis.lrange(keys.runs, 0, -1), *waiting]:
            self._hash(keys.run(run_id.decode()), partial(is_sealed, "run"))
        created = redis.hget(keys.thread, "created")
        if created is None:
            return
        self._metadata(keys)
        self._hash(keys.deadlines, partial(is_sealed, "deadlines"))
        self._stream(keys, "events", "", created)
        for ns in ("", *(ns.decode() for ns in redis.smembers(keys.frames))):
            for name in ("frame", "results", "channels"):
                self._hash(keys.named(name, ns), partial(is_sealed, name))
            self._stream(keys, "checkpoints", ns, created)

    def _unborn(self, index: str, due: str) -> None:
        """Seal anew what threads hold that begin with a run that waits for its moment."""
        client = self._connection.client
        found = {member.partition(b" ")[0] for member, _ in client.zscan_iter(due, match=f"* {START}*")}
        for token in found:
            if client.zscore(index, token) is None:
                self.thread(unquote(token.decode()))

    def _metadata(self, keys: ThreadKeys) -> None:
        sealing, old = self._connection.sealing, self._connection.redis.hget(keys.thread, "metadata")
        if old is None:
            return
        text = old.decode()
        self.tally.found[text_key_id(text)] += 1
        if text_key_id(text) != sealing.key_id and not self._dry:
            plain = json.dumps(json.loads(sealing.unsealed_text(text, keys.thread, "metadata")))
            new = sealing.seal_text(plain, keys.thread, "metadata").encode()
            self._replace(keys.thread, {"metadata": (old, new)})

    def _hash(self, key: str, holds: Callable[[str], bool]) -> None:
        """Seal anew the fields of a hash that hold values."""
        page: dict[str, bytes] = {}
        for name, data in self._connection.client.hscan_iter(key, count=_PAGE):
            if holds(name.decode()):
                page[name.decode()] = data
            if len(page) == _PAGE:
                self._values(key, page)
                page = {}
        self._values(key, page)

    def _values(self, key: str, values: Mapping[str, bytes]) -> None:
        anew = {name: self._anew(data, key, name) for name, data in values.items()}
        changed = {name: (values[name], data) for name, data in anew.items() if data is not values[name]}
        self._replace(key, changed)

    def _anew(self, data: bytes, key: str, name: str) -> bytes:
        """Return a value sealed with the first key; the very same one where it is, or where it does not open."""
        sealing = self._connection.sealing
        self.tally.found[key_id_of(data)] += 1
        if self._dry or key_id_of(data) == sealing.key_id:
            return data
        try:
            return sealing.seal(sealing.unsealed(data, key, name), key, name)
        except SealBroken as error:
            self.tally.broken.append(str(error))
            return data

    def _replace(self, key: str, changed: Mapping[str, tuple[bytes, bytes]]) -> None:
        calls = (([key], [name, old, new]) for name, (old, new) in changed.items())
        self.tally.resealed += sum(self._connection.scripts.reseal_value(calls)) if changed else 0

    def _stream(self, keys: ThreadKeys, name: str, ns: str, created: bytes) -> None:
        """Put a stream together anew beside the old one, and then in its place."""
        stream, apart = keys.named(name, ns), keys.staged(secrets.token_hex(8)).named(name, ns)
        old = [(id_, *pair) for id_, fields in self._entries(stream) for pair in fields.items()]
        new = [(id_, field, self._anew(data, stream, place_in(name, id_))) for id_, field, data in old]
        count = sum(before[2] is not after[2] for before, after in zip(old, new, strict=True))
        if not count:
            return
        staged.write_at_once(self._connection.client, apart, (("XADD", apart, *entry) for entry in new))
        if self._connection.scripts.reseal_stream([keys.thread, stream, apart], created=created, last=new[-1][0]):
            self.tally.resealed += count

    def _entries(self, stream: str) -> Iterator[tuple[str, dict[bytes, bytes]]]:
        after = "-"
        while found := self._connection.redis.xrange(stream, after, "+", count=_PAGE):
            yield from ((id_.decode(), fields) for id_, fields in found)
            after = f"({found[-1][0].decode()}"

    def _schedules(self) -> None:
        names = self._connection.keys
        for id_ in self._connection.redis.smembers(names.of_schedule().schedules):
            self._hash(names.of_schedule(id_.decode()).schedule, "start".__eq__)

    def _memory(self) -> None:
        names = self._connection.keys
        if not self._dry:  # the server's index holds vectors in the clear
            self._connection.client.unlink(names.memory_vectors(), names.memory_gathered())
        for entry, _ in self._connection.client.zscan_iter(names.memory_index()):
            self._hash(names.memory_item(*from_entry(entry)), _OF_ITEM.__contains__)

    def _cache(self) -> None:
        names, client = self._connection.keys, self._connection.client
        spaces: Any = client.smembers(names.cache_namespaces())
        for namespace in (tuple(self._connection.serde.loads(space)) for space in spaces):
            for key, _ in client.zscan_iter(names.cache_index(namespace)):
                item = names.cache_item(namespace, key.decode())
                data: Any = client.get(item)
                if data is not None:
                    self._values(item, {"": data})
