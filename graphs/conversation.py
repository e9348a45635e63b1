"""The channel of a chat: merges messages as ``add_messages`` does, at a cost that follows what is new.

A long chat comes by here twice in every turn. Beside its list lies an index of its messages by their ids, which a list
that grew out of it takes over.
"""

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from .beside import Beside, grown_from
from .channels import MISSING, Channel, Reduced, overwrite_in
from .copies import own
from .message_objects import are_whole_objects, holds_objects
from .messages import REMOVE, add_message_objects, add_messages, id_of, next_id, read_messages, role_of, with_id

#: Shorter chats are merged as a whole: that takes no longer.
_LONG: Final = 64
#: How many messages lie apart from the large part of an index, which is shared by all lists that grew out of one.
_APART: Final = 256

_REDUCERS: Final = (add_messages, add_message_objects)


@dataclass(frozen=True, slots=True)
class Index:
    """Where in a list a message is, and whether its messages are objects."""

    places: ChainMap[Any, int]
    objects: bool


_indexes: Final[Beside[Index]] = Beside()


@dataclass(frozen=True, slots=True)
class Conversation(Reduced):
    """Messages, merged by id."""

    def apply(self, current: Any, writes: Sequence[Any]) -> Any:
        """Return the chat after the writes; the lists that it was, and is, stay as they are."""
        overwritten = overwrite_in(self.name, writes)
        if overwritten is not None:
            return overwritten.value
        merged = current
        for write in writes:
            merged = own(write) if merged is MISSING else self._merged(merged, write)
        return merged

    @property
    def _makes_objects(self) -> bool:
        return self.reducer is add_message_objects or bool(getattr(self.reducer, "keywords", {}).get("format"))

    def _merged(self, left: Any, write: Any) -> Any:
        index = _index_of(left) if type(left) is list and len(left) >= _LONG else None
        new = write if isinstance(write, list) else [write]
        if index is None or index.objects is not (index.objects or self._makes_objects or holds_objects(new)):
            return self.reducer(left, write)
        messages = read_messages(new, self.reducer, objects=index.objects)
        if any(role_of(message) == REMOVE for message in messages):  # what comes after it moves up
            return self.reducer(left, write)
        return _joined(left, messages, index)


def channel_of_chat(channel: Channel) -> Channel:
    """Return the channel of a chat for one whose reducer merges messages; any other one as it is."""
    if not isinstance(channel, Reduced):
        return channel
    reducer = channel.reducer.func if isinstance(channel.reducer, partial) else channel.reducer
    return Conversation(channel.name, channel.reducer, channel.empty) if reducer in _REDUCERS else channel


def _joined(left: list[Any], new: Sequence[Any], index: Index) -> list[Any]:
    joined, places, replaced = left.copy(), _apart(index.places), False
    for one in new:
        id_ = id_of(one)
        message = with_id(one, next_id(id_of(joined[-1]), places, one)) if id_ is None else one
        place = places.setdefault(id_of(message), len(joined))
        if place < len(joined):
            joined[place], replaced = message, True
        else:
            joined.append(message)
    if not replaced:
        grown_from.put(joined, left)
    _indexes.put(joined, Index(places, index.objects))
    return joined


def _apart(places: ChainMap[Any, int]) -> ChainMap[Any, int]:
    """Return an index that can be added to without a change of the one that it goes on from."""
    recent, *rest = places.maps
    return ChainMap({}, {**rest[0], **recent}) if len(recent) > _APART else ChainMap({**recent}, *rest)


def _index_of(messages: list[Any]) -> Index | None:
    """Return the index of a list of messages as a merge leaves them; None for any other list."""
    found = _indexes.get(messages)
    if found is not None:
        return found
    before = grown_from.get(messages)
    known = None if before is None else _indexes.get(before)
    if before is None or known is None:
        objects, start, places = holds_objects(messages), 0, ChainMap[Any, int]({}, {})
    else:
        objects, start, places = known.objects, len(before), _apart(known.places)
    added = messages[start:]
    # what somebody wrote past the reducer may lack ids, or have one twice
    ids = {id_of(one): place for place, one in enumerate(added, start)} if _are_whole(added, objects=objects) else {}
    if len(ids) < len(added) or None in ids or any(id_ in places for id_ in ids):
        return None
    places.maps[0 if start else 1].update(ids)
    index = Index(places, objects)
    _indexes.put(messages, index)
    return index


def _are_whole(messages: Sequence[Any], *, objects: bool) -> bool:
    if objects:
        return are_whole_objects(messages)
    return all(type(one) is dict and "role" in one for one in messages)
