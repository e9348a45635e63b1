"""A client of a Redis Cluster: every command goes to the node that holds its key, wherever that is by now."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import redis
from redis import exceptions
from redis.commands.core import CoreCommands
from redis.crc import key_slot

from .ailments import ailment_of
from .lean_redis import LeanRedis
from .patience import Patience

Address = tuple[str, int]
#: A command and the options with which its reply is read.
Command = tuple[tuple[Any, ...], dict[str, Any]]

#: How often the map of the cluster may be wrong for one command.
_HOPS = 5
#: Commands whose arguments are no keys: any node answers them, and those without arguments.
_KEYLESS = frozenset({"CLUSTER", "CONFIG GET", "INFO"})
_AWAY = (exceptions.ConnectionError, exceptions.TimeoutError)


class ClusterRedis(CoreCommands):
    """A client whose commands all have keys of one slot, as ours have: the keys of a thread share one.

    It asks for the map of the cluster with its first command, and again when a node is silent or says that a key has
    moved. A pipeline is one round trip for each node; only one whose keys share a slot can be a transaction.

    Args:
        seeds: nodes of the cluster, to ask for the others.
        node_at: makes the client of a node.
        patience: how long it waits for nodes that ail.
    """

    _event_dispatcher: Any = None  # redis-py's own clients have one

    def __init__(self, seeds: Sequence[Address], node_at: Callable[[Address], LeanRedis], patience: Patience) -> None:
        self.patience = patience
        self._seeds = tuple(seeds)
        self._node_at = node_at
        self._nodes: dict[Address, LeanRedis] = {}
        #: Those that did not answer when they were last asked: the others are asked first.
        self._silent: set[Address] = set()
        #: The node that holds a slot; empty: not known, or not any more.
        self._owners: Mapping[int, Address] = {}
        self._lock = threading.Lock()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command to the node of its key and return the reply; SCRIPT LOAD goes to every node."""
        if args[0] == "SCRIPT LOAD":
            return self._ask_everywhere((args, options))
        return self.patience.see_through(partial(self._ask, (args, options)))

    def pipeline(self, transaction: bool = True) -> "ClusterPipeline":
        """Return a pipeline."""
        return ClusterPipeline(self, transaction=transaction)

    def primaries(self) -> list[LeanRedis]:
        """Return a client of each node that holds keys."""
        addresses = self.patience.see_through(self._known_owners).values()
        return [self.node(address) for address in dict.fromkeys(addresses)]

    def ask_each(self, commands: Sequence[Command], patience: Patience, *, together: bool) -> list[Any]:
        """Return the replies to commands, or the errors; an error is raised where every reply is that of an ailment."""
        asking = _Asking(self, commands, together=together)
        try:
            patience.see_through(asking.go_on)
        except exceptions.RedisError:
            if all(map(ailment_of, asking.answers)):
                raise
        return asking.answers

    def owner(self, command: Command) -> Address:
        """Return the node that a command is for."""
        owners, key = self._known_owners(), _key(command[0])
        if key is None:
            return self._willing(owners.values())[0]
        slot = key_slot(key if isinstance(key, bytes) else str(key).encode())
        if slot not in owners:
            self.forget()
            raise exceptions.ClusterDownError(f"No node holds slot {slot}.")
        return owners[slot]

    def node(self, address: Address) -> LeanRedis:
        """Return the client of a node."""
        with self._lock:
            if address not in self._nodes:
                self._nodes[address] = self._node_at(address)
            return self._nodes[address]

    def forget(self, silent: Address | None = None) -> None:
        """Forget who holds what: a node was silent, or said that it has moved."""
        if silent is not None:
            self._silent.add(silent)
        self._owners = {}

    def asked(self, command: Command, to: exceptions.AskError) -> Any:
        """Return the reply of the node to which a key is just being moved."""
        pipeline: Any = redis.Redis.pipeline(self.node(to.node_addr), transaction=False)
        pipeline.execute_command("ASKING")
        pipeline.execute_command(*command[0], **command[1])
        return pipeline.execute()[1]

    def close(self) -> None:
        """Close every connection."""
        for node in self._nodes.values():
            node.close()

    def __enter__(self) -> "ClusterRedis":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, command: Command) -> Any:
        for _ in range(_HOPS):
            address = self.owner(command)
            try:
                return self.node(address).execute_command(*command[0], **command[1])
            except exceptions.MovedError:
                self.forget()
            except exceptions.AskError as ask:
                return self.asked(command, ask)
            except _AWAY:
                self.forget(silent=address)
                if _key(command[0]) is not None or self._silent.issuperset(self._known_owners().values()):
                    raise
        raise exceptions.ClusterDownError("The nodes of the cluster do not agree who holds a key.")

    def _ask_everywhere(self, command: Command) -> Any:
        answers: list[Any] = []
        for node in self.primaries():
            with suppress(*_AWAY):  # whoever takes its place is asked when a script is called there
                answers.append(node.execute_command(*command[0], **command[1]))
        return answers and answers[0]

    def _known_owners(self) -> Mapping[int, Address]:
        owners = self._owners
        if not owners:
            self._owners = owners = self._found_owners()
        return owners

    def _found_owners(self) -> Mapping[int, Address]:
        """Return the map of the cluster, of the first node that answers."""
        silent: Exception = exceptions.ClusterDownError("No node of the cluster holds a slot.")
        for address in self._willing([*self._seeds, *self._nodes]):
            try:
                ranges = self.node(address).execute_command("CLUSTER", "SLOTS")
            except exceptions.RedisError as error:
                silent = error
                self._silent.add(address)
                continue
            self._silent.discard(address)
            found = {
                slot: (bytes(primary[0] or b"").decode() or address[0], int(primary[1]))
                for first, last, primary, *_ in ranges
                for slot in range(first, last + 1)
            }
            if found:
                return found
        raise silent

    def _willing(self, addresses: Iterable[Address]) -> list[Address]:
        """Return nodes, those first that answered when they were last asked."""
        return sorted(dict.fromkeys(addresses), key=lambda address: address in self._silent)


class ClusterPipeline(CoreCommands):
    """Commands that travel together: in one round trip for each node."""

    _event_dispatcher: Any = None

    def __init__(self, cluster: ClusterRedis, *, transaction: bool) -> None:
        self.patience = cluster.patience
        self._cluster = cluster
        self._transaction = transaction
        self._commands: list[Command] = []

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Take a command."""
        self._commands.append((args, options))
        return self

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send the commands and return their replies; raise the first error, or leave errors among the replies."""
        commands, self._commands = self._commands, []
        ask_each = partial(self._cluster.ask_each, together=self._transaction)
        answers = ask_each(commands, self.patience) if commands else []
        for error in answers if raise_on_error else ():
            if isinstance(error, Exception):
                raise error
        return answers


class _Asking:
    """Commands on their way; what has its reply is not sent again."""

    def __init__(self, cluster: ClusterRedis, commands: Sequence[Command], *, together: bool) -> None:
        self.answers: list[Any] = [exceptions.ClusterDownError("not asked yet")] * len(commands)
        self._cluster = cluster
        self._commands = commands
        self._together = together
        self._left = list(range(len(commands)))

    def go_on(self) -> None:
        """Ask for what is left; raise the first error of a node that ails."""
        for _ in range(_HOPS):
            self._ask_owners()
            if not any(isinstance(self.answers[place], exceptions.MovedError) for place in self._left):
                break
            self._cluster.forget()
        for place in self._left:
            raise self.answers[place]

    def _ask_owners(self) -> None:
        groups: dict[Address, list[int]] = {}
        for place in self._left:
            try:
                groups.setdefault(self._cluster.owner(self._commands[place]), []).append(place)
            except exceptions.RedisError as error:
                self.answers[place] = error
        for address, places in groups.items():
            for place, answer in zip(places, self._ask_node(address, places), strict=True):
                self.answers[place] = self._followed(place, answer)
        self._left = [place for place in self._left if ailment_of(self.answers[place])]

    def _ask_node(self, address: Address, places: Sequence[int]) -> Sequence[Any]:
        pipeline: Any = redis.Redis.pipeline(self._cluster.node(address), transaction=self._together)
        for place in places:
            args, options = self._commands[place]
            pipeline.execute_command(*args, **options)
        try:
            return list(pipeline.execute(raise_on_error=False))
        except _AWAY as error:  # the other nodes are asked all the same
            self._cluster.forget(silent=address)
            return [error] * len(places)
        except exceptions.ResponseError as error:  # a transaction that was refused as a whole
            return [error] * len(places)

    def _followed(self, place: int, answer: Any) -> Any:
        """Return an answer, from the node to which its key is just being moved where one was named."""
        if not isinstance(answer, exceptions.AskError) or isinstance(answer, exceptions.MovedError):
            return answer
        if self._together:  # it cannot be split
            return exceptions.TryAgainError("the keys of a transaction are being moved")
        try:
            return self._cluster.asked(self._commands[place], answer)
        except exceptions.RedisError as error:
            return error


def _key(args: Sequence[Any]) -> Any:
    """Return the first key of a command; None: it has none."""
    if len(args) == 1 or args[0] in _KEYLESS:
        return None
    if args[0] in ("EVALSHA", "EVAL"):
        return args[3]
    if args[0] == "XREAD":
        words = [word.decode() if isinstance(word, bytes) else word for word in args]
        return words[words.index("STREAMS") + 1]
    return args[1]
