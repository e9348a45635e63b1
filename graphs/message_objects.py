"""Messages as objects of langchain_core: it is no dependency, and imported only where its objects are asked for."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from xxhash import xxh3_128_hexdigest

from .errors import InvalidUpdateError

#: The forms that a message's content can be brought into.
MessageFormat = Literal["langchain-openai"]


def is_message_class(cls: type) -> bool:
    """Return whether a class is one of message objects; while nobody has imported them, none can be."""
    base = getattr(sys.modules.get("langchain_core.messages.base"), "BaseMessage", None)
    return base in cls.__mro__


def holds_objects(messages: Sequence[Any]) -> bool:
    """Return whether there is a message object among messages."""
    return any(map(is_message_class, set(map(type, messages))))


def are_whole_objects(messages: Sequence[Any]) -> bool:
    """Return whether messages are all objects, and none of them a chunk."""
    chunk = getattr(sys.modules.get("langchain_core.messages.base"), "BaseMessageChunk", ())
    return all(is_message_class(kind) and not issubclass(kind, chunk) for kind in set(map(type, messages)))


def as_objects(messages: Sequence[Any]) -> list[Any]:
    """Return messages of any form as message objects, whole ones for chunks; those that are objects stay the same.

    Raises:
        InvalidUpdateError: something is not a message.
    """
    from langchain_core.messages import convert_to_messages, message_chunk_to_message

    # what an earlier merge left needs no second look: a long chat comes by here on every turn
    if are_whole_objects(messages):
        return list(messages)
    try:
        found = convert_to_messages([_with_content(message) for message in messages])
    except (ValueError, TypeError, NotImplementedError) as error:
        raise InvalidUpdateError(f"Expected messages, got {messages!r:.120}: {error}") from error
    return [message_chunk_to_message(message) for message in found]


def in_format(messages: Sequence[Any], form: MessageFormat | None) -> list[Any]:
    """Return message objects with their content blocks in a format; texts are the same in all of them."""
    from langchain_core.messages import convert_to_messages, convert_to_openai_messages

    found: list[Any] = []
    for message in messages:
        if form is None or isinstance(message.content, str):
            found.append(message)
        else:
            found += convert_to_messages(convert_to_openai_messages([message], include_id=True))
    return found


def with_ids(update: Mapping[str, Any], seed: str) -> dict[str, Any]:
    """Return a write in which every message object has an id: one that follows from the seed, where it had none."""
    return {key: _identified(value, f"{seed}|{key}") for key, value in update.items()}


def _identified(value: Any, seed: str) -> Any:
    if type(value) is list and holds_objects(value):
        return [_identified(one, f"{seed}|{index}") for index, one in enumerate(value)]
    if is_message_class(type(value)) and value.id is None:
        return value.model_copy(update={"id": xxh3_128_hexdigest(seed.encode())})
    return value


def _with_content(message: Any) -> Any:
    """Return a message with the content that the conversion insists on: a removal has none."""
    return {"content": "", **message} if isinstance(message, Mapping) else message
