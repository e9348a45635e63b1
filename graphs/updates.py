"""From what a node returns to what it writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from .channels import Channel
from .checks import shown
from .commands import END, PREVIOUS, Command, Returned, Send
from .copies import detached
from .errors import InvalidUpdateError
from .node import plain_name
from .schema import ROOT, expect_mapping
from .signals import ParentCommand

Update = Mapping[str, Any]

_PAIR = 2


@dataclass(frozen=True, slots=True)
class Written:
    """What a node's return value says: its writes, one mapping for each batch, and where its Commands go."""

    updates: tuple[Update, ...] = ()
    goto: tuple[str | Send, ...] = ()


def written(returned: Any, channels: Mapping[str, Channel]) -> Written:
    """Take a node's return value apart: an update, a Command, or a list that mixes both.

    Raises:
        ParentCommand: one of the Commands is for the graph above.
        InvalidUpdateError: it is of another kind.
    """
    if PREVIOUS in channels:
        return Written(updates_of(returned, channels))
    batches = returned if _is_batch(returned) else [returned]
    commands = [batch for batch in batches if isinstance(batch, Command)]
    for command in commands:
        if command.graph == Command.PARENT:
            raise ParentCommand(command)
    updates = (_said(b.update, channels) if isinstance(b, Command) else updates_of(b, channels) for b in batches)
    return Written(
        tuple(update for batch in updates for update in batch),
        tuple(checked_target(target) for command in commands for target in command.targets),
    )


def updates_of(returned: Any, channels: Mapping[str, Channel]) -> tuple[Update, ...]:
    """Return the writes of a node's update: nothing, a mapping, or an object with fields.

    Keys that no schema of the graph knows are dropped. The writes are copies: what the node does to its objects
    afterwards changes nothing.

    Raises:
        InvalidUpdateError: the value is of another kind.
    """
    if PREVIOUS in channels:
        return (_returned(returned),)
    if returned is None:
        return ()
    if ROOT in channels:
        return ({ROOT: detached(returned)},)
    known = {key: detached(value) for key, value in expect_mapping(returned).items() if key in channels}
    return (known,) if known else ()


def checked_target(target: Any) -> str | Send:
    """Return where a Command or a router goes.

    Raises:
        InvalidUpdateError: it is neither a node's name nor a Send, or a Send to END.
    """
    if isinstance(target, Send):
        if target.node == END:
            raise InvalidUpdateError("A Send needs a node: END has no state to be sent.")
        return Send(plain_name(target.node), detached(target.arg), target.timeout)
    if not isinstance(target, str):
        raise InvalidUpdateError(f"Expected a node's name or a Send to go to, got {shown(target)}")
    return plain_name(target)


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


def _returned(value: Any) -> Update:
    """Return what an entrypoint writes: what it shows, and what it saves."""
    final = value if isinstance(value, Returned) else Returned(value, value)
    return {END: detached(final.value), PREVIOUS: detached(final.save)}


def _said(update: Any, channels: Mapping[str, Channel]) -> tuple[Update, ...]:
    """Return the writes of a Command's update, which may also be a list of (key, value) pairs, each a write."""
    if _is_pairs(update):
        return tuple(one for key, value in update for one in updates_of({key: value}, channels))
    return updates_of(update, channels)


def _is_batch(returned: Any) -> TypeGuard[list[Any]]:
    """Return whether a value is a list of updates, with a Command among them: plain lists are refused."""
    return isinstance(returned, list | tuple) and any(isinstance(item, Command) for item in returned)


def _is_pairs(update: Any) -> TypeGuard[list[tuple[str, Any]]]:
    """Return whether an update is a list of (key, value) pairs."""
    return isinstance(update, list | tuple) and all(
        isinstance(item, tuple) and len(item) == _PAIR and isinstance(item[0], str) for item in update
    )
