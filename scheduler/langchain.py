"""The classes of langchain_core that every state may hold: its messages and documents."""

from functools import cache
from typing import Final

#: How the names begin under which its objects are stored.
LANGCHAIN: Final = "langchain_core."


@cache
def langchain_classes() -> tuple[type, ...]:
    """Return them, none where the package is missing; it is imported for the first object that is met.

    The list is made here, never from what a stored value calls itself.
    """
    try:
        from langchain_core import messages
        from langchain_core.documents import Document
    except ImportError:
        return ()
    named = [getattr(messages, name) for name in messages.__all__]
    return (Document, *(cls for cls in named if isinstance(cls, type) and issubclass(cls, messages.BaseMessage)))
