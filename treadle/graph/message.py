"""Chat messages: how they merge, and how they are shown before the node that says them has finished."""

from graphs.context import push_message
from graphs.messages import REMOVE_ALL_MESSAGES, MessagesState, add_messages

__all__ = ["REMOVE_ALL_MESSAGES", "MessagesState", "add_messages", "push_message"]
