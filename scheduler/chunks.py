"""Channel values in pieces: a list that grows at its end adds a chunk, any other change begins a new generation."""

from collections.abc import Iterable, Mapping
from operator import is_
from typing import Any, Final, NamedTuple

from graphs.beside import grown_from

from .bytes_redis import BytesRedis
from .serde import Serde


class ChannelRef(NamedTuple):
    """Where the value of one channel lies."""

    generation: str
    chunks: int
    sealed: bool = False

    def fields(self, channel: str, start: int = 0) -> list[str]:
        """Return the hash fields of its chunks."""
        return [f"{channel}@{self.generation}.{index}" for index in range(start, self.chunks)]


class ChannelValues:
    """Channel values by where they lie; chunks that are known already are not fetched."""

    def __init__(self, client: BytesRedis, key: str, serde: Serde) -> None:
        self._redis, self._key, self._serde = client, key, serde
        self._known: dict[tuple[str, str, int], Any] = {}
        self._chunks: dict[str, Any] = {}

    def know(self, refs: Mapping[str, ChannelRef], values: Mapping[str, Any]) -> None:
        """Take values that are at hand already."""
        for name, ref in refs.items():
            self._known[name, ref.generation, ref.chunks] = values[name]

    def fetch(self, wanted: Iterable[Mapping[str, ChannelRef]]) -> None:
        """Fetch what is not known of the values that checkpoints refer to, in one round trip."""
        fields = {
            chunk for refs in wanted for name, ref in refs.items() for chunk in ref.fields(name, self._start(name, ref))
        }
        if fields:
            ordered = sorted(fields)
            found = self._redis.hmget(self._key, ordered)
            self._chunks = {name: self._serde.loads(data) for name, data in zip(ordered, found, strict=True) if data}

    def value(self, name: str, ref: ChannelRef) -> Any:
        """Return a value that was fetched."""
        start = self._start(name, ref)
        known = self._known[name, ref.generation, start] if start else []
        tails = [self._chunks[chunk] for chunk in ref.fields(name, start)]
        if not tails:
            return known
        if start == 0 and len(tails) == 1:
            return tails[0]
        grown = list(known)
        for tail in tails:
            grown.extend(tail)
        if start:
            grown_from.put(grown, known)
        return grown

    def newest(self, name: str, ref: ChannelRef) -> Any:
        """Return the last chunk of a value."""
        (data,) = self._redis.hmget(self._key, ref.fields(name, ref.chunks - 1))
        return None if data is None else self._serde.loads(data)

    def _start(self, name: str, ref: ChannelRef) -> int:
        """Return how many chunks of a value are known already."""
        return next((count for count in range(ref.chunks, 0, -1) if (name, ref.generation, count) in self._known), 0)


#: Says that a value is the one that it was.
SAME: Final = object()


def tail_of(value: Any, before: Any) -> Any:
    """Return what a list has more than before, SAME where nothing changed, None where it is another value."""
    if value is before:
        return SAME
    if type(value) is not list or type(before) is not list or len(value) < len(before):
        return None
    if grown_from.get(value) is not before and not all(map(is_, before, value)):
        return None
    return value[len(before) :] if len(value) > len(before) else SAME
