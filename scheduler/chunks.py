"""Channel values in pieces: a list that grows at its end adds a chunk, any other change begins a new generation."""

from collections.abc import Collection, Iterable, Mapping
from operator import is_
from typing import Any, Final, NamedTuple, Self

import ormsgpack

from graphs.beside import grown_from

from .bytes_redis import BytesRedis
from .excess import StateTooLarge
from .inflating import inflated
from .json_text import encoded
from .mistrust import Unreadable
from .sealing import PLAIN, Sealing
from .serde import Serde

#: A state of at most so many chunks is sent to a worker with its lease.
_MOST_TOGETHER = 32
#: How many chunks a block stands for; the newest so many, and more, are never packed.
SPAN: Final = 32
#: A block is made of no more bytes: larger chunks gain nothing by it.
LARGEST_BLOCK: Final = 64 * 1024


class ChannelRef(NamedTuple):
    """Where the value of one channel lies."""

    generation: str
    chunks: int
    sealed: bool = False
    #: How many bytes its chunks take; 0 where a checkpoint of an earlier version does not say.
    size: int = 0

    def grown(self, by: int) -> "ChannelRef":
        """Return where the value lies with one more chunk of so many bytes."""
        return ChannelRef(self.generation, self.chunks + 1, size=self.size + by)

    def fields(self, channel: str, start: int = 0) -> list[str]:
        """Return the hash fields of its chunks."""
        return [f"{channel}@{self.generation}.{index}" for index in range(start, self.chunks)]

    def value_of(self, channel: str) -> str:
        """Return the name that the fields of a value begin with."""
        return f"{channel}@{self.generation}"

    def counter(self, channel: str) -> str:
        """Return the hash field that says how many blocks of a value are settled."""
        return f"{channel}@{self.generation}:"

    def blocks(self, channel: str, start: int = 0) -> dict[str, range]:
        """Return the hash fields of the blocks in which its chunks lie once they are packed, and which chunks."""
        numbers = range(start // SPAN, (self.chunks - 1) // SPAN + 1)
        return {
            f"{channel}@{self.generation}:{number}": range(number * SPAN, (number + 1) * SPAN) for number in numbers
        }


def chunk_names(refs: Mapping[str, ChannelRef]) -> str:
    """Return the names of the chunks of a state (JSON); nothing where they are too many to travel together."""
    if sum(ref.chunks for ref in refs.values()) > _MOST_TOGETHER:
        return ""
    return encoded([name for channel, ref in refs.items() for name in ref.fields(channel)]).decode()


def check_size(refs: Mapping[str, ChannelRef], limit: int | None) -> None:
    """Check that a state is not too large, all its keys together.

    Raises:
        StateTooLarge: it is.
    """
    size = sum(ref.size for ref in refs.values())
    if limit is not None and size > limit:
        raise StateTooLarge("The state as a whole", size, limit, "TREADLE_MAX_STATE_BYTES")


class ChannelValues:
    """Channel values by where they lie; chunks that are known already are not fetched."""

    def __init__(self, client: BytesRedis, key: str, serde: Serde, sealing: Sealing = PLAIN) -> None:
        self._redis, self._key, self._serde, self._sealing = client, key, serde, sealing
        self._known: dict[tuple[str, str, int], Any] = {}
        self._chunks: dict[str, Any] = {}

    def know(self, refs: Mapping[str, ChannelRef], values: Mapping[str, Any]) -> None:
        """Take values that are at hand already."""
        for name, ref in refs.items():
            self._known[name, ref.generation, ref.chunks] = values[name]

    def taking(self, chunks: Mapping[str, bytes]) -> Self:
        """Take chunks that are at hand already."""
        self._chunks = {name: self._serde.loads(self._opened(name, data)) for name, data in chunks.items()}
        return self

    def fetch(self, wanted: Iterable[Mapping[str, ChannelRef]]) -> None:
        """Fetch what is not known of the values that checkpoints refer to: in one round trip, as a rule.

        The newest chunks lie apart, the others in blocks. Where that is otherwise, a second look finds them.
        """
        needed, apart, blocks = set[str](), set[str](), dict[str, tuple[str, range]]()
        packed: dict[str, tuple[str, range]] = {}
        for name, ref in {(name, ref) for refs in wanted for name, ref in refs.items()}:
            start, newest = self._start(name, ref), ref.chunks - 2 * SPAN
            needed.update(ref.fields(name, start))
            apart.update(ref.fields(name, max(start, newest)))
            found = {field: (ref.value_of(name), chunks) for field, chunks in ref.blocks(name, start).items()}
            blocks |= found
            packed |= {field: block for field, block in found.items() if block[1].start < newest}
        self._fetch(apart, packed, needed)
        while missing := needed - self._chunks.keys():
            self._fetch(missing, blocks, needed)  # packed in this moment, they are in a block by now
            if needed - self._chunks.keys() == missing:
                return

    def _fetch(self, fields: Iterable[str], blocks: Mapping[str, tuple[str, range]], needed: Collection[str]) -> None:
        names = [*sorted(fields), *blocks]
        found = self._redis.hmget(self._key, names) if names else []
        for name, data in zip(names, found, strict=True):
            if data is not None and name in blocks:
                value, chunks = blocks[name]
                packed = zip(
                    (f"{value}.{chunk}" for chunk in chunks), unpacked_block(self._opened(name, data)), strict=True
                )
                self._chunks |= {field: self._serde.loads(chunk) for field, chunk in packed if field in needed}
            elif data is not None:
                self._chunks[name] = self._serde.loads(self._opened(name, data))

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
        self._known[name, ref.generation, ref.chunks - 1] = []  # so that none of those before it are fetched
        self.fetch([{name: ref}])
        return self._chunks[ref.fields(name, ref.chunks - 1)[0]]

    def _opened(self, field: str, data: bytes) -> bytes:
        return self._sealing.open(data, self._key, field)

    def _start(self, name: str, ref: ChannelRef) -> int:
        """Return how many chunks of a value are known already."""
        return next((count for count in range(ref.chunks, 0, -1) if (name, ref.generation, count) in self._known), 0)


def unpacked_block(data: bytes) -> list[bytes]:
    """Return the chunks of a block.

    Raises:
        Unreadable: it is none.
    """
    try:
        chunks: list[bytes] = ormsgpack.unpackb(inflated(data, 2 * LARGEST_BLOCK))
    except ValueError as error:
        raise Unreadable(str(error)) from error
    return chunks


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
