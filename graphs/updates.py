"""From what a node returns to what it writes."""

from collections.abc import Iterable, Mapping
from typing import Any

from .channels import Channel
from .copies import detached
from .errors import InvalidUpdateError
from .schema import ROOT, expect_mapping

Update = Mapping[str, Any]


def updates_of(returned: Any, channels: Mapping[str, Channel]) -> tuple[Update, ...]:
    """Return the writes of a node's return value: None for nothing, a mapping, or an object with fields.

    Keys that no schema of the graph knows are dropped. The writes are copies: what the node does to its objects
    afterwards changes nothing.

    Raises:
        InvalidUpdateError: the value is of another kind.
    """
    if returned is None:
        return ()
    if ROOT in channels:
        return ({ROOT: detached(returned)},)
    return ({key: detached(value) for key, value in expect_mapping(returned).items() if key in channels},)


def apply(channels: Mapping[str, Channel], values: Mapping[str, Any], updates: Iterable[Update]) -> dict[str, Any]:
    """Return the next values after the writes of one superstep, in the order given.

    Keys that the graph does not know are dropped: a pending write may be older than the code that applies it.

    Raises:
        InvalidUpdateError: two plain writes to one key, or a reducer failed.
    """
    writes: dict[str, list[Any]] = {}
    for update in updates:
        for key, value in update.items():
            writes.setdefault(key, []).append(value)
    after = dict(values)
    for key, written in writes.items():
        if key in channels:
            after[key] = _merge(channels[key], after, written)
    return after


def _merge(channel: Channel, values: Mapping[str, Any], writes: list[Any]) -> Any:
    name = channel.name
    try:
        return channel.apply(values[name] if name in values else channel.initial(), writes)
    except InvalidUpdateError:
        raise
    except Exception as error:  # a reducer is the user's code: whatever it raises, the update is what did not fit
        raise InvalidUpdateError(f"At key '{name}': the reducer failed: {error!r}") from error
