"""Keys that are filled where nobody reads, to become a thread's own later; what is never finished goes by itself.

Redis may be sent a batch twice, where its answer was lost, and whoever sends it may die before the next one.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

#: How long a key stays that becomes nobody's.
KEPT_MS: Final = 24 * 3600 * 1000
_BATCH: Final = 500


def write(client: Any, key: str, commands: Iterable[Sequence[Any]]) -> None:
    """Fill a key with commands that do the same when they come twice, some at a time; each time its lifetime begins."""
    left = iter(commands)
    while batch := [*islice(left, _BATCH)]:
        _send(client, key, batch)


def write_at_once(client: Any, key: str, commands: Iterable[Sequence[Any]]) -> None:
    """Fill a key with commands that must not come twice: all of them together, in the place of what was there."""
    _send(client, key, [("UNLINK", key), *commands])


def _send(client: Any, key: str, commands: Iterable[Sequence[Any]]) -> None:
    pipeline = client.pipeline(transaction=True)
    for command in commands:
        pipeline.execute_command(*command)
    pipeline.pexpire(key, KEPT_MS)
    pipeline.execute()
