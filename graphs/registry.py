"""The graphs that a process can run, by name."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from .errors import InvalidGraph, UnknownGraph
from .graph import Graph

ENTRY_POINTS = "treadle.graphs"


class Registry(Mapping[str, Graph]):
    """Graphs by name; a name means one shape, or several versions of which the first is the one to begin with."""

    def __init__(self, graphs: Iterable[Graph] = ()) -> None:
        self._graphs: dict[str, Graph] = {}
        self._versions: dict[tuple[str, str], Graph] = {}
        for graph in graphs:
            self.add(graph)

    def add(self, graph: Graph) -> None:
        """Add a graph.

        Raises:
            InvalidGraph: another graph has its name, and they are not versions of one.
        """
        known = self._graphs.setdefault(graph.name, graph)
        if known.fingerprint != graph.fingerprint and "park" in (known.versioning, graph.versioning):
            raise InvalidGraph(
                f"Two different graphs are named {graph.name!r}: name each at compile(name=...), "
                "so that a step's message says which one is meant. Versions of one graph may stand side by side where "
                "each has compile(versioning='pinned') or 'auto_upgrade'."
            )
        self._versions.setdefault((graph.name, graph.fingerprint), graph)

    def version(self, name: str, fingerprint: str) -> Graph | None:
        """Return this version of a graph, or else the one to begin with; None for a name that is not known."""
        return self._versions.get((name, fingerprint)) or self._graphs.get(name)

    def versions(self) -> Collection[Graph]:
        """Return every version of every graph."""
        return self._versions.values()

    def __getitem__(self, name: str) -> Graph:
        if name not in self._graphs:
            raise UnknownGraph(name, self._graphs)
        return self._graphs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._graphs)

    def __len__(self) -> int:
        return len(self._graphs)


def load(addresses: Iterable[str]) -> list[Any]:
    """Import the compiled graphs that ``module:attribute`` addresses name, and those of installed packages.

    An attribute is a graph or a list of graphs.

    Raises:
        InvalidGraph: an address cannot be imported, or names something else.
    """
    named = [(address, _import(address)) for address in addresses]
    named.extend((point.value, point.load()) for point in entry_points(group=ENTRY_POINTS))
    return [graph for address, found in named for graph in _graphs_in(found, address)]


def _import(address: str) -> Any:
    module_name, _, attribute = address.strip().partition(":")
    if not attribute:
        raise InvalidGraph(f"{address!r} does not name a graph: write 'package.module:attribute'.")
    try:
        return getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise InvalidGraph(f"The graph {address!r} cannot be imported: {error}") from error


def _graphs_in(found: Any, address: str) -> list[Any]:
    graphs = found if isinstance(found, list | tuple) else [found]
    for graph in graphs:
        if not isinstance(getattr(graph, "graph", None), Graph):
            raise InvalidGraph(
                f"{address!r} is a {type(graph).__name__}, not a compiled graph: name what compile() returned."
            )
    return list(graphs)
