"""Chat messages as a state: merged by id, so that a message can be added, replaced or removed."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypedDict

from xxhash import xxh3_64_hexdigest

from .errors import InvalidUpdateError

Message = dict[str, Any]

#: The role of a message that removes the one with its id.
REMOVE: Final = "remove"
#: The id with which a REMOVE message removes all messages before it.
REMOVE_ALL_MESSAGES: Final = "__remove_all__"

_PAIR = 2


def add_messages(left: Any, right: Any) -> list[Message]:
    """Merge messages by id: a new id is appended, a known one replaced in its place, ``role: remove`` takes it out.

    A message is a dict with ``role`` and ``content``, a ``(role, content)`` pair, or a bare string (the user's). One
    without an id gets one that follows from the message before it and its own content, so that the same merge gives
    the same ids in every process.

    Raises:
        InvalidUpdateError: something is not a message, or the message to remove is not there.
    """
    merged = _by_id(left)
    for one in right if isinstance(right, list) else [right]:
        message = _as_message(one)
        if message["role"] == REMOVE:
            _remove(merged, message.get("id"))
        else:
            _put(merged, message)
    return list(merged.values())


class MessagesState(TypedDict):
    """A state with one key, ``messages``, merged by ``add_messages``."""

    messages: Annotated[list[Message], add_messages]


def _by_id(messages: Any) -> dict[Any, Message]:
    merged: dict[Any, Message] = {}
    for message in messages if isinstance(messages, list) else [messages]:
        # what an earlier merge left needs no second look: a long chat comes by here on every turn
        if type(message) is dict and message.get("id") is not None and "role" in message:
            merged[message["id"]] = message
        else:
            _put(merged, _as_message(message))
    return merged


def _put(merged: dict[Any, Message], message: Message) -> None:
    if message.get("id") is None:
        message = message | {"id": _next_id(merged, message)}
    merged[message["id"]] = message  # a dict keeps the place of a key that it already has


def _remove(merged: dict[Any, Message], message_id: Any) -> None:
    if message_id == REMOVE_ALL_MESSAGES:
        merged.clear()
    elif merged.pop(message_id, None) is None:
        raise InvalidUpdateError(f"There is no message with id {message_id!r} to remove.")


def _next_id(merged: dict[Any, Message], message: Message) -> str:
    """Return an id that no message has and that every process finds again."""
    found = str(next(reversed(merged), ""))
    while True:
        found = xxh3_64_hexdigest(repr((found, message["role"], message.get("content"))).encode())
        if found not in merged:
            return found


def _as_message(value: Any) -> Message:
    if type(value) is dict and "role" in value:
        return value
    if isinstance(value, str):
        return {"role": "user", "content": value}
    if isinstance(value, Mapping) and "role" in value:
        return dict(value)
    if isinstance(value, Sequence) and len(value) == _PAIR and all(isinstance(part, str) for part in value):
        return {"role": value[0], "content": value[1]}
    raise InvalidUpdateError(
        f"Expected a message, got {value!r:.120}. "
        "Give a dict with 'role' and 'content', a (role, content) pair, or a string."
    )
