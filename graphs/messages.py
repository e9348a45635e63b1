"""Chat messages as a state: merged by id, so that a message can be added, replaced or removed.

Messages are dicts with ``role`` and ``content``, or the message objects of langchain_core. Dicts stay dicts, until one
side of a merge holds an object, the state's annotation names their classes, or a format is asked for: then all become
objects.
"""

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final, TypedDict, get_args

from xxhash import xxh3_64_hexdigest

from .errors import InvalidGraph, InvalidUpdateError
from .message_objects import MessageFormat, as_objects, holds_objects, in_format, is_message_class

Message = dict[str, Any]

#: The role of a message that removes the one with its id.
REMOVE: Final = "remove"
#: The id with which a REMOVE message removes all messages before it.
REMOVE_ALL_MESSAGES: Final = "__remove_all__"

_PAIR = 2


def add_messages(left: Any = None, right: Any = None, *, format: MessageFormat | None = None) -> Any:
    """Merge messages by id: a new id is appended, a known one replaced in its place, ``role: remove`` takes it out.

    A message is a dict with ``role`` and ``content``, a ``(role, content)`` pair, a bare string (the user's), or a
    message object of langchain_core. One without an id gets one that follows from the message before it and its own
    content, so that the same merge gives the same ids in every process.

    Args:
        left: the messages that are there.
        right: one message or a list of them. With neither side, a reducer with the format is returned.
        format: "langchain-openai" brings the content of new messages into the form of OpenAI's; it makes them objects.

    Raises:
        InvalidUpdateError: something is not a message, or the message to remove is not there.
        InvalidGraph: the format is not known.
    """
    if format not in (None, *get_args(MessageFormat)):
        raise InvalidGraph(f"The format of messages is {get_args(MessageFormat)[0]!r} or None, got {format!r:.40}.")
    if left is None and right is None:
        return partial(add_messages, format=format)
    before, new = _listed(left), _listed(right)
    if format is None and not holds_objects(before) and not holds_objects(new):
        return _merged(before, new)
    return _merged(as_objects(before), in_format(as_objects(new), format))


def add_message_objects(left: Any, right: Any) -> list[Any]:
    """Merge messages as ``add_messages`` does, into message objects in any case."""
    return _merged(as_objects(_listed(left)), as_objects(_listed(right)))


class MessagesState(TypedDict):
    """A state with one key, ``messages``, merged by ``add_messages``."""

    messages: Annotated[list[Any], add_messages]


def id_of(message: Any) -> Any:
    """Return a message's id, or None."""
    return message.get("id") if isinstance(message, dict) else getattr(message, "id", None)


def messages_said(written: Any, before: Any, reducer: Any = None) -> list[Any]:
    """Return the messages in what was written to a key: objects, and where ``add_messages`` merges, those of any form.

    Those that the merge makes objects of are objects here as well; removals are left out.

    Args:
        written: what a node wrote.
        before: the key's value before that.
        reducer: the key's.
    """
    merge = getattr(reducer, "func", reducer)
    if merge not in (add_messages, add_message_objects):
        return [one for one in _listed(written) if is_message_class(type(one))]
    said = [one for one in map(_read, _listed(written)) if one is not None and role_of(one) != REMOVE]
    if reducer is add_messages and not holds_objects(_listed(before)) and not holds_objects(said):
        return said
    return [one if is_message_class(type(one)) else as_objects([one])[0] for one in said]


def identified(value: Any) -> Any:
    """Return a message that somebody else must be able to name.

    Raises:
        InvalidUpdateError: it is no message, or has no id.
    """
    message = _as_message(value)
    if id_of(message) is None:
        raise InvalidUpdateError("Message ID is required: what is shown now and what is kept are one by their id.")
    return message


def read_messages(given: Sequence[Any], reducer: Any, *, objects: bool) -> list[Any]:
    """Return messages given in any form as a reducer merges them: dicts, or objects.

    Raises:
        InvalidUpdateError: something is not a message.
    """
    if not objects:
        return [_as_message(one) for one in given]
    return in_format(as_objects(given), getattr(reducer, "keywords", {}).get("format"))


def _listed(messages: Any) -> list[Any]:
    return messages if isinstance(messages, list) else [messages]


def _merged(left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    merged = _by_id(left)
    for one in right:
        message = _as_message(one)
        if role_of(message) == REMOVE:
            _remove(merged, id_of(message))
        else:
            _put(merged, message)
    return list(merged.values())


def _by_id(messages: Sequence[Any]) -> dict[Any, Any]:
    merged: dict[Any, Any] = {}
    for message in messages:
        # what an earlier merge left needs no second look: a long chat comes by here on every turn
        if type(message) is dict and message.get("id") is not None and "role" in message:
            merged[message["id"]] = message
        else:
            _put(merged, _as_message(message))
    return merged


def _put(merged: dict[Any, Any], message: Any) -> None:
    if id_of(message) is None:
        message = with_id(message, next_id(next(reversed(merged), ""), merged, message))
    merged[id_of(message)] = message  # a dict keeps the place of a key that it already has


def _remove(merged: dict[Any, Any], message_id: Any) -> None:
    if message_id == REMOVE_ALL_MESSAGES:
        merged.clear()
    elif merged.pop(message_id, None) is None:
        raise InvalidUpdateError(f"There is no message with id {message_id!r} to remove.")


def role_of(message: Any) -> str:
    """Return a message's role."""
    return str(message["role"] if isinstance(message, dict) else message.type)


def with_id(message: Any, message_id: str) -> Any:
    """Return a message with an id."""
    update = {"id": message_id}
    return message | update if isinstance(message, dict) else message.model_copy(update=update)


def next_id(last: Any, taken: Container[Any], message: Any) -> str:
    """Return an id that is not taken and that every process finds again: ``last`` is that of the message before it."""
    found = str(last)
    content = message.get("content") if isinstance(message, dict) else message.content
    while True:
        found = xxh3_64_hexdigest(repr((found, role_of(message), content)).encode())
        if found not in taken:
            return found


def _as_message(value: Any) -> Any:
    message = _read(value)
    if message is None:
        raise InvalidUpdateError(
            f"Expected a message, got {value!r:.120}. "
            "Give a dict with 'role' and 'content', a (role, content) pair, or a string."
        )
    return message


def _read(value: Any) -> Any | None:
    """Return a message given in any form, None for what is none."""
    if (type(value) is dict and "role" in value) or is_message_class(type(value)):
        return value
    if isinstance(value, str):
        return {"role": "user", "content": value}
    if isinstance(value, Mapping) and "role" in value:
        return dict(value)
    if isinstance(value, Sequence) and len(value) == _PAIR and all(isinstance(part, str) for part in value):
        return {"role": value[0], "content": value[1]}
    return None
