"""StateGraph's building side: nodes, edges and routers are named one by one, then checked as a whole."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from enum import Enum
from typing import Any, Self, Unpack, get_origin, overload

from .channels import Channel, LastValue
from .checks import shown
from .commands import END, START
from .concurrency import Concurrency
from .errors import InvalidGraph
from .graph import Branch, Child, Graph, Join, child_as, ends_of
from .node import (
    Node,
    callable_of,
    check_call,
    check_name,
    hints_of,
    injected_parameters,
    input_hint,
    name_of,
    plain_name,
)
from .options import NodeDefaults, NodeOptions, defaults_of, node_of, with_defaults
from .schema import Schema, schema_of
from .validation import check
from .versioning import Versioning

_PAIR = 2


class GraphBuilder:
    """Collects the parts of a graph; every call returns the builder itself, so that calls chain.

    Args:
        state_schema: a TypedDict, dataclass, pydantic model, or (for a state of one bare value) any other type.
        context_schema: the class of ``context=``, what a run is given beside its input.
        input_schema: the keys that an input may have; the state's when left out.
        output_schema: the keys that ``invoke`` returns; the state's when left out.

    Raises:
        InvalidGraph: a schema is no usable class, or a reducer does not take two arguments.
    """

    def __init__(
        self,
        state_schema: Any,
        context_schema: Any = None,
        *,
        input_schema: Any = None,
        output_schema: Any = None,
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self.defaults: dict[str, Any] = {}
        self.children: dict[str, Child] = {}
        self.edges: set[tuple[str, str]] = set()
        self.joins: list[Join] = []
        self.branches: dict[str, dict[str, Branch]] = {}
        self.context_schema = _context(context_schema)
        self.state = schema_of(state_schema)
        self.input = self._part(input_schema, "input_schema")
        self.output = self._part(output_schema, "output_schema")

    @overload
    def add_node(
        self, node: str, action: None = None, **options: Unpack[NodeOptions]
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...

    @overload
    def add_node(self, node: Any, action: Any = None, **options: Unpack[NodeOptions]) -> Self: ...

    def add_node(self, node: Any, action: Any = None, **options: Unpack[NodeOptions]) -> Any:
        """Add a node: ``add_node("name", function)``, ``add_node(function)``, or as a decorator ``@add_node("name")``.

        Args:
            node: the node's name, or the function itself, whose name is then the node's.
            action: the function: ``action(state)``, asking for ``config``, ``runtime``, ``store`` or ``writer`` by
                name or annotation where it needs them.
            **options: see NodeOptions.

        Raises:
            InvalidGraph: the name is taken or not usable, or an option does not fit.
        """
        if isinstance(node, str) and action is None:
            return self._decorator(node, options)
        name = check_name(plain_name(node) if action is not None else name_of(node))
        if name in self.nodes:
            raise InvalidGraph(f"Node {name!r} is already there: give each node a name of its own.")
        func = node if action is None else action
        self.nodes[name] = node_of(name, func, options, self._seen)
        child = child_as(func)
        if child is not None and child.keeps and name.isdigit():
            raise InvalidGraph(f"Node {name!r} keeps its graph's state by its name: give it more than a number.")
        if child is not None:
            self.children[name] = child
        return self

    def set_node_defaults(self, **options: Unpack[NodeDefaults]) -> Self:
        """Give all nodes of this graph, whenever they are added, what they are not given themselves.

        Time limits and retries hold for error handlers too. The nodes of a graph that is a node here have their own.

        Raises:
            InvalidGraph: an option is not known, or does not fit.
        """
        self.defaults.update(defaults_of(options, self._seen))
        return self

    def add_edge(self, start_key: str | list[str], end_key: str) -> Self:
        """Add an edge; a list of sources makes a join: the target runs when all of them have finished.

        Raises:
            InvalidGraph: an edge into START or out of END, or a join from a node that is not there yet.
        """
        sources = names_of(start_key)
        target = plain_name(end_key)
        if END in sources:
            raise InvalidGraph("END cannot be a start node")
        if target == START:
            raise InvalidGraph("START cannot be an end node")
        if isinstance(start_key, str | Enum):
            self.edges.add((sources[0], target))
        else:
            self._join(Join(tuple(dict.fromkeys(sources)), target))
        return self

    def add_conditional_edges(
        self,
        source: str,
        path: Callable[..., Any],
        path_map: Mapping[Hashable, str] | Sequence[str] | None = None,
    ) -> Self:
        """Let a router choose what follows a node: it sees the state with the node's writes applied.

        Args:
            source: the node after which the router is asked.
            path: returns a node's name, END, or a list of them; a key of ``path_map`` where one is given.
            path_map: answer -> node; a list names the possible nodes themselves, as does a return annotation
                ``Literal["a", "b"]``.

        Raises:
            InvalidGraph: the source already has a router of this name, or the router cannot be called with the state.
        """
        name, source, router = name_of(path), plain_name(source), callable_of(path)
        taken = self.branches.setdefault(source, {})
        if name in taken:
            raise InvalidGraph(f"Branch with name `{name}` already exists for node `{source}`")
        injected = injected_parameters(router)
        check_call(router, injected, f"router {name!r}")
        seen = self._seen(input_hint(router))
        ends = ends_of(path_map, hints_of(router).get("return"))
        taken[name] = Branch(name, router, ends, None if seen is self.state else seen, injected)
        return self

    def add_sequence(self, nodes: Sequence[Any]) -> Self:
        """Add nodes, functions or (name, function) pairs, with an edge from each to the next.

        Raises:
            InvalidGraph: the sequence is empty or names a node twice.
        """
        if not isinstance(nodes, Sequence) or isinstance(nodes, str | bytes):
            raise InvalidGraph(f"A sequence is a list of functions or (name, function) pairs, got {shown(nodes)}.")
        if not nodes:
            raise InvalidGraph("Sequence requires at least one node.")
        previous: str | None = None
        for node in nodes:
            if isinstance(node, tuple) and len(node) != _PAIR:
                raise InvalidGraph(f"A sequence's tuples are (name, function), got {shown(node)}.")
            name, func = node if isinstance(node, tuple) else (name_of(node), node)
            if name in self.nodes:
                raise InvalidGraph(f"Node names must be unique: node with the name '{name}' already exists.")
            self.add_node(name, func)
            if previous is not None:
                self.add_edge(previous, name)
            previous = name
        return self

    def set_entry_point(self, key: str) -> Self:
        """Begin with this node."""
        return self.add_edge(START, key)

    def set_finish_point(self, key: str) -> Self:
        """End after this node."""
        return self.add_edge(key, END)

    def set_conditional_entry_point(
        self, path: Callable[..., Any], path_map: Mapping[Hashable, str] | Sequence[str] | None = None
    ) -> Self:
        """Let a router choose from the input where to begin."""
        return self.add_conditional_edges(START, path, path_map)

    def build(
        self,
        name: str,
        interrupt_before: Sequence[str] | str | None,
        interrupt_after: Sequence[str] | str | None,
        versioning: Versioning = "park",
        concurrency: Concurrency | None = None,
    ) -> Graph:
        """Return the finished graph.

        Raises:
            InvalidGraph: it has no entry, an edge, router or breakpoint names a node that is not there, or two
                schemas give one key different reducers.
        """
        nodes = {name: with_defaults(node, self.defaults) for name, node in self.nodes.items()}
        graph = Graph(
            name=name,
            nodes=nodes,
            edges=self._edges_by_source(),
            joins=tuple(join for join in self.joins if join.target != END),
            branches={source: tuple(branches.values()) for source, branches in self.branches.items()},
            channels=self._channels(nodes.values()),
            state=self.state,
            input=self.input,
            output=self.output,
            children=dict(self.children),
            context=self.context_schema,
            interrupt_before=names_of(interrupt_before),
            interrupt_after=names_of(interrupt_after),
            versioning=versioning,
            concurrency=concurrency,
        )
        check(graph)
        return graph

    def _decorator(self, name: str, options: NodeOptions) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def add(action: Callable[..., Any]) -> Callable[..., Any]:
            self.add_node(name, action, **options)
            return action

        return add

    def _join(self, join: Join) -> None:
        missing = next((source for source in join.sources if source not in self.nodes), None)
        if missing is not None:
            raise InvalidGraph(f"Need to add_node `{missing}` first: a join's sources must be there before it.")
        if not join.sources:
            raise InvalidGraph(f"A join into '{join.target}' needs at least one source.")
        twin = next((known for known in self.joins if known.name == join.name), join)
        if twin != join:
            raise InvalidGraph(f"Two joins read as '{join.name}': name their sources without '+'.")
        if twin is join:
            self.joins.append(join)

    def _part(self, declared: Any, what: str) -> Schema:
        """Return a schema that stands beside the state's, of the same sort: keys beside keys."""
        schema = self.state if declared is None or declared is self.state.type else schema_of(declared)
        if schema.is_root != self.state.is_root:
            raise InvalidGraph(f"The {what} and the state must both declare keys, or both be one bare value.")
        return schema

    def _seen(self, declared: Any) -> Schema:
        """Return what a function sees of the state; a state of one bare value is seen whole."""
        return self.state if self.state.is_root else self._part(declared, "input_schema of a node")

    def _edges_by_source(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for source, target in sorted(self.edges):
            found.setdefault(source, []).extend([] if target == END else [target])
        return {source: tuple(targets) for source, targets in found.items()}

    def _channels(self, nodes: Iterable[Node]) -> dict[str, Channel]:
        """Merge the keys of all schemas; a key with a reducer wins over the plain declaration of the same key."""
        merged: dict[str, Channel] = {}
        routers = [branch.input for branches in self.branches.values() for branch in branches.values()]
        functions = [function.input for node in nodes for function in (node, node.handler) if function is not None]
        for schema in (self.state, self.input, self.output, *functions, *routers):
            for key, channel in schema.channels.items() if schema is not None else ():
                known = merged.get(key, channel)
                if channel != known and not isinstance(known, LastValue) and not isinstance(channel, LastValue):
                    raise InvalidGraph(f"Key '{key}' has two different reducers: {known} and {channel}.")
                merged[key] = channel if isinstance(known, LastValue) else known
        return merged


def _context(schema: Any) -> Any:
    if schema is not None and not isinstance(schema, type) and get_origin(schema) is None:
        raise InvalidGraph(f"The context_schema is a class, got {shown(schema)}.")
    return schema


def names_of(names: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return node names given as one name, "*", several, or none.

    Raises:
        InvalidGraph: they are something else.
    """
    if names is None:
        return ()
    if not isinstance(names, str | Enum | list | tuple | Set):
        raise InvalidGraph(f"Expected a node's name or a list of them, got {shown(names)}.")
    return tuple(plain_name(name) for name in ([names] if isinstance(names, str | Enum) else names))
