"""The Lua scripts of the long-term memory, one typed method each."""

import json
from collections.abc import Sequence
from typing import Any

from redis import Redis

from .calling import Call, Caller
from .keys import Keys
from .namespaces import Span, from_entry, labels_of


class MemoryScripts:
    """Runs the scripts of the memory on one Redis; those that return a call are sent by ``send``."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._caller = Caller(client)
        self._keys = keys

    def put(
        self, entry: bytes, value: bytes, ttl_ms: int | None, vectors: bytes = b"", dims: int | None = None
    ) -> Call:
        """Store an item, for ever without a ttl; ``dims`` is how long its vectors are, None where they are sealed."""
        row = (vectors, dims or "", _attributes(entry)) if vectors else ("", "", "")
        return self._of_item("memory_put", entry, value, "" if ttl_ms is None else ttl_ms, *row)

    def delete(self, entry: bytes) -> Call:
        """Remove an item."""
        return self._of_item("memory_delete", entry)

    def refresh(self, entry: bytes) -> Call:
        """Begin the lifetime of an item anew."""
        return Call("memory_refresh", [self.item(entry), self._keys.memory_expiry()], [entry])

    def sweep(self, limit: int) -> Call:
        """Forget up to so many expired entries; the answer says how many there were."""
        return Call("memory_sweep", self._indexes(), [limit])

    def begin_vectors(self, known: bytes, build: bytes, dims: int) -> Call:
        """Begin the vector set anew, in place of the build that is known; the answer says whether it was begun."""
        return Call("memory_begin_vectors", self._vectors(), [known, build, dims])

    def gather(self, entry: bytes, build: bytes) -> Call:
        """Put an item into the vector set of that build."""
        return Call("memory_gather", [self.item(entry), *self._vectors()], [entry, build, _attributes(entry)])

    def move_on(self, build: bytes, cursor: bytes, following: bytes) -> Call:
        """Say that the items up to an entry are in, or, with an empty one, all; the answer says whether that counts."""
        return Call("memory_move_on", [self._keys.memory_gathered()], [build, cursor, following])

    def send(self, *calls: Call, together: bool = False, patient: bool = True) -> list[Any]:
        """Send calls in one round trip; ``together`` and ``patient`` as of Caller.call_each."""
        answers = self._caller.call_each(calls, together=together, patient=patient)
        for error in answers:
            if isinstance(error, Exception):
                raise error
        return answers

    def namespaces(self, span: Span, limit: int) -> list[bytes]:
        """Return the tokens of the first namespaces in the range."""
        index = self._keys.memory_index()
        return list(self._caller.call(Call("memory_namespaces", [index], [span.first, span.last, limit])))

    def item(self, entry: bytes) -> str:
        """Return the key of the item that an entry stands for."""
        return self._keys.memory_item(*from_entry(entry))

    def _of_item(self, name: str, entry: bytes, *args: Any) -> Call:
        return Call(name, [self.item(entry), *self._indexes()], [entry, *args])

    def _indexes(self) -> Sequence[str]:
        return [self._keys.memory_index(), self._keys.memory_expiry(), *self._vectors()]

    def _vectors(self) -> Sequence[str]:
        return [self._keys.memory_vectors(), self._keys.memory_gathered()]


def _attributes(entry: bytes) -> str:
    return json.dumps(labels_of(from_entry(entry)[0]))
