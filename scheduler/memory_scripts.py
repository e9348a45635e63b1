"""The Lua scripts of the long-term memory, one typed method each."""

from redis import Redis
from redis.client import Pipeline
from redis.commands.core import Script

from .keys import Keys
from .lua_files import load
from .namespaces import Span, from_entry


class MemoryScripts:
    """Runs the scripts of the memory on one Redis; those that take a pipeline are sent when it is executed."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._keys = keys
        self._put = _register(client, "memory_put")
        self._delete = _register(client, "memory_delete")
        self._refresh = _register(client, "memory_refresh")
        self._sweep = _register(client, "memory_sweep")
        self._namespaces = _register(client, "memory_namespaces")

    def put(self, pipeline: Pipeline, entry: bytes, value: bytes, ttl_ms: int | None) -> None:
        """Store an item, for ever without a ttl."""
        self._put([self.item(entry), *self._indexes()], [entry, value, "" if ttl_ms is None else ttl_ms], pipeline)

    def delete(self, pipeline: Pipeline, entry: bytes) -> None:
        """Remove an item."""
        self._delete([self.item(entry), *self._indexes()], [entry], pipeline)

    def refresh(self, pipeline: Pipeline, entry: bytes) -> None:
        """Begin the lifetime of an item anew."""
        self._refresh([self.item(entry), self._keys.memory_expiry()], [entry], pipeline)

    def sweep(self, limit: int) -> int:
        """Forget up to so many expired entries; return how many there were."""
        return int(self._sweep(self._indexes(), [limit]))

    def sweep_later(self, pipeline: Pipeline, limit: int) -> None:
        """Forget up to so many expired entries when the pipeline is executed."""
        self._sweep(self._indexes(), [limit], pipeline)

    def namespaces(self, span: Span, limit: int) -> list[bytes]:
        """Return the tokens of the first namespaces in the range."""
        return list(self._namespaces([self._keys.memory_index()], [span.first, span.last, limit]))

    def item(self, entry: bytes) -> str:
        """Return the key of the item that an entry stands for."""
        return self._keys.memory_item(*from_entry(entry))

    def _indexes(self) -> list[str]:
        return [self._keys.memory_index(), self._keys.memory_expiry()]


def _register(client: Redis, name: str) -> Script:
    return client.register_script(load(name).text)
