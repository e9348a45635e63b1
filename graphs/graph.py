"""A graph, built and checked: immutable, and the same in every process that built it from the same code."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Literal, get_args, get_origin

from xxhash import xxh3_64_hexdigest

from .channels import Channel
from .checks import shown
from .commands import PREVIOUS, START, Send
from .concurrency import Concurrency
from .copies import handed
from .errors import InvalidDestination, InvalidGraph, UnknownKey, UnknownNode, UnmappedAnswer
from .node import Node, plain_name, variables_of
from .schema import Schema, classes_in
from .updates import checked_target
from .versioning import Versioning

#: The name of a graph that was given none.
DEFAULT_NAME = "graph"

_MAX_NAME_LENGTH = 128


def check_graph_name(name: str) -> str:
    """Return a graph's name.

    Raises:
        InvalidGraph: it is empty, too long, or has other characters than letters, digits, "_", "-" and ".".
    """
    fits = isinstance(name, str) and 0 < len(name) <= _MAX_NAME_LENGTH
    if not fits or not all(char.isalnum() or char in "_-." for char in name):
        raise InvalidGraph(
            f"A graph's name has 1 to {_MAX_NAME_LENGTH} letters, digits, '_', '-' or '.', got {shown(name)}: "
            "it is the first half of its Celery tasks' names."
        )
    return name


@dataclass(frozen=True, slots=True)
class Join:
    """A list edge: its target is due when every source has finished since it last fired."""

    sources: tuple[str, ...]
    target: str

    @property
    def name(self) -> str:
        """The trigger's name, for example ``join:a+b:merge``."""
        return f"join:{'+'.join(self.sources)}:{self.target}"

    def is_full(self, arrived: frozenset[str]) -> bool:
        """Return whether every source is among those that have arrived."""
        return arrived.issuperset(self.sources)


@dataclass(frozen=True, slots=True)
class Branch:
    """Conditional edges: a router that chooses where to go from the state."""

    name: str
    router: Callable[..., Any]
    #: What the router may answer -> the node it means; None: it answers with node names.
    ends: Mapping[Any, str] | None = None
    input: Schema | None = None
    injected: Mapping[str, str] = field(default_factory=dict)

    def targets(self, answer: Any) -> tuple[str | Send, ...]:
        """Return the nodes and Sends that a router's answer means.

        Raises:
            InvalidDestination: the answer names no target.
            UnmappedAnswer: the answer is not in the branch's map.
        """
        answers = answer if isinstance(answer, list | tuple | set | frozenset) else [answer]
        found = [self._target(one) for one in answers]
        return tuple(found if isinstance(answer, list | tuple) else sorted(found, key=str))

    def _target(self, answer: Any) -> str | Send:
        if isinstance(answer, Send):
            return checked_target(answer)
        target = answer if self.ends is None else self._mapped(self.ends, answer)
        if not isinstance(target, str | Enum) or target == START:
            raise InvalidDestination(self.name, f"{answer!r:.80}")
        return plain_name(target)

    def _mapped(self, ends: Mapping[Any, str], answer: Any) -> str | None:
        try:
            return ends[answer]
        except (KeyError, TypeError):  # TypeError: a list within the list, or another thing that no map can have
            if answer is None:
                return None
            raise UnmappedAnswer(self.name, f"{answer!r:.80}", map(str, ends)) from None


@dataclass(frozen=True, slots=True)
class Child:
    """A graph that stands as a node in another one."""

    graph: "Graph"
    #: What it keeps: True, its state over all calls; None, that of each call by itself; False, nothing.
    keeps: bool | None = None


def child_as(node: Any) -> Child | None:
    """Return what a compiled graph is as a part of another one; None for anything else."""
    graph, keeps = getattr(node, "graph", None), getattr(node, "checkpointer", None)
    return Child(graph, keeps if isinstance(keeps, bool) else None) if isinstance(graph, Graph) else None


def ends_of(path_map: Mapping[Hashable, str] | Sequence[str] | None, hint: Any) -> dict[Any, str] | None:
    """Return what a router may answer -> the node it means: its map, its list of nodes, or its Literal annotation.

    Raises:
        InvalidGraph: it is neither a map nor a list of names.
    """
    if path_map is not None and not isinstance(path_map, Mapping | list | tuple):
        raise InvalidGraph(f"A path_map is a dict of answers and nodes, or a list of nodes, got {shown(path_map)}.")
    if isinstance(path_map, Mapping):
        pairs = dict(path_map)
    else:
        names = path_map or (get_args(hint) if get_origin(hint) is Literal else ())
        pairs = {name: name for name in names}
    return {answer: plain_name(end) for answer, end in pairs.items()} or None


@dataclass(frozen=True)
class Graph:
    """Nodes, edges and state of a graph that passed its checks."""

    name: str
    nodes: Mapping[str, Node]
    #: Node or START -> the nodes its plain edges lead to, END left out.
    edges: Mapping[str, tuple[str, ...]]
    #: The list edges, END left out.
    joins: tuple[Join, ...]
    branches: Mapping[str, tuple[Branch, ...]]
    channels: Mapping[str, Channel]
    state: Schema
    input: Schema
    output: Schema
    #: Node -> the graph that it is.
    children: Mapping[str, Child] = field(default_factory=dict)
    context: Any = None
    interrupt_before: tuple[str, ...] = ()
    interrupt_after: tuple[str, ...] = ()
    versioning: Versioning = "park"
    #: How many of its steps run at once in a deployment; None: any number. Of graphs inside, the one around decides.
    concurrency: Concurrency | None = None

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the graph's shape; the bodies of its functions may change without changing it."""
        return xxh3_64_hexdigest("\n".join(sorted(self._shape())).encode())

    @cached_property
    def classes(self) -> frozenset[type]:
        """Every class that the annotations of the graph's states name: what its values may be made of."""
        routed = [branch.input for branches in self.branches.values() for branch in branches]
        functions = [node.input for node in (*self.nodes.values(), *self.handlers.values())]
        schemas = [self.state, self.input, self.output, *functions, *routed]
        hints = [hint for schema in schemas if schema is not None for hint in (schema.type, *schema.hints.values())]
        own = frozenset(cls for hint in (*hints, self.context) for cls in classes_in(hint))
        return own.union(*(child.graph.classes for child in self.children.values()))

    @property
    def is_entrypoint(self) -> bool:
        """Whether it is one function, which gets the input as it is, and whose value is the output."""
        return PREVIOUS in self.channels

    @cached_property
    def handlers(self) -> Mapping[str, Node]:
        """The nodes' error handlers by their own names; the one that nodes have by default is there once."""
        return {node.handler.name: node.handler for node in self.nodes.values() if node.handler is not None}

    @cached_property
    def called(self) -> Mapping[str, Child]:
        """Node -> the first graph that its function names, and so may call; of what it builds nobody can know."""
        named = {name: map(child_as, variables_of(node.func)) for name, node in self.nodes.items()}
        return {name: child for name, found in named.items() if (child := next(filter(None, found), None))}

    @cached_property
    def joins_by_name(self) -> Mapping[str, Join]:
        """The joins by the name under which a checkpoint counts their arrivals."""
        return {join.name: join for join in self.joins}

    @cached_property
    def joins_from(self) -> Mapping[str, tuple[Join, ...]]:
        """Node -> the joins that wait for it."""
        return {
            node: tuple(join for join in self.joins if node in join.sources)
            for node in {source for join in self.joins for source in join.sources}
        }

    @cached_property
    def joins_into(self) -> Mapping[str, tuple[Join, ...]]:
        """Node -> the joins that make it due."""
        return {node: tuple(j for j in self.joins if j.target == node) for node in {join.target for join in self.joins}}

    def triggers(self, node: str) -> tuple[str, ...]:
        """Return everything that can make a node due."""
        if self.is_entrypoint:
            return (START,)
        return (f"branch:to:{node}", *(join.name for join in self.joins_into.get(node, ())))

    def node(self, name: str) -> Node:
        """Return a node, or an error handler.

        Raises:
            UnknownNode: there is none of this name.
        """
        found = self.nodes.get(name) or self.handlers.get(name)
        if found is None:
            raise UnknownNode(name, self.name, self.nodes)
        return found

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Yield every node with its path, those of the graphs inside as ``outer.inner``."""
        for name, node in self.nodes.items():
            yield name, node
            if name in self.children:
                yield from ((f"{name}.{path}", inner) for path, inner in self.children[name].graph.walk())

    def output_of(self, values: Mapping[str, Any], keys: str | Collection[str] | None = None) -> Any:
        """Return what a caller gets of the state: the output schema's keys, the named ones, or one bare value.

        Raises:
            UnknownKey: a named key is not one of the state's.
        """
        self.check_keys(keys)
        if isinstance(keys, str):
            return handed(values.get(keys))
        if keys is not None:
            return {key: handed(values[key]) for key in keys if key in values}
        return self.shown(values, self.output.channels)

    def shown(self, values: Mapping[str, Any], keys: Iterable[str] | None = None) -> Any:
        """Return the values as users see them, and may change them: a dict of copies, or a root state's bare value."""
        if self.state.is_root:
            return handed(values.get(self.state.key))
        return {key: handed(values[key]) for key in (self.channels if keys is None else keys) if key in values}

    def typed(self, values: Mapping[str, Any]) -> Any:
        """Return the values as an instance of the state's class, where that has fields and all it needs is there."""
        if self.state.kind not in ("dataclass", "pydantic"):
            return self.shown(values)
        try:
            return self.state.view(values)
        except (
            TypeError,
            ValueError,
        ):  # a key that the class needs was not written yet
            return self.shown(values)

    def typed_output(self, output: Any) -> Any:
        """Return an output as an instance of the output schema's class, where that has fields and all are there."""
        if self.output.kind not in ("dataclass", "pydantic") or not isinstance(output, dict):
            return output
        try:
            return self.output.type(**output)
        except (TypeError, ValueError):
            return output

    def check_keys(self, keys: str | Collection[str] | None) -> None:
        """Check the keys that a caller wants to see.

        Raises:
            UnknownKey: one of them is none of the state's.
        """
        if keys is not None and not isinstance(keys, str | list | tuple | Set):
            raise UnknownKey(shown(keys), self.channels)
        for key in [keys] if isinstance(keys, str) else keys or ():
            if not isinstance(key, str) or key not in self.channels:
                raise UnknownKey(key if isinstance(key, str) else shown(key), self.channels)

    def _shape(self) -> Iterable[str]:
        for name, channel in self.channels.items():
            yield f"channel {name} {type(channel).__name__}"
        for name, node in self.nodes.items():
            handler = "" if node.handler is None else f" {node.handler.name} {sorted(node.handler.input.channels)}"
            yield f"node {name} {node.defer} {sorted(node.input.channels)}{handler}"
        for name, child in self.children.items():
            yield f"child {name} {child.keeps} {child.graph.fingerprint}"
        for source, targets in self.edges.items():
            yield f"edge {source} {sorted(targets)}"
        for join in self.joins:
            yield join.name
        for source, branches in self.branches.items():
            for branch in branches:
                ends = None if branch.ends is None else sorted(f"{key}={end}" for key, end in branch.ends.items())
                yield f"branch {source} {branch.name} {ends}"
