"""The Lua scripts of the long-term memory, one typed method each."""

from collections.abc import Sequence
from typing import Any

from redis import Redis

from .calling import Call, Caller
from .keys import Keys
from .namespaces import Span, from_entry


class MemoryScripts:
    """Runs the scripts of the memory on one Redis; those that return a call are sent by ``send``."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._caller = Caller(client)
        self._keys = keys

    def put(self, entry: bytes, value: bytes, ttl_ms: int | None, vectors: bytes = b"") -> Call:
        """Store an item, for ever without a ttl."""
        return self._of_item("memory_put", entry, value, "" if ttl_ms is None else ttl_ms, vectors)

    def delete(self, entry: bytes) -> Call:
        """Remove an item."""
        return self._of_item("memory_delete", entry)

    def refresh(self, entry: bytes) -> Call:
        """Begin the lifetime of an item anew."""
        return Call("memory_refresh", [self.item(entry), self._keys.memory_expiry()], [entry])

    def sweep(self, limit: int) -> Call:
        """Forget up to so many expired entries; the answer says how many there were."""
        return Call("memory_sweep", self._indexes(), [limit])

    def send(self, *calls: Call, together: bool = False) -> list[Any]:
        """Send calls in one round trip; ``together``: nobody sees some of them done and others not."""
        answers = self._caller.call_each(calls, together=together)
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
        return [self._keys.memory_index(), self._keys.memory_expiry()]
