"""Where a thread is whose content is not in the store."""

from .absence import ThreadArchived
from .connection import Connection


def refuse_archived(connection: Connection, thread_id: str, event: str) -> None:
    """Say where a thread is that was archived; of any other one, nothing.

    Raises:
        ThreadArchived: it is in a file.
    """
    url = connection.redis.hget(connection.place(thread_id).keys.thread, "archive")
    if url is not None:
        raise ThreadArchived(thread_id, event, url.decode())
