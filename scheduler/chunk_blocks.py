"""The older chunks of values that grow, in compressed blocks: a long list takes less, and is read in fewer pieces.

A chunk of one message has a field of its own as long as it is new. When a run begins, what lies far enough behind is
packed: the block stands for its chunks, whichever checkpoint refers to them.
"""

import zlib
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress

import ormsgpack

from .bytes_redis import BytesRedis
from .chunks import LARGEST_BLOCK, SPAN, ChannelRef
from .errors import StoreUnavailable
from .mistrust import KeyMissing, SealBroken
from .scripts import Place, Scripts
from .sealing import PLAIN, Sealing

#: How many blocks of a value one run packs at the most, so that none waits long for what a longer one left.
_AT_ONCE = 4
_KNOWN_VALUES = 4096


class ChunkBlocks:
    """Packs chunks."""

    def __init__(self, redis: BytesRedis, scripts: Scripts, sealing: Sealing = PLAIN) -> None:
        self._redis, self._scripts, self._sealing = redis, scripts, sealing
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()

    def pack(self, place: Place, refs: Mapping[str, ChannelRef]) -> None:
        """Pack what lies well before the end of values; what is not packed now will be some other time."""
        with suppress(StoreUnavailable, KeyMissing, SealBroken):  # for those to report who read it
            for name, ref in refs.items():
                if ref.chunks // SPAN > 1:
                    self._pack(place, name, ref)

    def _pack(self, place: Place, name: str, ref: ChannelRef) -> None:
        key, wanted = (place.keys.token, ref.value_of(name)), ref.chunks // SPAN - 1
        count = self._counts.pop(key, 0)
        if not count:  # this process has not packed any of it yet
            count = int(self._redis.hget(place.named("channels"), ref.counter(name)) or 0)
        for number in range(count, min(wanted, count + _AT_ONCE)):
            count = self._pack_one(place, name, ref, number)
        self._counts[key] = count
        while len(self._counts) > _KNOWN_VALUES:
            self._counts.popitem(last=False)

    def _pack_one(self, place: Place, name: str, ref: ChannelRef, number: int) -> int:
        fields = ref._replace(chunks=(number + 1) * SPAN).fields(name, number * SPAN)
        key = place.named("channels")
        packed, counter = self._block(key, fields), ref.counter(name)
        block = packed and self._sealing.seal(packed, key, f"{counter}{number}")
        return self._scripts.pack_chunks(place, value=ref.value_of(name), number=number, span=SPAN, block=block)

    def _block(self, key: str, fields: list[str]) -> bytes:
        """Return chunks as a block; nothing where they are too large."""
        sizes = self._redis.pipeline(transaction=False)
        for field in fields:
            sizes.hstrlen(key, field)
        if sum(sizes.execute()) > LARGEST_BLOCK:
            return b""
        found = self._redis.hmget(key, fields)
        chunks = [self._sealing.open(data, key, field) for field, data in zip(fields, found, strict=True) if data]
        return zlib.compress(ormsgpack.packb(chunks)) if all(found) else b""
